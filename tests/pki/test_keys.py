import hashlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import keys


@pytest.mark.parametrize("algorithm", list(keys.KeyAlgorithm))
def test_every_algorithm_makes_keys_that_survive_their_encoding(algorithm: keys.KeyAlgorithm) -> None:
    key = keys.generate(algorithm)
    again = keys.load_private(keys.private_der(key))
    assert keys.private_der(key) == keys.private_der(again)
    assert keys.spki_der(key.public_key()) == keys.spki_der(keys.load_public(keys.public_der(again.public_key())))


def test_an_rsa_key_has_the_bits_that_were_asked_for() -> None:
    assert keys.generate_rsa(1024).key_size == 1024


@pytest.mark.parametrize("bits", [0, 512, 1023, 16385])
def test_an_rsa_key_of_a_foolish_size_is_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=f"got {bits}"):
        keys.generate_rsa(bits)


def test_the_fingerprint_is_sha_256_of_the_subject_public_key_info() -> None:
    key = keys.generate(keys.KeyAlgorithm.EC_P384).public_key()
    assert hashlib.sha256(keys.spki_der(key)).digest() == keys.fingerprint(key)


def test_pem_blocks_have_the_names_that_other_programs_look_for() -> None:
    key = keys.generate(keys.KeyAlgorithm.EC_P384)
    assert keys.private_pem(key).startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert keys.public_pem(key.public_key()).startswith(b"-----BEGIN PUBLIC KEY-----\n")


def test_a_key_of_another_kind_is_refused_and_not_shown() -> None:
    raw = x25519.X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(keys.KeyFormatError, match="expected EC, Ed25519 or RSA, got X25519PrivateKey"):
        keys.load_private(raw)


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_no_bytes_make_the_loaders_fail_in_any_other_way(raw: bytes) -> None:
    for load in (keys.load_private, keys.load_public):
        with pytest.raises(keys.KeyFormatError):
            load(raw)
