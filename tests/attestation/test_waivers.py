"""A flaw that is waived is accepted until its day and not a second longer, and whoever reads the verdict sees it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.appraisal import Outcome, appraise, judge
from attestation.binding import Unbound
from attestation.checks import Check, Status
from attestation.claims import Claims, TcbPolicy, TcbStatus
from attestation.kinds import Kind
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor
from attestation.tdx.claims import TdxReferenceValues
from attestation.verify import Verifier
from attestation.waivers import WAIVED, WAIVER_ENDS, WAIVER_EXPIRED, Waiver, in_use

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
TODAY = NOON.date()
LATE = Waiver("OutOfDate", TODAY + timedelta(days=30), "ticket 7", "m.yaml:9 /Packages/web/TDX/Waivers/0")
OLD = Claims(Kind.TDX, False, b"", {}, TcbStatus.OUT_OF_DATE, ("INTEL-SA-1", "INTEL-SA-2"), NOON, "aa", as_of=NOON)


def named(checks: tuple[Check, ...]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def accepts(policy: TcbPolicy, claims: Claims = OLD) -> bool:
    return all(check.status is Status.PASSED for check in policy.appraise(claims, {}))


def test_a_waived_status_is_accepted_in_sight_and_refused_without_the_waiver() -> None:
    checks = named(TcbPolicy(waivers=(LATE,)).appraise(OLD, {}))

    assert {"tcb.status", "tcb.waiver"} == set(checks)
    waiver = checks["tcb.waiver"]
    assert (Status.PASSED, WAIVED) == (waiver.status, waiver.code)
    assert "OutOfDate is waived until the end of 2026-12-25: ticket 7" == waiver.expected
    assert ("2026-11-25, 30 more days", LATE.source) == (waiver.found, waiver.source)
    assert not accepts(TcbPolicy())


@pytest.mark.parametrize(
    ("days", "code", "found"),
    [
        (15, WAIVED, "2026-11-25, 15 more days"),
        (14, WAIVER_ENDS, "2026-11-25, 14 more days"),
        (1, WAIVER_ENDS, "2026-11-25, 1 more day"),
        (0, WAIVER_ENDS, "2026-11-25, its last day"),
        (-1, WAIVER_EXPIRED, "2026-11-25, expired yesterday"),
        (-2, WAIVER_EXPIRED, "2026-11-25, expired 2 days ago"),
    ],
)
def test_a_waiver_warns_in_its_last_two_weeks_and_is_named_when_it_has_expired(
    days: int, code: str, found: str
) -> None:
    waiver = replace(LATE, last_day=TODAY + timedelta(days=days))

    checks = named(TcbPolicy(waivers=(waiver,)).appraise(OLD, {}))

    assert (code, found) == (checks["tcb.waiver"].code, checks["tcb.waiver"].found)
    assert checks["tcb.waiver"].hint
    assert {days >= 0} == {check.status is Status.PASSED for check in checks.values()}


def test_a_waiver_holds_to_the_last_second_of_its_day_in_utc() -> None:
    policy = TcbPolicy(waivers=(replace(LATE, last_day=TODAY),))
    last = datetime(2026, 11, 25, 23, 59, 59, tzinfo=UTC)

    assert accepts(policy, replace(OLD, as_of=last))
    assert not accepts(policy, replace(OLD, as_of=last + timedelta(seconds=1)))
    assert not accepts(policy, replace(OLD, as_of=None))


def test_waived_advisories_are_accepted_with_those_that_are_named_and_no_others() -> None:
    waiver = Waiver("intel-sa-2", LATE.last_day, "not reachable", "m.yaml:1 /")
    status = frozenset({TcbStatus.OUT_OF_DATE})

    assert accepts(TcbPolicy(status, frozenset({"INTEL-SA-1"}), waivers=(waiver,)))
    assert not accepts(TcbPolicy(status, frozenset({"INTEL-SA-1"})))
    # A waiver that names an advisory would mean nothing if every other one were accepted.
    assert not accepts(TcbPolicy(status, None, waivers=(waiver,)))
    assert accepts(TcbPolicy(status, None))
    expired = replace(waiver, last_day=TODAY - timedelta(days=1))
    assert not accepts(TcbPolicy(status, frozenset({"INTEL-SA-1"}), waivers=(expired,)))


def test_a_waiver_that_is_not_needed_is_not_said() -> None:
    good = replace(OLD, tcb_status=TcbStatus.UP_TO_DATE)
    assert ["tcb.status"] == [check.name for check in TcbPolicy(waivers=(LATE,)).appraise(good, {})]
    accepted = TcbPolicy(frozenset({TcbStatus.OUT_OF_DATE}), waivers=(LATE,))
    assert ["tcb.status"] == [check.name for check in accepted.appraise(OLD, {})]


def test_of_two_waivers_for_one_flaw_the_longer_one_counts() -> None:
    expired = replace(LATE, last_day=TODAY - timedelta(days=1))
    assert accepts(TcbPolicy(waivers=(expired, LATE)))
    assert accepts(TcbPolicy(waivers=(LATE, expired)))


@given(status=st.sampled_from(TcbStatus), what=st.sampled_from(TcbStatus), days=st.integers(-400, 400))
def test_a_waiver_adds_its_own_status_until_its_day_and_nothing_else(status: TcbStatus, what: str, days: int) -> None:
    policy = TcbPolicy(waivers=(Waiver(str(what), TODAY + timedelta(days=days), "why", "m.yaml:1 /"),))
    good = status is TcbStatus.UP_TO_DATE or (status == what and days >= 0)
    assert good is accepts(policy, replace(OLD, tcb_status=status))


def test_an_evaluation_that_is_too_old_or_unknown_is_refused() -> None:
    policy = TcbPolicy(minimum_evaluation=17)
    good = replace(OLD, tcb_status=TcbStatus.UP_TO_DATE, details={"tcb_evaluation_data_number": 17})
    assert accepts(policy, good)
    for details in ({"tcb_evaluation_data_number": 16}, {}):
        assert not accepts(policy, replace(good, details=details))


def test_a_revoked_machine_is_refused_and_so_is_one_that_is_not_told() -> None:
    good = replace(OLD, tcb_status=TcbStatus.UP_TO_DATE)
    assert accepts(TcbPolicy(revoked_machines=frozenset({"bb"})), good)
    assert not accepts(TcbPolicy(revoked_machines=frozenset({"aa"})), good)
    assert not accepts(TcbPolicy(revoked_machines=frozenset({"bb"})), replace(good, hardware_id=""))


def test_the_verdict_on_a_quote_follows_the_waiver_through_time(
    vendor: SimulatedVendor, verifier: Verifier, now: datetime
) -> None:
    machine = vendor.new_machine(TcbStatus.OUT_OF_DATE)
    evidence = QuotingEnclave(machine, Kind.TDX).quote_trust_domain(TrustDomain(b"\3" * 48), bytes(64))
    ends = date(2026, 11, 30)
    waiver = Waiver("OutOfDate", ends, "ticket 7", "m.yaml:1 /")
    wanted = (TdxReferenceValues(mrtd=b"\3" * 48, tcb=TcbPolicy(waivers=(waiver,))),)

    def verdict(at: datetime) -> tuple[Outcome, list[str]]:
        found = judge(verifier.verify(evidence, Unbound(), now=at), wanted)
        return found.outcome, [c.name for c in found.checks if c.status is Status.FAILED]

    assert (Outcome.AFFIRMING, []) == verdict(now)
    assert (Outcome.CONTRAINDICATED, ["tcb.status", "tcb.waiver"]) == verdict(datetime(2026, 12, 1, tzinfo=UTC))
    appraisal = appraise(verifier.verify(evidence, Unbound(), now=now).attested(), wanted)
    assert [WAIVER_ENDS] == [check.code for check in in_use(appraisal.checks)]
