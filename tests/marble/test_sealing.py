"""What is sealed for a marble opens with its key, for its evidence, and not otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.binding import Bound
from marble.sealing import SEALING_KEY_BYTES, Recipient, SealingFailed, SealingKey

KEY, OTHER = SealingKey.generate(), SealingKey.generate()
BOUND = Bound(b"1" * 64, "a test")


@given(st.binary(max_size=1000))
def test_what_is_sealed_opens(plain: bytes) -> None:
    sealed = Recipient(KEY.public).seal(plain, BOUND)
    assert plain == KEY.open(sealed, BOUND)


def test_it_does_not_open_with_another_key_or_for_other_evidence() -> None:
    sealed = Recipient(KEY.public).seal(b"secret", BOUND)
    for key, bound in ((OTHER, BOUND), (KEY, Bound(b"2" * 64, "other evidence"))):
        with pytest.raises(SealingFailed, match="this marble's key"):
            key.open(sealed, bound)


@given(st.integers(0, 1140), st.integers(1, 255))
def test_no_changed_byte_opens(at: int, change: int) -> None:
    sealed = bytearray(Recipient(KEY.public).seal(b"secret", BOUND))
    sealed[at % len(sealed)] ^= change
    with pytest.raises(SealingFailed):
        KEY.open(bytes(sealed), BOUND)


@given(st.binary(max_size=40))
def test_what_is_too_short_does_not_open(raw: bytes) -> None:
    with pytest.raises(SealingFailed):
        KEY.open(raw, BOUND)


@pytest.mark.parametrize(
    "public",
    [b"", bytes(SEALING_KEY_BYTES - 1), b"\xff" * SEALING_KEY_BYTES, KEY.public + b"\0"],
    ids=["empty", "short", "no ML-KEM key", "long"],
)
def test_what_is_no_key_is_refused(public: bytes) -> None:
    with pytest.raises(SealingFailed, match="sealing key: expected"):
        Recipient(public)


def test_an_x25519_key_of_low_order_is_refused() -> None:
    recipient = Recipient(KEY.public[:-32] + bytes(32))
    with pytest.raises(SealingFailed, match="sealing key: expected"):
        recipient.seal(b"secret", BOUND)
