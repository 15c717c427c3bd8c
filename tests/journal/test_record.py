"""One record: what goes in comes out, at its own place only."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.journal.errors import BrokenLink
from coordinator.journal.key import DataKey, JournalId, parse_wrapped, unwrap, wrap
from coordinator.journal.record import Flags, Position, first_position, genesis, next_link, open_record, seal_record

KEY = DataKey(b"k" * 32)
PLACE = genesis(JournalId(b"journal-of-tests"))
NONCE = b"nonce-of-12b"
VECTOR = json.loads((Path(__file__).parents[1] / "vectors/journal/journal_v1.json").read_text())

positions = st.builds(
    Position,
    st.binary(min_size=16, max_size=16).map(JournalId),
    st.integers(0, 2**64 - 1),
    st.binary(min_size=32, max_size=32),
)


@given(positions, st.sampled_from(Flags), st.binary(max_size=300), st.binary(min_size=12, max_size=12))
def test_a_record_opens_at_its_place_to_what_was_sealed(
    place: Position, flags: Flags, body: bytes, nonce: bytes
) -> None:
    opened = open_record(KEY, place, seal_record(KEY, place, flags, body, nonce))
    assert (flags, body, place.sequence + 1) == (opened.flags, opened.body, opened.after.sequence)


def test_a_record_hides_its_body_and_follows_the_rule_of_links() -> None:
    record = seal_record(KEY, PLACE, Flags.NONE, b"a body that nobody may read", NONCE)
    assert b"body" not in record
    sealed = record[42:]
    assert hashlib.sha256(PLACE.previous + bytes(8) + sealed).digest() == next_link(PLACE.previous, 0, sealed)
    assert next_link(PLACE.previous, 0, sealed) == open_record(KEY, PLACE, record).after.previous


@given(st.integers(min_value=0))
def test_a_flipped_bit_anywhere_is_named_with_its_record(bit: int) -> None:
    place = Position(PLACE.journal_id, 7, PLACE.previous)
    record = bytearray(seal_record(KEY, place, Flags.NONE, b"body", NONCE))
    record[bit // 8 % len(record)] ^= 1 << bit % 8
    with pytest.raises(BrokenLink) as refused:
        open_record(KEY, place, bytes(record))
    assert refused.value.record == 7
    assert refused.value.expected != refused.value.got


@given(st.binary(max_size=200))
def test_no_bytes_open_or_fail_in_any_other_way(raw: bytes) -> None:
    with pytest.raises(BrokenLink):
        open_record(KEY, PLACE, raw)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sequence": 1}, "sequence"),
        ({"previous": bytes(32)}, "previous link"),
        ({"journal_id": JournalId(b"another-journal!")}, "seal"),
    ],
)
def test_a_record_does_not_open_at_another_place(change: dict[str, object], field: str) -> None:
    elsewhere = {"journal_id": PLACE.journal_id, "sequence": 0, "previous": PLACE.previous} | change
    record = seal_record(KEY, PLACE, Flags.NONE, b"body", NONCE)
    assert open_record(KEY, PLACE, record).body == b"body"
    with pytest.raises(BrokenLink) as refused:
        open_record(KEY, Position(**elsewhere), record)  # type: ignore[arg-type]
    assert field == refused.value.field


def test_a_record_of_another_key_is_not_authentic() -> None:
    record = seal_record(DataKey(b"x" * 32), PLACE, Flags.NONE, b"body", NONCE)
    with pytest.raises(BrokenLink, match="seal: expected a body sealed for this place"):
        open_record(KEY, PLACE, record)


def test_a_newer_format_is_refused_by_its_version() -> None:
    record = b"\x02" + seal_record(KEY, PLACE, Flags.NONE, b"body", NONCE)[1:]
    with pytest.raises(BrokenLink, match="version: expected 1, got 2"):
        open_record(KEY, PLACE, record)


def test_only_a_snapshot_may_be_first_without_a_history() -> None:
    later = Position(PLACE.journal_id, 9, b"p" * 32)
    snapshot = seal_record(KEY, later, Flags.SNAPSHOT, b"all", NONCE)
    entry = seal_record(KEY, later, Flags.NONE, b"one", NONCE)
    assert later == first_position(PLACE.journal_id, snapshot)
    assert first_position(PLACE.journal_id, entry) == PLACE


def test_the_vector_opens_and_is_made_again() -> None:
    key, place = DataKey(bytes.fromhex(VECTOR["data_key"])), genesis(JournalId(bytes.fromhex(VECTOR["journal_id"])))
    assert VECTOR["check_value"] == key.check_value(place.journal_id).hex()
    for case in VECTOR["records"]:
        opened = open_record(key, place, bytes.fromhex(case["record"]))
        assert (case["flags"], case["body"]) == (opened.flags, opened.body.hex())
        again = seal_record(key, place, opened.flags, opened.body, bytes.fromhex(case["nonce"]))
        assert case["record"] == again.hex()
        place = opened.after
    assert VECTOR["link_after_last_record"] == place.previous.hex()


def test_the_vector_of_a_wrapped_key_unwraps_and_is_made_again() -> None:
    raw, sealing_key = bytes.fromhex(VECTOR["wrapped_key"]), bytes.fromhex(VECTOR["sealing_key"])
    wrapped = parse_wrapped(raw)
    key = unwrap(raw, sealing_key, wrapped.journal_id)
    assert (VECTOR["data_key"], VECTOR["wrapped_key_mode"]) == (key.secret.hex(), wrapped.mode)
    assert raw == wrap(key, sealing_key, wrapped.mode, wrapped.journal_id, wrapped.nonce)
