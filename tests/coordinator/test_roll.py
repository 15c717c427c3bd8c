"""The roll of marbles: bounded, the same after a restart and a snapshot, and who is cut off is named."""

from hypothesis import given
from hypothesis import strategies as st

from coordinator.state import roll as rolls
from coordinator.state.events import (
    AuthorityIssued,
    Event,
    ManifestSet,
    MarbleActivated,
    MarblesRenewed,
    PackagesRaised,
    RenewedMarble,
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
_renewal = st.builds(
    RenewedMarble,
    st.integers(0, 2**40),
    st.sampled_from("ab"),
    st.sampled_from("123"),
    st.integers(1, 3),
    st.just("tdx"),
    st.just("p"),
    st.integers(0, 2**40),
)
JOURNALS = st.lists(_activation | st.just(_UPDATE), max_size=20)
WITH_RENEWALS = st.lists(
    _activation | st.just(_UPDATE) | st.lists(_renewal, max_size=3).map(tuple).map(MarblesRenewed), max_size=20
)


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


@given(WITH_RENEWALS)
def test_a_snapshot_keeps_it(events: list[Event]) -> None:
    roll = noted([_BEGIN, *events])
    again = noted([decode_event(encode_event(roll.kept()))])
    assert roll.kept() == again.kept()


def test_who_joined_longest_ago_is_forgotten_first() -> None:
    many = [MarbleActivated(n, "m", str(n), b"") for n in range(rolls.MOST + 5)]
    kept = noted([_BEGIN, *many]).kept().marbles
    assert (rolls.MOST, "5", str(rolls.MOST + 4)) == (len(kept), kept[0].uuid, kept[-1].uuid)


def renewal(time_ms: int, uuid: str = "1", *, number: int = 1, until_ms: int = 0) -> RenewedMarble:
    return RenewedMarble(time_ms, "m", uuid, number, "tdx", "p", until_ms)


def test_a_marble_that_renews_keeps_its_start_and_is_remembered_longer() -> None:
    roll = noted([_BEGIN, *(MarbleActivated(n, "m", str(n), b"") for n in range(rolls.MOST))])
    roll.note(MarblesRenewed((renewal(rolls.MOST, "0", until_ms=7),)))
    roll.note(MarbleActivated(rolls.MOST + 1, "m", "new", b""))
    kept = {seen.uuid: seen for seen in roll.kept().marbles}
    assert ("0" in kept, "1" in kept) == (True, False)
    assert (0, rolls.MOST, 7) == (kept["0"].time_ms, kept["0"].renewed_ms, kept["0"].until_ms)
    assert ["new", str(rolls.MOST - 1)] == [one.uuid for one in roll.newest(2)], (
        "the newest are those that started last"
    )


def test_a_record_that_comes_late_changes_nothing_that_is_newer() -> None:
    roll = noted([_BEGIN, MarbleActivated(5, "m", "1", b"", until_ms=50), _UPDATE])
    roll.note(MarblesRenewed((renewal(4, until_ms=40),)))
    assert [(1, 50, 0)] == [(one.number, one.until_ms, one.renewed_ms) for one in roll.newest(9)]
    for time_ms in (7, 6):
        roll.note(MarblesRenewed((renewal(time_ms, number=2, until_ms=10 * time_ms),)))
    assert [(2, 70, 7)] == [(one.number, one.until_ms, one.renewed_ms) for one in roll.newest(9)]
    roll.note(MarbleActivated(9, "m", "1", b"", until_ms=90))
    assert [(2, 90, 0)] == [(one.number, one.until_ms, one.renewed_ms) for one in roll.newest(9)]


def test_one_that_was_forgotten_is_known_again_when_it_renews() -> None:
    (found,) = noted([_BEGIN, MarblesRenewed((renewal(5, until_ms=50),))]).newest(1)
    assert (5, 5, "tdx", "p") == (found.time_ms, found.renewed_ms, found.platform, found.package)


@given(st.permutations([renewal(n, number=n % 2, until_ms=n) for n in range(1, 6)]), st.integers(0, 5))
def test_records_may_be_read_again_and_in_any_grouping(renewals: list[RenewedMarble], at: int) -> None:
    one = noted([_BEGIN, *(MarblesRenewed((each,)) for each in renewals)])
    two = noted([_BEGIN, MarblesRenewed(tuple(renewals[:at])), MarblesRenewed(tuple(renewals))])
    assert one.kept().marbles[0].renewed_ms == two.kept().marbles[0].renewed_ms == 5
