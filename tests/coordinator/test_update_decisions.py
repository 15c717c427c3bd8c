"""Updates as decisions, without a process: who is enough, what expires, and a snapshot that loses nothing."""

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from attestation.evidence import Evidence
from attestation.kinds import Kind
from coordinator.authority import AuthorityKeys, RootContent, issue_authority, retire
from coordinator.decisions.approvals import Approver, by_connection, signers
from coordinator.decisions.errors import NoPendingUpdate, NotPermitted, OtherDocument, ReplacesOther, UpdatePending
from coordinator.decisions.update_manifest import Materials, update_manifest
from coordinator.decisions.update_request import acknowledge, cancel, propose, waiting
from coordinator.manifest.approvers import needed
from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.model import Manifest
from coordinator.manifest.signature import DetachedSignature, Subject, sign
from coordinator.state.events import Event, Version
from coordinator.state.model import State
from coordinator.state.replay import condense, replay, replay_all
from coordinator.state.update_replay import HISTORY_BYTES, agreed_manifest, longer
from coordinator.wire.history import UPDATED, HistoryEntry
from pki.keys import generate_p384, private_of_known_kind
from tests.support.people import Person, person, same_key
from tests.support.states import DOCUMENT, NOON, deployed_state

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    folder = tmp_path_factory.mktemp("people")
    known = {name: person(folder, name) for name in ("alice", "bob", "carol", "eve")}
    return known | {"alias": same_key(known["alice"], folder, "alias")}


