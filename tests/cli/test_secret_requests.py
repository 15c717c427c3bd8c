"""Secrets that are read together, by the command line, against a real coordinator process."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Enclasp, Ended
from tests.support import key_devices
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.people import Person, person

NAMES = ("alice", "bob", "carol", "eve")


@dataclass
class Deployed:
    """alice reads and sets `master` and `open`; bob and carol approve; eve may do nothing."""

    running: CoordinatorProcess
    people: dict[str, Person]

    @property
    def endpoint(self) -> str:
        return self.running.client_address

    @property
    def verifying(self) -> tuple[str, ...]:
        files = (self.running.reference, self.running.trust, self.running.collateral)
        pairs = zip(("--reference", "--trust", "--collateral"), map(str, files), strict=True)
        return tuple(part for pair in pairs for part in pair)

    def as_(self, who: str) -> tuple[str, ...]:
        return (*self.verifying, *self.people[who].flags)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("requests")
    running = start(folder / "dev")
    yield Deployed(running, {name: person(folder, name) for name in NAMES})
    running.kill()


@pytest.fixture
def deployed(running: Deployed, enclasp: Enclasp, tmp_path: Path) -> Deployed:
    """The first test that asks sets the manifest; each begins without an open request."""
    people = running.people
    plain = {"Type": "plain", "UserDefined": True}

    def role(action: str, *names: str) -> dict[str, Any]:
        return {"ResourceType": "Secrets", "ResourceNames": list(names), "Actions": [action]}

    document = {
        "Packages": {"p": {"TDX": {"MRTD": "ab" * 48}}},
        "Marbles": {"m": {"Package": "p"}},
        "Secrets": {"master": {**plain, "ReadApproval": {"Threshold": 2, "Expiry": "8h"}}, "open": plain},
        "Users": {
            "alice": people["alice"].entry("reader", "writer"),
            "bob": people["bob"].entry("approver"),
            "carol": people["carol"].entry("approver"),
            "eve": people["eve"].entry(),
        },
        "Roles": {
            "reader": role("ReadSecret", "master", "open"),
            "writer": role("WriteSecret", "master", "open"),
            "approver": role("ApproveRead", "master"),
        },
    }
    if enclasp("status", running.endpoint, "-o", "json").document["code"] == 2:
        file = tmp_path / "manifest.json"
        file.write_text(json.dumps(document))
        assert 0 == enclasp("manifest", "set", file, running.endpoint, *running.verifying).code
    value = tmp_path / "value"
    value.write_bytes(b"correct horse\n")  # which ends the requests of tests before
    as_alice = running.as_("alice")
    assert 0 == enclasp("secret", "set", value, "--name", "master", running.endpoint, *as_alice).code
    return running


def asked(enclasp: Enclasp, deployed: Deployed, *more: str) -> Any:
    done = enclasp(
        "secret", "request", "master", deployed.endpoint, "--reason", "why", *deployed.as_("alice"), "-o", "json", *more
    )
    assert 0 == done.code, done.err
    return done.document


def approve(enclasp: Enclasp, deployed: Deployed, name: str, *more: str | Path) -> Ended:
    return enclasp("secret", "approve", name, deployed.endpoint, *more, "-o", "json")


def get(enclasp: Enclasp, deployed: Deployed, who: str, *more: str | Path) -> Ended:
    return enclasp("secret", "get", "master", deployed.endpoint, *deployed.as_(who), *more)


def test_two_approve_one_of_them_offline_and_who_asked_gets_it(
    enclasp: Enclasp, deployed: Deployed, tmp_path: Path
) -> None:
    request = asked(enclasp, deployed)
    name = request["id"]
    assert ("alice", ["master"], "why", False, 0, True) == tuple(
        request[key] for key in ("user", "secrets", "reason", "granted", "timesRead", "verified")
    )
    assert [{"secret": "master", "approvals": 2, "users": ["bob", "carol"]}] == request["missing"]
    by_bob = approve(enclasp, deployed, name, *deployed.as_("bob"))
    assert (0, 1) == (by_bob.code, by_bob.document["missing"][0]["approvals"])
    assert "user alice asks to read master" in by_bob.err
    assert "reason    why" in by_bob.err
    file, signature = tmp_path / "request.json", tmp_path / "carol.sig"
    as_nobody = deployed.verifying
    written = enclasp("secret", "requests", deployed.endpoint, "--request", name, "--out", file, *as_nobody)
    assert 0 == written.code
    signed = enclasp("secret", "sign", file, "--key", deployed.people["carol"].key, "--out", signature)
    assert (0, True) == (signed.code, "user alice asks to read master" in signed.err)
    assert request["fingerprint"] == json.loads(signature.read_bytes())["fingerprint"]
    by_carol = approve(enclasp, deployed, name, "--approval", signature, *as_nobody)
    assert (0, True, []) == (by_carol.code, by_carol.document["granted"], by_carol.document["missing"])
    out = tmp_path / "out"
    read = get(enclasp, deployed, "alice", "--raw", "--out", out)
    assert (0, b"correct horse\n", 0o600) == (read.code, out.read_bytes(), out.stat().st_mode & 0o777)
    listed = enclasp("secret", "requests", deployed.endpoint, *as_nobody, "-o", "json").document["requests"]
    assert [(name, 1)] == [(one["id"], one["timesRead"]) for one in listed]
    log = enclasp("manifest", "log", deployed.endpoint, *as_nobody, "-o", "json").document["log"]
    assert [
        ("secret read requested", "alice"),
        ("secret read approved", "bob"),
        ("secret read approved", "carol"),
        ("secrets read", "alice"),
    ] == [(entry["update"], entry["user"]) for entry in log[-4:]]
    assert "correct horse" not in json.dumps(log)


def test_an_approver_whose_key_is_on_a_token_approves_with_it(
    enclasp: Enclasp, deployed: Deployed, tmp_path: Path
) -> None:
    environ, pin = key_devices.token(tmp_path / "hsm", "carol")
    key_devices.import_key(environ, "carol", deployed.people["carol"].key, "approvals")
    name = asked(enclasp, deployed)["id"]
    file, signature = tmp_path / "request.json", tmp_path / "carol.sig"
    as_nobody = deployed.verifying
    assert 0 == enclasp("secret", "requests", deployed.endpoint, "--request", name, "--out", file, *as_nobody).code
    sign = ("secret", "sign", file, "--certificate", deployed.people["carol"].certificate, "--out", signature)
    wrong = tmp_path / "wrong-pin"
    wrong.write_text("9999")
    refused = key_devices.command(environ, *sign, *key_devices.key_on("carol", "approvals", wrong))
    assert (3, True, False) == (refused.returncode, "error[U561]" in refused.stderr, "9999" in refused.stderr)
    signed = key_devices.command(environ, *sign, *key_devices.key_on("carol", "approvals", pin))
    assert (0, True) == (signed.returncode, "user alice asks to read master" in signed.stderr), signed.stderr
    assert key_devices.PIN not in signed.stderr
    by_carol = approve(enclasp, deployed, name, "--approval", signature, *as_nobody)
    assert (0, ["bob"]) == (by_carol.code, by_carol.document["missing"][0]["users"])
    assert 7 == get(enclasp, deployed, "alice", "--raw").code
    assert approve(enclasp, deployed, name, *deployed.as_("bob")).document["granted"]
    assert b"correct horse\n" == get(enclasp, deployed, "alice", "--raw").out
    other = asked(enclasp, deployed)["id"]
    again = approve(enclasp, deployed, other, "--approval", signature, *as_nobody)
    assert (3, True) == (again.code, "signature of user 'carol': expected one of" in again.err), again.err


def test_without_approvals_the_answer_says_what_is_missing(enclasp: Enclasp, deployed: Deployed) -> None:
    none = get(enclasp, deployed, "alice")
    assert (7, True) == (none.code, "error[A230]" in none.err)
    assert "only with the approval of 2 of bob, carol" in none.err
    assert "enclasp secret request" in none.err
    request = asked(enclasp, deployed)
    waiting = get(enclasp, deployed, "alice")
    assert (7, True) == (waiting.code, "error[A232]" in waiting.err)
    assert f"request {request['id']} waits for 2 more of bob, carol for 'master'" in waiting.err
    both = enclasp("secret", "get", "master", "open", deployed.endpoint, *deployed.as_("alice"))
    assert (7, True) == (both.code, "error[A230]" in both.err)
    other = get(enclasp, deployed, "bob")
    assert (7, True) == (other.code, "error[U521]" in other.err)
    assert 0 == enclasp("secret", "get", "open", deployed.endpoint, *deployed.as_("alice")).code


def test_a_request_is_listed_for_people_and_withdrawn(enclasp: Enclasp, deployed: Deployed) -> None:
    name = asked(enclasp, deployed, "--expires", "30m")["id"]
    text = enclasp("secret", "requests", deployed.endpoint, *deployed.verifying).text
    assert f"request {name}: alice asks to read master: why\n  waiting: 2 more of bob, carol\n  over at " in text
    refused = enclasp("secret", "withdraw", name, deployed.endpoint, *deployed.as_("eve"))
    assert (7, True) == (refused.code, "error[U521]" in refused.err)
    ended = enclasp("secret", "withdraw", name, deployed.endpoint, *deployed.as_("bob"), "-o", "json")
    assert (0, {"withdrawn": name, "verified": True}) == (ended.code, ended.document)
    assert "no request is open\n" == enclasp("secret", "requests", deployed.endpoint, *deployed.verifying).text
    for again in (
        enclasp("secret", "withdraw", name, deployed.endpoint, *deployed.as_("bob")),
        approve(enclasp, deployed, name, *deployed.as_("bob")),
        enclasp("secret", "requests", deployed.endpoint, "--request", name, *deployed.verifying),
    ):
        assert (3, True) == (again.code, "A231" in again.err)


def test_what_cannot_be_asked_or_approved_is_refused_in_words(
    enclasp: Enclasp, deployed: Deployed, tmp_path: Path
) -> None:
    as_alice = deployed.as_("alice")
    ask = ("secret", "request")
    for arguments, code, said in (
        ((*ask, "open", deployed.endpoint, "--reason", "why", *as_alice), 3, "A233"),
        ((*ask, "master", deployed.endpoint, "--reason", "why", "--expires", "9h", *as_alice), 3, "A233"),
        ((*ask, "master", deployed.endpoint, "--reason", "why", "--expires", "soon", *as_alice), 2, "30m"),
        ((*ask, "master", deployed.endpoint, *as_alice), 2, "--reason"),
        ((*ask, "master", deployed.endpoint, "--reason", "why", *deployed.as_("eve")), 7, "U521"),
        (("secret", "approve", "x", deployed.endpoint, *deployed.verifying), 2, "--approval"),
    ):
        ended = enclasp(*arguments)
        assert (code, True) == (ended.code, said in ended.err), (arguments, ended.err)
    name = asked(enclasp, deployed)["id"]
    other = tmp_path / "other.json"
    other.write_text("{}")
    signed = enclasp("secret", "sign", other, "--key", deployed.people["bob"].key)
    assert (3, True) == (signed.code, "error[U572]" in signed.err)
    word = tmp_path / "manifest.sig"
    assert 0 == enclasp("manifest", "sign", other, "--key", deployed.people["bob"].key, "--out", word).code
    mistaken = approve(enclasp, deployed, name, "--approval", word, *deployed.verifying)
    assert (3, True) == (mistaken.code, "E017" in mistaken.err)
    by_eve = approve(enclasp, deployed, name, *deployed.as_("eve"))
    assert (7, True) == (by_eve.code, "U521" in by_eve.err)


def test_the_environment_may_name_the_endpoint_beside_names(
    enclasp: Enclasp, deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_alice = deployed.as_("alice")
    missing = enclasp("secret", "get", "open", *as_alice)
    assert (2, True) == (missing.code, "ENDPOINT" in missing.err)
    monkeypatch.setenv("ENCLASP_COORDINATOR", deployed.endpoint)
    one = enclasp("secret", "get", "open", *as_alice, "-o", "json")
    assert (0, ["open"]) == (one.code, [*one.document["secrets"]])
    monkeypatch.setenv("ENCLASP_COORDINATOR", "localhost:1")
    elsewhere = enclasp("secret", "get", "open", deployed.endpoint, *as_alice, "-o", "json")
    assert (0, ["open"]) == (elsewhere.code, [*elsewhere.document["secrets"]])
