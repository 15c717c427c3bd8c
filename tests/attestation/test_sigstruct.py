"""SIGSTRUCT: read whole, with its signature, or refused."""

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.errors import EvidenceFormatError
from attestation.sgx.sigstruct import SigStruct, parse_sigstruct


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(3, 3072)


def signed(key: rsa.RSAPrivateKey, *, debug: bool = False) -> bytes:
    """A SIGSTRUCT as a signing tool writes it (Intel SDM, volume 3D): product 7, version 3."""
    head = bytes.fromhex("06000000e10000000000010000000000") + bytes(4) + bytes.fromhex("24112026")
    head += bytes.fromhex("01010000600000006000000001000000") + bytes(4) + bytes(84)
    flags = (4 | 2 * debug).to_bytes(8, "little") + bytes(8)
    mask = b"\xff" * 16
    body = bytes(28) + flags + mask + bytes(range(32)) + bytes(32)
    body += (7).to_bytes(2, "little") + (3).to_bytes(2, "little")
    modulus = key.public_key().public_numbers().n.to_bytes(384, "little")
    signature = key.sign(head + body, padding.PKCS1v15(), hashes.SHA256())[::-1]
    raw = head + modulus + (3).to_bytes(4, "little") + signature + body
    return raw + bytes(1808 - len(raw))


def test_a_signed_structure_tells_the_enclave_and_its_signer(key: rsa.RSAPrivateKey) -> None:
    modulus = key.public_key().public_numbers().n.to_bytes(384, "little")
    expected = SigStruct(bytes(range(32)), sha256(modulus).digest(), 7, 3, debuggable=False)
    assert expected == parse_sigstruct(signed(key))


def test_a_debug_enclave_is_told(key: rsa.RSAPrivateKey) -> None:
    assert parse_sigstruct(signed(key, debug=True)).debuggable


@pytest.mark.parametrize("offset", [0, 24, 20, 128, 512, 516, 928, 960, 1024, 1026])
def test_no_byte_that_counts_can_be_changed(key: rsa.RSAPrivateKey, offset: int) -> None:
    raw = bytearray(signed(key))
    raw[offset] ^= 1
    with pytest.raises(EvidenceFormatError):
        parse_sigstruct(bytes(raw))


@given(st.binary(max_size=64) | st.binary(min_size=1808, max_size=1808))
@settings(max_examples=50)
def test_no_bytes_fail_in_any_other_way(raw: bytes) -> None:
    with pytest.raises(EvidenceFormatError):
        parse_sigstruct(raw)