def parts(people: dict[str, Person], **config: Any) -> dict[str, Any]:
    return {
        "Secrets": {
            "key": {"Type": "symmetric-key", "Size": 128, "Shared": True},
            "set": {"Type": "plain", "UserDefined": True},
        },
        "Users": {
            name: who.entry(*(() if name == "eve" else ("updater",))) for name, who in people.items() if name != "alias"
        },
        "Roles": {"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}},
        "Config": {"UpdateThreshold": 2} | config,
    }


def second(people: dict[str, Person], **more: Any) -> Manifest:
    packages = {"Packages": {"p": {"UniqueID": "cd" * 32}}, "Marbles": {"web": {"Package": "p"}}}
    return agreed_manifest(json.dumps(packages | parts(people, UpdateOverlap="1h") | more).encode(), False)


def by(state: State, people: dict[str, Person], *names: str) -> list[Approver]:
    assert state.deployment is not None
    return [by_connection(state.deployment, people[name].der) for name in names]


def become(state: State, events: tuple[Event, ...]) -> State:
    for event in events:
        state = replay(state, event)
    return state


def applied(state: State, manifest: Manifest) -> State:
    """The pending manifest in force."""
    deployment = state.deployment
    assert deployment is not None
    keys = AuthorityKeys(state.authority.root_key, generate_p384())
    successor = keys.intermediate.public_key()
    retired = retire(state.authority, successor, now=NOON, overlap=DAY, number=1, serials=(7, 8))
    content = RootContent(manifest.digest, Evidence(Kind.TDX, b"evidence"))
    authority = issue_authority(keys, ("localhost",), content, now=NOON, serials=(4, 5, 6), retired=retired)
    entry = HistoryEntry(2, UPDATED, 1, manifest.digest, manifest.digest, 2, (), {})
    materials = Materials(authority, {}, Version(entry.text(), manifest.raw))
    return become(state, update_manifest(state, materials, now=NOON, entropy=bytes).events)


def test_two_of_three_are_enough_and_one_is_not_however_often(people: dict[str, Person]) -> None:
    state, manifest = deployed_state(**parts(people)), second(people)
    first = propose(state, manifest, by(state, people, "alice", "alice"), compatible=False, now=NOON)
    assert (1, ("bob", "carol")) == (first.reply.missing, first.reply.users)
    state = become(state, first.events)
    again = acknowledge(state, manifest.digest, by(state, people, "alice"), now=NOON)
    assert (1, ()) == (again.reply.missing, again.events)
    done = acknowledge(state, manifest.digest, by(state, people, "carol"), now=NOON)
    assert (0, ()) == (done.reply.missing, done.reply.users)


def with_alias(people: dict[str, Person], *others: str, **config: Any) -> dict[str, Any]:
    """alice may update as alice and as alias, and so may these."""
    base = parts(people, **config)
    return base | {"Users": {name: people[name].entry("updater") for name in ("alice", "alias", *others)}}


def test_two_users_with_one_key_are_one_person(people: dict[str, Person]) -> None:
    state, manifest = deployed_state(**with_alias(people, "bob", "carol")), second(people)
    both = propose(state, manifest, by(state, people, "alice", "alias"), compatible=False, now=NOON)
    assert (1, ("bob", "carol")) == (both.reply.missing, both.reply.users)
    state = become(state, both.events)
    done = acknowledge(state, manifest.digest, by(state, people, "bob"), now=NOON)
    assert (0, ()) == (done.reply.missing, done.reply.users)
    everybody = deployed_state(**with_alias(people, "bob", UpdateThreshold=0))
    waits = propose(everybody, manifest, by(everybody, people, "alias"), compatible=False, now=NOON)
    assert (1, ("bob",)) == (waits.reply.missing, waits.reply.users)


def test_a_signature_is_the_word_of_the_one_of_two_users_with_its_key_who_may_give_it(
    people: dict[str, Person],
) -> None:
    base = parts(people)
    users = {"alias": people["alias"].entry(), "alice": people["alice"].entry("updater"), "eve": people["eve"].entry()}
    deployment = deployed_state(**base | {"Users": users, "Config": {}}).deployment
    assert deployment is not None
    document = b"whatever was signed"

    def signed_by(who: str) -> list[DetachedSignature]:
        key = private_of_known_kind(load_pem_private_key(people[who].key.read_bytes(), None))
        return [sign(document, key, Subject.MANIFEST)]

    (approver,) = signers(deployment, sha256(document).digest(), signed_by("alias"))
    assert "alice" == approver.user.name
    with pytest.raises(NotPermitted):
        signers(deployment, sha256(document).digest(), signed_by("eve"))


def test_where_marblerun_would_want_more_users_than_there_are_people_all_people_are_enough(
    people: dict[str, Person],
) -> None:
    document = DOCUMENT | with_alias(people, UpdateThreshold=2)
    with pytest.raises(ManifestInvalid, match="counted by their keys, 1: alice alias alias"):
        agreed_manifest(json.dumps(document).encode(), False)
    assert 1 == needed(agreed_manifest(json.dumps(document).encode(), True))


def test_a_request_expires_and_makes_way_for_the_next(people: dict[str, Person]) -> None:
    state, manifest = deployed_state(**parts(people, UpdateExpiry="2d")), second(people)
    state = become(state, propose(state, manifest, by(state, people, "alice"), compatible=False, now=NOON).events)
    before, after = NOON + 2 * DAY - timedelta(seconds=1), NOON + 2 * DAY
    assert waiting(state, before)
    with pytest.raises(UpdatePending):
        propose(state, manifest, by(state, people, "bob"), compatible=False, now=before)
    for late in (
        lambda: waiting(state, after),
        lambda: acknowledge(state, manifest.digest, by(state, people, "bob"), now=after),
        lambda: cancel(state, people["bob"].der, now=after),
    ):
        with pytest.raises(NoPendingUpdate):
            late()
    new = propose(state, manifest, by(state, people, "bob"), compatible=False, now=after)
    assert 1 == new.reply.missing, "the approval of the request that expired does not count"
    state = become(state, new.events)
    assert state.deployment is not None
    assert "full update expired" in [entry.update for entry in state.deployment.log]
    assert (manifest.digest,) == state.deployment.withdrawn


def test_each_refusal_has_its_reason(people: dict[str, Person]) -> None:
    state, manifest = deployed_state(**parts(people)), second(people)
    with pytest.raises(NotPermitted):
        by(state, people, "eve")
    other = second(people, Update={"Replaces": "ab" * 32})
    with pytest.raises(ReplacesOther):
        propose(state, other, by(state, people, "alice"), compatible=False, now=NOON)
    state = become(state, propose(state, manifest, by(state, people, "alice"), compatible=False, now=NOON).events)
    with pytest.raises(OtherDocument):
        acknowledge(state, other.digest, by(state, people, "bob"), now=NOON)


def test_a_snapshot_loses_nothing_of_updates(people: dict[str, Person]) -> None:
    state, manifest = deployed_state(**parts(people)), second(people)
    proposed = propose(state, manifest, by(state, people, "alice", "bob"), compatible=False, now=NOON)
    state = become(state, proposed.events)
    for story in (state, applied(state, manifest)):
        again = replay_all(condense(story))
        assert condense(story) == condense(again)
        assert story.deployment is not None
        assert again.deployment is not None
        assert story.deployment.history == again.deployment.history
        assert story.deployment.log == again.deployment.log
        assert story.deployment.previous == again.deployment.previous
    assert 1 == len(replay_all(condense(applied(state, manifest))).authority.retired)


def test_old_documents_leave_the_history_and_its_link_stays(people: dict[str, Person]) -> None:
    state = deployed_state(**parts(people))
    assert state.deployment is not None
    history, digest = state.deployment.history, state.deployment.manifest.digest
    large = bytes(HISTORY_BYTES // 3)
    for number in range(2, 8):
        entry = HistoryEntry(number, UPDATED, 1, digest, bytes([number]) * 32, 0, (), {})
        history = longer(history, Version(entry.text(), large), bytes([number - 1]) * 32, bytes([number]) * 32)
    kept = [bool(version.raw) for version in history.versions]
    assert [False, False, False, False, True, True, True] == kept
    assert 7 == len(history.versions) == history.mark.entries
    assert bytes([6]) * 32 == history.predecessors[0]
