"""The data key: who may unwrap it, and what the others learn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.journal.errors import KeyUnusable
from coordinator.journal.key import DataKey, JournalId, parse_wrapped, unwrap, wrap

KEY = DataKey(bytes(range(32)))
SEALING_KEY = b"s" * 32
ID = JournalId(b"journal-of-tests")
WRAPPED = wrap(KEY, SEALING_KEY, "ProductKey", ID, b"nonce-of-12b")


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
    st.sampled_from(["ProductKey", "UniqueKey", ""]),
)
def test_what_was_wrapped_is_unwrapped(secret: bytes, sealing_key: bytes, mode: str) -> None:
    wrapped = wrap(DataKey(secret), sealing_key, mode, ID, b"nonce-of-12b")
    assert (mode, ID) == (parse_wrapped(wrapped).mode, parse_wrapped(wrapped).journal_id)
    assert DataKey(secret) == unwrap(wrapped, sealing_key, ID)


def test_another_sealing_key_is_refused() -> None:
    assert unwrap(WRAPPED, SEALING_KEY, ID) == KEY
    with pytest.raises(KeyUnusable, match="sealing key: expected the one of seal mode 'ProductKey'"):
        unwrap(WRAPPED, b"t" * 32, ID)


def test_the_wrapped_key_of_another_journal_is_refused() -> None:
    with pytest.raises(KeyUnusable, match="journal id: expected"):
        unwrap(WRAPPED, SEALING_KEY, JournalId(b"another-journal!"))


def test_the_mode_stands_in_clear_and_cannot_be_changed() -> None:
    changed = WRAPPED.replace(b"ProductKey", b"ProductKez")
    assert parse_wrapped(changed).mode == "ProductKez"
    with pytest.raises(KeyUnusable):
        unwrap(changed, SEALING_KEY, ID)


@given(st.integers(min_value=0))
def test_no_flipped_bit_gives_a_key(bit: int) -> None:
    changed = bytearray(WRAPPED)
    changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    with pytest.raises(KeyUnusable):
        unwrap(bytes(changed), SEALING_KEY, ID)


@given(st.binary(max_size=200) | st.binary(max_size=120).map(lambda raw: b"\x01" + raw))
def test_no_bytes_unwrap_or_fail_in_any_other_way(raw: bytes) -> None:
    with pytest.raises(KeyUnusable):
        unwrap(raw, SEALING_KEY, ID)


def test_the_check_value_tells_keys_and_journals_apart() -> None:
    values = {
        KEY.check_value(ID),
        DataKey(bytes(32)).check_value(ID),
        KEY.check_value(JournalId(b"another-journal!")),
    }
    assert len(values) == 3


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(KeyUnusable, match="length: expected 32 bytes, got 16 bytes"):
        DataKey(bytes(16))


def test_no_text_shows_the_key() -> None:
    with pytest.raises(KeyUnusable) as refused:
        unwrap(WRAPPED, b"t" * 32, ID)
    shown = repr(KEY) + str(refused.value) + repr(refused.value)
    assert not {KEY.secret.hex(), repr(KEY.secret), (b"t" * 32).hex()} & set(shown.split())
    assert "secret" not in repr(KEY)
