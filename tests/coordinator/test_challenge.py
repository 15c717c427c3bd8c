"""A nonce holds for a minute, for one certificate, and only at the coordinator that gave it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.decisions.challenge import LIFETIME, check_nonce, make_nonce
from coordinator.decisions.errors import NotFresh
from tests.support.states import NOON

KEY, CERTIFICATE = b"k" * 32, b"a certificate"
MILLISECOND = timedelta(milliseconds=1)


@pytest.mark.parametrize("age", [timedelta(0), LIFETIME / 2, LIFETIME])
def test_a_nonce_is_taken_while_it_is_fresh(age: timedelta) -> None:
    check_nonce(KEY, CERTIFICATE, make_nonce(KEY, CERTIFICATE, NOON), NOON + age)


def test_an_old_nonce_is_refused() -> None:
    with pytest.raises(NotFresh, match="this one ended 1 ms ago"):
        check_nonce(KEY, CERTIFICATE, make_nonce(KEY, CERTIFICATE, NOON), NOON + LIFETIME + MILLISECOND)


@pytest.mark.parametrize(("key", "certificate"), [(b"o" * 32, CERTIFICATE), (KEY, b"another certificate")])
def test_another_coordinators_nonce_or_one_for_another_certificate_is_refused(key: bytes, certificate: bytes) -> None:
    with pytest.raises(NotFresh, match="got another one"):
        check_nonce(KEY, CERTIFICATE, make_nonce(key, certificate, NOON), NOON)


def test_nonces_differ_with_time() -> None:
    assert make_nonce(KEY, CERTIFICATE, NOON) != make_nonce(KEY, CERTIFICATE, NOON + MILLISECOND)


@given(st.integers(0, 31), st.integers(1, 255))
def test_no_changed_byte_is_taken(at: int, change: int) -> None:
    nonce = bytearray(make_nonce(KEY, CERTIFICATE, NOON))
    nonce[at] ^= change
    with pytest.raises(NotFresh):
        check_nonce(KEY, CERTIFICATE, bytes(nonce), NOON)


@given(st.binary(max_size=64))
def test_other_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(NotFresh):
        check_nonce(KEY, CERTIFICATE, raw, NOON)
