"""Statuses: what kubectl, Flux and Argo CD read of an object."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coordinator.controller.standing import (
    ApprovalStanding,
    Condition,
    Phase,
    Population,
    Standing,
    Word,
    approval_status,
    manifest_status,
    told,
)

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
VALID = Condition("DocumentValid", True, "Valid", "the document is a manifest")


def standing(phase: Phase, *conditions: Condition) -> Standing:
    return Standing(phase, "ab" * 32, (VALID, *conditions))


def status(one: Standing, before: dict[str, Any] | None = None, now: datetime = NOON) -> dict[str, Any]:
    return manifest_status(one, None, before or {}, 3, now=now)


def kstatus(found: dict[str, Any], generation: int) -> str:
    """As sigs.k8s.io/cli-utils, pkg/kstatus/status, judges a resource that it has no rules of its own for."""
    conditions = {each["type"]: each["status"] for each in found["conditions"]}
    if found["observedGeneration"] != generation or conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "Current" if conditions.get("Ready", "True") == "True" else "InProgress"


@pytest.mark.parametrize(
    ("phase", "verdict"), [(Phase.ACTIVE, "Current"), (Phase.PENDING, "InProgress"), (Phase.REFUSED, "Failed")]
)
def test_a_gitops_tool_tells_the_phases_apart(phase: Phase, verdict: str) -> None:
    found = status(standing(phase, Condition("Active", phase is Phase.ACTIVE, "X", "said")))
    assert verdict == kstatus(found, 3)
    assert "InProgress" == kstatus(found, 4), "the object was changed, and not looked at yet"
    truths = [each["type"] for each in found["conditions"][-3:] if each["status"] == "True"]
    assert 1 == len(truths)
    assert all(
        {"reason", "message", "lastTransitionTime", "observedGeneration"} <= each.keys() for each in found["conditions"]
    )


@pytest.mark.parametrize(
    ("word", "verdict"),
    [
        (Word.ACCEPTED, "Current"),
        (Word.NOT_NEEDED, "Current"),
        (Word.WAITING, "InProgress"),
        (Word.REFUSED, "Failed"),
    ],
)
def test_the_same_for_an_approval(word: Word, verdict: str) -> None:
    found = approval_status(ApprovalStanding(word, "K670", "said", "ab", "alice"), {}, 1, now=NOON)
    assert (verdict, word.value, "alice", "ab") == (
        kstatus(found, 1),
        found["phase"],
        found["user"],
        found["fingerprint"],
    )


def test_the_reason_of_the_sum_is_that_of_the_first_thing_that_is_wrong_unless_all_is_well() -> None:
    wrong, active = (
        Condition("ApprovalsValid", False, "K662", "one is wrong"),
        Condition("Active", True, "Active", "ok"),
    )
    assert ("Pending", "K662", "one is wrong") == told(status(standing(Phase.PENDING, wrong, active)))
    assert ("Active", "Active", "ok") == told(status(standing(Phase.ACTIVE, wrong, active)))


def test_a_condition_that_stays_keeps_its_time_and_one_that_turns_gets_a_new_one() -> None:
    waiting = status(standing(Phase.PENDING, Condition("Active", False, "K663", "1 more")))
    still = status(standing(Phase.PENDING, Condition("Active", False, "K663", "0 more")), waiting, LATER)
    active = status(standing(Phase.ACTIVE, Condition("Active", True, "Active", "ok")), still, LATER)

    def times(found: dict[str, Any]) -> dict[str, str]:
        return {each["type"]: each["lastTransitionTime"][11:13] for each in found["conditions"]}

    assert {"12"} == set(times(still).values())
    assert {"DocumentValid": "12", "Stalled": "12"} == {
        kind: hour for kind, hour in times(active).items() if hour == "12"
    }
    assert {"Active", "Ready", "Reconciling"} == {kind for kind, hour in times(active).items() if hour == "13"}


def test_the_number_of_marbles_stays_while_it_is_not_known() -> None:
    one = standing(Phase.ACTIVE, Condition("Active", True, "Active", "ok"))
    counted = manifest_status(one, Population(120, {f"t{n}": 1 for n in range(120)}), {}, 3, now=NOON)
    assert (120, 100) == (counted["marbleCount"], len(counted["marbles"]))
    assert counted == status(one, counted)
    assert "marbles" not in status(one)


def test_a_long_message_is_cut() -> None:
    found = status(standing(Phase.REFUSED, Condition("Active", False, "X", "m" * 100_000)))
    assert 4096 == max(len(each["message"]) for each in found["conditions"])
