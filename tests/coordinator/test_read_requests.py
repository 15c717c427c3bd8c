"""Secrets that a user reads only when others approve it, as decisions: who is enough, for what, and until when."""

import pytest

from coordinator.decisions.errors import NeedsApproval, NotPermitted
from coordinator.decisions.read_secrets import read_secrets
from tests.support.people import Person, person
from tests.support.states import deployed_state


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    folder = tmp_path_factory.mktemp("people")
    return {name: person(folder, name) for name in ("alice", "bob", "carol", "eve")}


def parts(people: dict[str, Person]) -> dict[str, object]:
    """alice reads, bob and carol approve."""
    on_master = {"ResourceType": "Secrets", "ResourceNames": ["master", "open"], "Actions": ["ReadSecret"]}
    return {
        "Secrets": {
            "master": {"Type": "plain", "UserDefined": True, "ReadApproval": {"Threshold": 2}},
            "open": {"Type": "plain", "UserDefined": True},
        },
        "Users": {
            "alice": people["alice"].entry("reader"),
            "bob": people["bob"].entry("approver"),
            "carol": people["carol"].entry("approver"),
            "eve": people["eve"].entry(),
        },
        "Roles": {
            "reader": on_master,
            "approver": {**on_master, "ResourceNames": ["master"], "Actions": ["ApproveRead"]},
        },
    }


def test_a_plain_read_says_whose_approval_is_wanted_and_gives_nothing(people: dict[str, Person]) -> None:
    state = deployed_state(**parts(people))
    assert ["open"] == [*read_secrets(state, people["alice"].der, ["open"])]
    for names in (["master"], ["open", "master"]):
        with pytest.raises(NeedsApproval, match="secret 'master' is read only with the approval of 2 of bob, carol"):
            read_secrets(state, people["alice"].der, names)


def test_who_may_not_read_learns_nothing_of_approvals(people: dict[str, Person]) -> None:
    state = deployed_state(**parts(people))
    for name in ("bob", "eve"):
        with pytest.raises(NotPermitted):
            read_secrets(state, people[name].der, ["master"])
