"""Which Marble objects there should be, and how the cluster gets there in small steps."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from coordinator.controller.marbles import WRITES_A_ROUND, changes, name_of
from coordinator.wire.marbles import Instance, Marbles, Step

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
OWNER = {"metadata": {"name": "law", "uid": "u-1"}}
DIGEST = "ab" * 32
NO_PODS: Mapping[str, str] = {}
Objects = dict[str, dict[str, Any]]


def instance(marble: str = "web", uuid: str = "u", *, until_ms: int = NOW_MS + 1000, step: int = 1) -> Instance:
    return Instance(marble, uuid, "tdx", "package", NOW_MS - 5000, until_ms, step)


def found(*newest: Instance, steps: tuple[Step, ...] = (Step(1, DIGEST, True, 0),)) -> Marbles:
    return Marbles(len(newest), {}, newest, steps)


def one_round(answer: Marbles, there: Objects, pods: Mapping[str, str] = NO_PODS) -> int:
    """As the controller does it, on objects that are a dictionary here.  Returns how many changes it made."""
    wanted = changes(answer, there, OWNER, pods, now=NOW)
    for name in wanted.delete:
        del there[name]
    for body in (*wanted.replace, *wanted.create):
        version = there.get(body["metadata"]["name"], {}).get("metadata", {}).get("resourceVersion", "0")
        there[body["metadata"]["name"]] = {**body, "metadata": {**body["metadata"], "resourceVersion": version + "1"}}
    done = len(wanted.delete) + len(wanted.replace) + len(wanted.create)
    assert done <= WRITES_A_ROUND
    assert bool(wanted.left) == bool(wanted.left and done == WRITES_A_ROUND)
    return done


def settle(answer: Marbles, there: Objects) -> int:
    rounds = 0
    while one_round(answer, there):
        rounds += 1
    return rounds


INSTANCES = st.builds(
    instance,
    st.sampled_from(["web", "Web", "a.b", "a-b", "ü", ""]),
    st.sampled_from([f"u{n}" for n in range(12)]),
    until_ms=st.sampled_from([0, NOW_MS - 1, NOW_MS + 1]),
    step=st.integers(1, 3),
)
ANSWERS = st.lists(INSTANCES, max_size=60, unique_by=lambda one: (one.marble, one.uuid)).map(lambda them: found(*them))


@given(ANSWERS, ANSWERS)
def test_the_objects_become_what_the_coordinator_says_in_small_steps(first: Marbles, second: Marbles) -> None:
    there: Objects = {}
    for answer in (first, second):
        rounds = settle(answer, there)
        alive = [one for one in answer.newest if not one.until_ms or one.until_ms > NOW_MS]
        assert {name_of(one) for one in alive} == there.keys()
        assert sorted((one.marble, one.uuid, one.step) for one in alive) == sorted(
            (each["status"]["type"], each["status"]["uuid"], each["status"]["step"]) for each in there.values()
        )
        assert rounds <= 120 // WRITES_A_ROUND + 1


def test_a_thousand_marbles_come_in_fifty_rounds() -> None:
    there: Objects = {}
    assert 50 == settle(found(*(instance(uuid=f"u{n}") for n in range(1000))), there)
    assert 1000 == len(there)


@given(st.text(max_size=300), st.text(max_size=300))
def test_names_are_names_for_the_cluster_and_two_types_share_none(one: str, other: str) -> None:
    uuid = "00000000-0000-4000-8000-000000000000"
    name = name_of(instance(one, uuid))
    assert len(name) <= 253
    assert all(letter.isascii() and (letter.isdigit() or letter.islower() or letter == "-") for letter in name)
    assert name[0].isalnum()
    assert (one == other) == (name == name_of(instance(other, uuid)))


def test_a_marble_whose_certificate_has_ended_leaves_and_one_without_a_known_end_stays() -> None:
    there: Objects = {}
    settle(found(instance(uuid="ends"), instance(uuid="old", until_ms=0)), there)
    settle(found(instance(uuid="ends", until_ms=NOW_MS), instance(uuid="old", until_ms=0)), there)
    assert ["web-old"] == list(there)


def test_which_intermediate_it_has_is_said_in_a_word() -> None:
    steps = (Step(3, DIGEST, True, 0), Step(2, DIGEST, True, NOW_MS), Step(1, DIGEST, False, 0))
    there: Objects = {}
    settle(found(*(instance(uuid=str(n), step=n) for n in (3, 2, 1, 9)), steps=steps), there)
    said = {each["status"]["step"]: each["status"]["intermediate"] for each in there.values()}
    assert {3: "InForce", 2: "Overlapping", 1: "CutOff", 9: "CutOff"} == said
    assert "2026-11-29T12:00:00Z" == there["web-2"]["status"]["trustedUntil"]
    assert ("trustedUntil" in there["web-3"]["status"], DIGEST) == (False, there["web-3"]["status"]["manifest"])


def test_what_somebody_changed_is_put_right_and_what_is_right_is_left_alone() -> None:
    there: Objects = {}
    answer = found(instance(), instance("B ", "v"))
    settle(answer, there)
    assert 0 == one_round(answer, there)
    assert "labels" not in there[name_of(answer.newest[1])]["metadata"], "it is no value of a label"
    assert {"enclasp.dev/type": "web"} == there["web-u"]["metadata"]["labels"]
    there["web-u"]["status"]["intermediate"] = "CutOff"
    there["strange"] = {"metadata": {"name": "strange", "resourceVersion": "7"}, "status": {}}
    assert 2 == one_round(answer, there)
    assert ("InForce", False) == (there["web-u"]["status"]["intermediate"], "strange" in there)


def test_it_goes_with_the_manifest_object() -> None:
    there: Objects = {}
    settle(found(instance()), there)
    (owner,) = there["web-u"]["metadata"]["ownerReferences"]
    assert ("Manifest", "law", "u-1") == (owner["kind"], owner["name"], owner["uid"])


def test_its_pod_is_named_where_it_is_known() -> None:
    there: Objects = {}
    answer = found(instance(), instance(uuid="v"))
    one_round(answer, there)
    assert 1 == one_round(answer, there, {"u": "shop/web-1", "other": "shop/web-2"})
    assert ("shop/web-1", None) == (there["web-u"]["status"].get("pod"), there["web-v"]["status"].get("pod"))
