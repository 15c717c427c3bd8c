"""A history is believed as far as the root certificate and the people of each manifest vouch for it."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from coordinator.client.history import HistoryRefused, Step, follow, prove, raised_versions
from coordinator.manifest.signature import Subject, sign
from coordinator.wire.history import RAISED, SET, UPDATED, ApprovalEntry, HistoryEntry
from pki.keys import private_of_known_kind
from pki.manifest_history import GENESIS, HistoryMark, history_extension, next_link
from tests.fakes.marble_pki import MarblePki
from tests.support.people import Person, person, same_key

PKI_KEY = MarblePki.create().root_key


def document(people: dict[str, Person], **more: object) -> bytes:
    roles = {"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}}
    base = {
        "Packages": {"p": {"UniqueID": "ab" * 32}},
        "Marbles": {"m": {"Package": "p"}},
        "Users": {name: who.entry("updater" if name != "eve" else "") for name, who in people.items()},
        "Roles": roles | {"": {"ResourceType": "Manifest", "Actions": []}},
        "Config": {"UpdateThreshold": 2},
    }
    return json.dumps(base | more).encode()


def digest(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def root_of(pairs: list[tuple[str, bytes]]) -> x509.Certificate:
    link = GENESIS
    for text, _ in pairs:
        link = next_link(link, text.encode())
    return MarblePki.create(PKI_KEY, [history_extension(HistoryMark(len(pairs), link, ()))]).root


class Story:
    """alice and bob approved the second manifest, alice by a connection and bob by a signature.

    alice has another certificate of her key, as user alias.
    """

    def __init__(self, folder: Path) -> None:
        known = {name: person(folder, name) for name in ("alice", "bob", "eve")}
        self.people = known | {"alias": same_key(known["alice"], folder, "alias")}
        self.first, self.second = document(self.people), document(self.people, Secrets={})
        key = private_of_known_kind(load_pem_private_key(self.people["bob"].key.read_bytes(), None))
        signed = sign(self.second, key, Subject.MANIFEST)
        self.approvals = (
            ApprovalEntry("alice", 2, bytes(32), b""),
            ApprovalEntry("bob", 3, signed.key, signed.signature),
        )

    def entries(self, approvals: tuple[ApprovalEntry, ...] | None = None) -> list[HistoryEntry]:
        one, two = digest(self.first), digest(self.second)
        given = self.approvals if approvals is None else approvals
        return [
            HistoryEntry(1, SET, 1, one, one, 0, (), {}),
            HistoryEntry(2, UPDATED, 3, two, two, 2, given, {}),
        ]

    def pairs(self, approvals: tuple[ApprovalEntry, ...] | None = None) -> list[tuple[str, bytes]]:
        return [
            (entry.text(), raw) for entry, raw in zip(self.entries(approvals), (self.first, self.second), strict=True)
        ]

    def steps(self, approvals: tuple[ApprovalEntry, ...] | None = None) -> tuple[Step, ...]:
        pairs = self.pairs(approvals)
        return prove(root_of(pairs), pairs)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("people"))


def test_an_approved_update_is_followed(story: Story) -> None:
    later, checks = follow(story.steps(), digest(story.first))
    assert [2] == [one.step.entry.number for one in later]
    assert "alice (connection), bob (signature)" == checks[-1].found
    assert () == follow(story.steps(), digest(story.second))[0]


def test_each_step_says_what_it_weakened_and_that_nobody_knows_where_a_document_is_gone(story: Story) -> None:
    first, second = story.steps()
    weaker, (alice, bob) = document(story.people, Config={"UpdateThreshold": 1}), story.approvals
    entry = replace(second.entry, digest=digest(weaker), manifest=digest(weaker))
    third = Step(replace(entry, number=4, approvals=(alice, replace(bob, signature=b""))), weaker)
    raised = Step(HistoryEntry(3, RAISED, 4, bytes(32), digest(story.second), 1, (alice,), {"p": 4}), b"")

    def found(*steps: Step, known: bytes = b"") -> list[list[str] | None]:
        later, _ = follow(steps, digest(story.first), known)
        return [None if one.weakenings is None else [change.path for change in one.weakenings] for one in later]

    assert [[], [], ["/Config/UpdateThreshold"]] == found(first, second, raised, third)
    assert [None, [], None] == found(first, replace(second, document=b""), raised, third)
    gone = replace(first, document=b"")
    assert [None, [], ["/Config/UpdateThreshold"]] == found(gone, second, raised, third)
    assert [[], [], ["/Config/UpdateThreshold"]] == found(gone, second, raised, third, known=story.first)


def test_what_the_root_certificate_does_not_name_is_refused(story: Story) -> None:
    pairs = story.pairs()
    root = root_of(pairs)
    prove(root, pairs)
    lies = (
        pairs[:1],
        [*pairs, pairs[0]],
        pairs[::-1],
        [(pairs[0][0].replace('"time":1', '"time":2'), pairs[0][1]), pairs[1]],
        [pairs[0], (pairs[1][0], pairs[0][1])],
    )
    for lie in lies:
        with pytest.raises(HistoryRefused) as refused:
            prove(root, lie)
        assert "U531" == refused.value.code
    with pytest.raises(HistoryRefused):
        prove(MarblePki.create(PKI_KEY).root, pairs)


def test_a_manifest_that_never_was_is_not_followed(story: Story) -> None:
    with pytest.raises(HistoryRefused) as refused:
        follow(story.steps(), bytes(32))
    assert "U532" == refused.value.code


def test_approvals_that_the_manifest_before_does_not_accept_are_refused(story: Story) -> None:
    alice, bob = story.approvals
    wrong = (
        (),
        (alice,),
        (alice, replace(alice, time_ms=9)),
        (alice, replace(alice, user="alias")),
        (alice, replace(bob, user="eve")),
        (alice, replace(bob, user="nobody")),
        (alice, replace(bob, signature=bob.signature[:-1] + bytes([bob.signature[-1] ^ 1]))),
        (replace(bob, user="alice"), alice),
    )
    for approvals in wrong:
        with pytest.raises(HistoryRefused) as refused:
            follow(story.steps(approvals), digest(story.first))
        assert "U533" == refused.value.code


def test_raised_versions_hold_until_a_manifest_lets_them_fall(story: Story) -> None:
    first = story.steps()[0]
    entry = HistoryEntry(2, RAISED, 2, bytes(32), first.entry.manifest, 1, story.approvals[:1], {"p": 4})
    raised = Step(entry, b"")
    assert {"p": 4} == raised_versions([first, raised, story.steps()[1]])
    lowering = document(story.people, Update={"LowersSecurityVersion": ["p"]})
    lowered = Step(replace(story.entries()[1], digest=digest(lowering)), lowering)
    assert {} == raised_versions([first, raised, lowered])
