"""The roll of marbles: bounded, the same after a restart and a snapshot, and who is cut off is named."""

from hypothesis import given
from hypothesis import strategies as st

from coordinator.state import roll as rolls
from coordinator.state.events import (
    AuthorityIssued,
    Event,
    ManifestSet,
    MarbleActivated,
    PackagesRaised,
    Version,
    decode_event,
    encode_event,
)
from coordinator.state.roll import Roll

_AUTHORITY = AuthorityIssued(b"", b"", b"", b"")
_BEGIN = ManifestSet(0, b"{}", 1, False, b"", {}, b"")
_UPDATE = PackagesRaised(0, "dave", {}, _AUTHORITY, {}, Version("", b""))
_activation = st.builds(
    MarbleActivated, st.integers(0, 2**40), st.sampled_from("ab"), st.sampled_from("123"), st.just(b"")
)
JOURNALS = st.lists(_activation | st.just(_UPDATE), max_size=20)


def noted(events: list[Event]) -> Roll:
    roll = Roll()
    for event in events:
        roll.note(event)
    return roll


@given(JOURNALS)
def test_the_last_start_of_each_marble_counts(events: list[Event]) -> None:
    roll = noted([_BEGIN, *events])
    expected: dict[tuple[str, str], int] = {}
    number = 1
    for event in events:
        if isinstance(event, MarbleActivated):
            expected[event.marble, event.uuid] = number
        else:
            number += 1
    found = {(seen.marble, seen.uuid): seen.number for n in range(number + 1) for seen in roll.under(n)}
    assert expected == found
    assert {key for key, n in expected.items() if n < number} == {(s.marble, s.uuid) for s in roll.before(number)}


@given(JOURNALS)
def test_a_snapshot_keeps_it(events: list[Event]) -> None:
    roll = noted([_BEGIN, *events])
    again = noted([decode_event(encode_event(roll.kept()))])
    assert roll.kept() == again.kept()


def test_who_joined_longest_ago_is_forgotten_first() -> None:
    many = [MarbleActivated(n, "m", str(n), b"") for n in range(rolls.MOST + 5)]
    kept = noted([_BEGIN, *many]).kept().marbles
    assert (rolls.MOST, "5", str(rolls.MOST + 4)) == (len(kept), kept[0].uuid, kept[-1].uuid)
