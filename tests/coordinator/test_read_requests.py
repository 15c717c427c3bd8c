"""Secrets that a user reads only when others approve it, as decisions: who is enough, for what, and until when."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from coordinator.decisions import read_requests
from coordinator.decisions.errors import (
    ApprovalRefused,
    NeedsApproval,
    NoReadRequest,
    NotApproved,
    NotPermitted,
    ReadRequestRefused,
    TooManyReadRequests,
    UnknownUser,
)
from coordinator.decisions.read_requests import (
    Given,
    ReadStanding,
    approve_read,
    ask_to_read,
    open_requests,
    read_approved,
    stands,
    withdraw_read,
)
from coordinator.decisions.read_secrets import read_secrets
from coordinator.decisions.write_secrets import write_secrets
from coordinator.manifest.signature import DetachedSignature, Subject, sign
from coordinator.state.events import Event, ManifestUpdated, UpdateProposed
from coordinator.state.model import Deployment, State
from coordinator.state.replay import condense, issued_event, replay, replay_all
from coordinator.wire.read_requests import ReadAsk
from coordinator.wire.secrets import UserSecret
from pki.keys import fingerprint, private_of_known_kind
from tests.support.people import Person, person, same_key
from tests.support.states import DOCUMENT, NOON, deployed_state

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    folder = tmp_path_factory.mktemp("people")
    known = {name: person(folder, name) for name in ("alice", "bob", "carol", "dave", "eve")}
    return known | {"robert": same_key(known["bob"], folder, "robert")}


def parts(people: dict[str, Person], **terms: Any) -> dict[str, Any]:
    """alice and dave read; bob, who is robert too, carol and dave approve.  terms: over Threshold 2."""

    def role(action: str, *names: str) -> dict[str, Any]:
        return {"ResourceType": "Secrets", "ResourceNames": list(names), "Actions": [action]}

    guarded = {"Type": "plain", "UserDefined": True, "ReadApproval": {"Threshold": 2} | terms}
    return {
        "Secrets": {"master": guarded, "other": guarded, "open": {"Type": "plain", "UserDefined": True}},
        "Users": {
            "alice": people["alice"].entry("reader", "writer"),
            "bob": people["bob"].entry("approver"),
            "robert": people["robert"].entry("approver"),
            "carol": people["carol"].entry("approver"),
            "dave": people["dave"].entry("reader", "approver"),
            "eve": people["eve"].entry(),
        },
        "Roles": {
            "reader": role("ReadSecret", "master", "other", "open"),
            "writer": role("WriteSecret", "master", "other", "open"),
            "approver": role("ApproveRead", "master", "other"),
        },
    }


class Story:
    """A State, and what people do to it."""

    def __init__(self, people: dict[str, Person], users: dict[str, Any] | None = None, **terms: Any) -> None:
        self.people = people
        base = parts(people, **terms)
        self.state = deployed_state(**base | {"Users": users or base["Users"]})
        self.drawn = 0
        self.write("alice", master=b"first", other=b"second", now=NOON)

    @property
    def deployment(self) -> Deployment:
        assert self.state.deployment is not None
        return self.state.deployment

    def become(self, events: tuple[Event, ...]) -> None:
        for event in events:
            self.state = replay(self.state, event)

    def write(self, who: str, *, now: datetime = NOON, **values: bytes) -> None:
        given = {name: UserSecret(key=value) for name, value in values.items()}
        self.become(write_secrets(self.state, self.people[who].der, given, now=now).events)

    def ask(
        self,
        who: str = "alice",
        *names: str,
        reason: str = "ticket 17",
        lasts: timedelta | None = None,
        now: datetime = NOON,
    ) -> str:
        self.drawn += 1
        ask = ReadAsk(names or ("master",), reason, lasts)
        drawn = self.drawn.to_bytes(8, "big")
        decision = ask_to_read(self.state, self.people[who].der, ask, now=now, entropy=lambda count: drawn[:count])
        self.become(decision.events)
        return decision.reply

    def approve(self, name: str, *who: str, now: datetime = NOON) -> None:
        approvers = [read_requests.by_connection(self.state, self.people[one].der, name, now=now) for one in who]
        self.become(approve_read(self.state, name, approvers, now=now).events)

    def approve_signed(self, name: str, *signatures: DetachedSignature, now: datetime = NOON) -> None:
        approvers = read_requests.signers(self.state, name, signatures, now=now)
        self.become(approve_read(self.state, name, approvers, now=now).events)

    def signed(self, name: str, who: str, subject: Subject = Subject.READ_REQUEST) -> DetachedSignature:
        key = private_of_known_kind(load_pem_private_key(self.people[who].key.read_bytes(), None))
        return sign(self.deployment.requests[name].raw, key, subject)

    def withdraw(self, name: str, who: str, now: datetime = NOON) -> None:
        self.become(withdraw_read(self.state, self.people[who].der, name, now=now).events)

    def read(self, who: str = "alice", *names: str, now: datetime = NOON) -> Given:
        decision = read_approved(self.state, self.people[who].der, names or ("master",), now=now)
        self.become(decision.events)
        return decision.reply

    def standing(self, name: str, now: datetime = NOON) -> ReadStanding:
        return stands(self.deployment, self.deployment.requests[name], now)

    def log(self) -> list[str]:
        return [entry.update for entry in self.deployment.log]


@pytest.fixture
def story(people: dict[str, Person]) -> Story:
    return Story(people)


# A plain read


def test_a_plain_read_says_whose_approval_is_wanted_and_gives_nothing(story: Story) -> None:
    alice = story.people["alice"].der
    assert ["open"] == [*read_secrets(story.state, alice, ["open"])]
    for names in (["master"], ["open", "master"]):
        with pytest.raises(NeedsApproval, match="only with the approval of 2 of bob, robert, carol, dave"):
            read_secrets(story.state, alice, names)


def test_an_approval_opens_no_plain_read(story: Story) -> None:
    story.approve(story.ask(), "bob", "carol")
    with pytest.raises(NeedsApproval):
        read_secrets(story.state, story.people["alice"].der, ["master"])


def test_who_may_not_read_learns_nothing_of_approvals(story: Story) -> None:
    for name in ("bob", "eve"):
        with pytest.raises(NotPermitted):
            read_secrets(story.state, story.people[name].der, ["master"])


# k of n


def test_two_people_are_enough_and_one_is_not_however_often(story: Story) -> None:
    name = story.ask()
    story.approve(name, "bob", "bob")
    story.approve(name, "bob")
    assert (1, ("carol", "dave")) == (story.standing(name).missing, story.standing(name).users)
    with pytest.raises(NotApproved, match="1 more of carol, dave for 'master'"):
        story.read()
    story.approve(name, "carol")
    assert story.standing(name).granted
    assert b"first" == story.read().values["master"].private


def test_two_certificates_of_one_key_are_one_person(story: Story) -> None:
    name = story.ask()
    story.approve(name, "bob", "robert")
    assert 1 == story.standing(name).missing
    with pytest.raises(NotApproved):
        story.read()


def test_who_asks_and_may_approve_counts_as_one_and_alone_is_not_enough(story: Story) -> None:
    name = story.ask("dave")
    assert ["dave"] == [approval.user for approval in story.deployment.requests[name].approvals]
    with pytest.raises(NotApproved, match="1 more of bob, robert, carol"):
        story.read("dave")
    story.approve(name, "carol")
    assert b"first" == story.read("dave").values["master"].private


def test_who_asks_and_may_not_approve_counts_as_none(story: Story) -> None:
    name = story.ask("alice")
    assert 2 == story.standing(name).missing
    with pytest.raises(NotPermitted):
        story.approve(name, "alice")


def test_every_secret_of_a_request_wants_its_own_approvals(people: dict[str, Person]) -> None:
    document = parts(people)
    document["Secrets"]["other"] = {**document["Secrets"]["other"], "ReadApproval": {"Threshold": 3}}
    story = Story(people)
    story.state = deployed_state(**document)
    name = story.ask("alice", "master", "other")
    story.approve(name, "bob", "carol")
    assert [("other", 1)] == [(one.secret, one.approvals) for one in story.standing(name).wanted]
    for names in (["master"], ["other"], ["master", "other"]):
        with pytest.raises(NotApproved):
            story.read("alice", *names)
    story.approve(name, "dave")
    assert {"master", "other"} == set(story.read("alice", "master", "other").values)


@pytest.mark.parametrize("who", ["alice", "eve"])
def test_who_may_not_approve_is_refused(story: Story, who: str) -> None:
    with pytest.raises(NotPermitted):
        story.approve(story.ask(), who)


def test_a_stranger_is_nobody(story: Story) -> None:
    name = story.ask()
    for attempt in (
        lambda: ask_to_read(story.state, b"x", ReadAsk(("master",), "r", None), now=NOON, entropy=bytes),
        lambda: read_requests.by_connection(story.state, b"x", name, now=NOON),
        lambda: withdraw_read(story.state, b"x", name, now=NOON),
        lambda: read_approved(story.state, b"x", ["master"], now=NOON),
    ):
        with pytest.raises(UnknownUser):
            attempt()


# Signatures


def test_a_signature_over_the_exact_bytes_is_an_approval(story: Story) -> None:
    name = story.ask()
    story.approve_signed(name, story.signed(name, "bob"), story.signed(name, "carol"))
    assert story.standing(name).granted
    assert {True} == {bool(approval.signature) for approval in story.deployment.requests[name].approvals}


def test_a_signature_is_the_word_of_the_one_of_two_users_with_its_key_who_may_give_it(
    people: dict[str, Person],
) -> None:
    base = parts(people)
    users = {
        "robert": people["robert"].entry(),
        **{name: one for name, one in base["Users"].items() if name != "robert"},
    }
    story = Story(people, users=users)
    name = story.ask()
    story.approve_signed(name, story.signed(name, "robert"))
    assert ["bob"] == [approval.user for approval in story.deployment.requests[name].approvals]


def test_a_signature_of_anything_else_is_none(story: Story) -> None:
    first, second = story.ask(), story.ask()
    for wrong in (
        story.signed(second, "bob"),
        story.signed(first, "bob", Subject.MANIFEST),
        DetachedSignature(Subject.READ_REQUEST, story.deployment.requests[first].digest, bytes(32), b"x"),
    ):
        with pytest.raises(ApprovalRefused):
            story.approve_signed(first, wrong)
    with pytest.raises(NotPermitted):
        story.approve_signed(first, story.signed(first, "alice"))
    assert 2 == story.standing(first).missing


def test_what_is_signed_says_all_of_it(story: Story) -> None:
    name = story.ask("alice", "master", "other", reason="disk of host 7 broke", lasts=HOUR)
    document = json.loads(story.deployment.requests[name].raw)
    assert {
        "coordinator": fingerprint(story.state.authority.root_key.public_key()).hex(),
        "expires": "2026-11-28T13:00:00.000Z",
        "format": "enclasp-read-request/1",
        "id": name,
        "key": story.deployment.manifest.users["alice"].key_digest.hex(),
        "manifest": story.deployment.manifest.fingerprint,
        "notBefore": "2026-11-28T12:00:00.000Z",
        "reason": "disk of host 7 broke",
        "secrets": ["master", "other"],
        "user": "alice",
    } == document


# Who gets it, and how often


def test_only_who_asked_gets_it(story: Story) -> None:
    story.approve(story.ask("alice"), "bob", "carol")
    with pytest.raises(NoReadRequest):
        story.read("dave")
    with pytest.raises(NotPermitted):
        story.read("bob")
    assert story.read("alice")


def test_it_is_given_until_the_request_is_over_and_not_more_than_eight_times(story: Story) -> None:
    name = story.ask()
    story.approve(name, "bob", "carol")
    for number in range(1, 9):
        assert name == story.read().request
        assert number == story.deployment.requests[name].times_read
    with pytest.raises(ReadRequestRefused, match="8 times already"):
        story.read()
    assert 8 == story.log().count("secrets read")


def test_a_request_is_for_its_secrets_only(story: Story) -> None:
    story.approve(story.ask("alice", "master"), "bob", "carol")
    for names in (["other"], ["master", "other"]):
        with pytest.raises(NoReadRequest):
            story.read("alice", *names)
    assert ["master"] == [*story.read("alice", "master").values]


def test_nobody_approved_a_value_that_came_later(story: Story) -> None:
    name = story.ask()
    story.approve(name, "bob", "carol")
    story.write("alice", other=b"changed")
    assert name in story.deployment.requests
    story.write("alice", master=b"changed")
    with pytest.raises(NoReadRequest):
        story.read()
    assert "a value is another one now" == [*story.deployment.log][-1].details["reason"]


def test_another_manifest_ends_all_requests(story: Story, people: dict[str, Person]) -> None:
    story.approve(story.ask(), "bob", "carol")
    next_document = DOCUMENT | parts(people) | {"Marbles": {"web": {"Package": "p", "MaxActivations": 1}}}
    raw = json.dumps(next_document).encode()
    proposed = UpdateProposed(0, "alice", raw, 1, False, round(NOON.timestamp() * 1000) + 1000)
    version = story.deployment.history.versions[0]
    root = bytes(32)
    issued = issued_event(story.state.authority)
    done = ManifestUpdated(0, issued, root, b"", {}, ("master", "other", "open"), b"s", version)
    story.become((proposed, done))
    assert {} == story.deployment.requests
    assert ["manifest updated", "secret read request over"] == story.log()[-2:]
    with pytest.raises(NoReadRequest):
        story.read()


# Time


def test_a_request_expires_whether_it_is_approved_or_not(people: dict[str, Person]) -> None:
    story = Story(people, Expiry="2h")
    name = story.ask()
    end = NOON + 2 * HOUR
    story.approve(name, "bob", "carol", now=end - SECOND)
    assert story.read(now=end - SECOND)
    for late in (
        lambda: story.read(now=end),
        lambda: story.approve(name, "dave", now=end),
        lambda: story.withdraw(name, "alice", now=end),
    ):
        with pytest.raises(NoReadRequest):
            late()
    assert () == open_requests(story.deployment, end)
    story.ask(now=end)
    assert name not in story.deployment.requests
    assert ["secret read request over", "secret read requested"] == story.log()[-2:]


def test_a_user_may_want_it_shorter_and_not_longer(people: dict[str, Person]) -> None:
    story = Story(people, Expiry="2h")
    name = story.ask(lasts=HOUR)
    assert NOON + HOUR == story.deployment.requests[name].document.expires
    with pytest.raises(ReadRequestRefused, match=r"at most 2:00:00, got 2:00:01"):
        story.ask(lasts=2 * HOUR + SECOND)


def test_a_delay_passes_before_it_is_given_and_the_expiry_counts_from_then(people: dict[str, Person]) -> None:
    story = Story(people, Delay="4h", Expiry="2h")
    asked = NOON + timedelta(microseconds=999)
    name = story.ask(now=asked)
    story.approve(name, "bob", "carol")
    due = NOON + 4 * HOUR
    assert due == story.standing(name).due
    with pytest.raises(NotApproved, match="waits for its time, from 2026-11-28T16:00:00"):
        story.read(now=due - SECOND)
    assert story.read(now=due)
    assert story.read(now=due + 2 * HOUR - SECOND)
    with pytest.raises(NoReadRequest):
        story.read(now=due + 2 * HOUR)


# Its end


@pytest.mark.parametrize("who", ["alice", "bob", "dave"])
def test_who_asked_or_might_approve_may_end_it(story: Story, who: str) -> None:
    name = story.ask("alice")
    story.approve(name, "bob", "carol")
    story.withdraw(name, who)
    with pytest.raises(NoReadRequest):
        story.read()
    assert {"request": name, "reason": "withdrawn by a user", "user": who} == [*story.deployment.log][-1].details


def test_others_may_not_end_it(story: Story) -> None:
    name = story.ask("dave")
    for who in ("alice", "eve"):
        with pytest.raises(NotPermitted):
            story.withdraw(name, who)


# Bounds


def test_a_user_has_at_most_eight_open_requests(story: Story) -> None:
    names = [story.ask() for _ in range(8)]
    with pytest.raises(TooManyReadRequests):
        story.ask()
    assert story.ask("dave"), "each user for himself"
    story.withdraw(names[0], "alice")
    assert story.ask()


@pytest.mark.parametrize(
    "attempt",
    [
        lambda story: story.ask("alice", "open"),
        lambda story: story.ask("alice", "open", "master"),
        lambda story: story.ask(reason=""),
        lambda story: story.ask(reason="x" * 501),
        lambda story: story.ask(reason="two\nlines"),
        lambda story: story.ask(reason="\u202e"),
        lambda story: ask_to_read(
            story.state, story.people["alice"].der, ReadAsk((), "r", None), now=NOON, entropy=bytes
        ),
        lambda story: read_approved(story.state, story.people["alice"].der, [], now=NOON),
    ],
)
def test_a_request_that_says_nothing_sensible_is_refused(story: Story, attempt: Callable[[Story], object]) -> None:
    with pytest.raises(ReadRequestRefused):
        attempt(story)
    assert {} == story.deployment.requests
    assert story.ask(reason="x" * 500)


def test_a_request_has_at_most_sixteen_secrets_and_16_kib(people: dict[str, Person]) -> None:
    document = parts(people)
    guarded = document["Secrets"]["master"]
    short, long = [f"s{number}" for number in range(17)], [f"{number}" + "x" * 1200 for number in range(16)]
    document["Secrets"] |= dict.fromkeys((*short, *long), guarded)
    for role in ("reader", "approver"):
        document["Roles"][role]["ResourceNames"] += [*short, *long]
        document["Roles"][role]["ResourceNames"] = [n for n in document["Roles"][role]["ResourceNames"] if n != "open"]
    story = Story(people)
    story.state = deployed_state(**document)
    with pytest.raises(ReadRequestRefused, match="from 1 to 16 secrets, got 17"):
        story.ask("alice", *short)
    with pytest.raises(ReadRequestRefused, match="at most 16384 bytes"):
        story.ask("alice", *long)
    assert story.ask("alice", *short[:16])


def test_an_undefined_secret_and_one_that_may_not_be_read_are_refused_alike(story: Story) -> None:
    for who, name in (("alice", "undefined"), ("bob", "master"), ("eve", "master")):
        with pytest.raises(NotPermitted):
            story.ask(who, name)


# What is kept


def test_the_log_tells_who_asked_approved_and_read_and_no_value(story: Story) -> None:
    name = story.ask(reason="ticket 17")
    story.approve_signed(name, story.signed(name, "bob"))
    story.approve(name, "carol")
    story.read()
    entries = [(entry.update, entry.details) for entry in [*story.deployment.log][-4:]]
    fingerprint_ = story.deployment.requests[name].digest.hex()
    assert [
        (
            "secret read requested",
            {
                "user": "alice",
                "secrets": ("master",),
                "request": name,
                "reason": "ticket 17",
                "missingApprovals": 2,
                "missingUsers": ("bob", "robert", "carol", "dave"),
                "requestFingerprint": fingerprint_,
            },
        ),
        (
            "secret read approved",
            {
                "user": "bob",
                "request": name,
                "by": "signature",
                "missingApprovals": 1,
                "missingUsers": ("carol", "dave"),
            },
        ),
        (
            "secret read approved",
            {"user": "carol", "request": name, "by": "connection", "missingApprovals": 0, "missingUsers": ()},
        ),
        ("secrets read", {"user": "alice", "secrets": ("master",), "request": name, "times": 1}),
    ] == entries
    assert "first" not in repr(entries)


def test_a_snapshot_loses_nothing_of_requests(story: Story) -> None:
    name = story.ask("alice", "master", "other")
    story.approve_signed(name, story.signed(name, "bob"))
    story.approve(name, "carol")
    story.read("alice", "other")
    story.ask("dave")
    again: State = replay_all(condense(story.state))
    assert again.deployment is not None
    assert story.deployment.requests == again.deployment.requests
    assert [*story.deployment.log] == [*again.deployment.log]
    assert condense(story.state) == condense(again)
