"""OAEP by hand says what `cryptography` says."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from coordinator.recovery.errors import EnvelopeUnreadable
from coordinator.recovery.oaep import decode_oaep
from coordinator.recovery.owner_key import OAEP

KEY = rsa.generate_private_key(65537, 1024)
NUMBERS = KEY.private_numbers()


def raw_decrypt(envelope: bytes) -> bytes:
    number = pow(int.from_bytes(envelope, "big"), NUMBERS.d, NUMBERS.public_numbers.n)
    return number.to_bytes(KEY.key_size // 8, "big")


@given(st.binary(max_size=62))
def test_it_decodes_what_was_encrypted(message: bytes) -> None:
    assert message == decode_oaep(raw_decrypt(KEY.public_key().encrypt(message, OAEP)))


@given(st.integers(0, 127), st.integers(1, 255))
def test_a_changed_byte_is_refused_as_cryptography_refuses_it(at: int, change: int) -> None:
    encoded = bytearray(raw_decrypt(KEY.public_key().encrypt(b"share", OAEP)))
    encoded[at] ^= change
    envelope = pow(int.from_bytes(encoded, "big"), 65537, NUMBERS.public_numbers.n)
    try:
        expected = KEY.decrypt(envelope.to_bytes(128, "big"), OAEP)
    except ValueError:
        with pytest.raises(EnvelopeUnreadable):
            decode_oaep(bytes(encoded))
    else:
        assert expected == decode_oaep(bytes(encoded))


@given(st.binary(max_size=130))
def test_no_bytes_make_it_fail_in_any_other_way(raw: bytes) -> None:
    try:
        decode_oaep(raw)
    except EnvelopeUnreadable:
        return
