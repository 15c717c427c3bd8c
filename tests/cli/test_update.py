"""Updates by the command line, and `verify --follow`, against a real coordinator process."""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Enclasp, Ended
from tests.support import marble_client
from tests.support.people import same_key
from tests.support.updatable import Updatable, changed, deploy, encoded

Run = Callable[..., Ended]


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Updatable]:
    it = deploy(tmp_path, UpdateOverlap="1h")
    yield it
    it.running.kill()


@pytest.fixture
def run(deployed: Updatable, enclasp: Enclasp) -> Run:
    """A command for this coordinator; `who` shows a certificate."""

    def run(*arguments: Any, who: str | None = None) -> Ended:
        user = deployed.people[who].flags if who else ()
        return enclasp(*arguments, *flags(deployed), *user)

    return run


def flags(deployed: Updatable) -> list[str]:
    """What verifies this coordinator."""
    running = deployed.running
    files = {"--reference": running.reference, "--trust": running.trust, "--collateral": running.collateral}
    return [str(part) for pair in files.items() for part in pair]


def second(deployed: Updatable, **update: Any) -> dict[str, Any]:
    """One more marble, and the name of what it replaces."""
    replaces = hashlib.sha256(encoded(deployed.first)).hexdigest()

    def change(document: dict[str, Any]) -> None:
        document["Marbles"]["new"] = {"Package": "tdx"}
        document["Update"] = {"Replaces": replaces, **update}

    return changed(deployed.first, change)


def write(path: Path, document: dict[str, Any]) -> Path:
    path.write_bytes(encoded(document))
    return path


def test_an_update_is_planned_proposed_approved_offline_and_followed(
    deployed: Updatable, run: Run, enclasp: Enclasp, tmp_path: Path
) -> None:
    endpoint = deployed.running.client_address
    first, file = write(tmp_path / "v1.json", deployed.first), write(tmp_path / "v2.json", second(deployed))
    before = tmp_path / "before.pem"
    assert 0 == run("verify", endpoint, "--manifest", first, "--out", before).code
    planned = run("manifest", "update", "plan", file, endpoint, "-o", "json")
    plan = planned.document
    assert (0, {"needed": 2, "users": ["alice", "bob", "carol"]}) == (planned.code, plan["approvals"])
    assert ("keeps its value", "made anew", "keeps its value") == (
        plan["secrets"]["key"],
        plan["secrets"]["web"],
        plan["secrets"]["password"],
    )
    assert plan["marbles"]["new"] == "new"
    assert "the same definition; talks to marbles of before and after for 1:00:00" in plan["marbles"]["full"]
    assert ["widens"] == [change["gravity"] for change in plan["changes"]]
    assert 9 == run("manifest", "update", "plan", file, endpoint, "--exit-code").code

    proposed = run("manifest", "update", "apply", file, endpoint, who="alice")
    assert (0, "waiting: 1 more of bob, carol") == (proposed.code, proposed.text.strip())
    pending = run("manifest", "update", "pending", endpoint, "--out", tmp_path / "pending.json")
    assert (0, True) == (pending.code, "approved   by alice\nmissing    1 of bob, carol\n" in pending.err)
    for said in (proposed.err, pending.err):
        assert "widens:   another program may join" in said
    assert (tmp_path / "pending.json").read_bytes() == file.read_bytes()

    signature = tmp_path / "bob.sig"
    assert 0 == enclasp("manifest", "sign", file, "--key", deployed.people["bob"].key, "--out", signature).code
    done = run("manifest", "update", "acknowledge", file, endpoint, "--approval", signature, "-o", "json")
    assert (0, True) == (done.code, done.document["applied"])
    assert "widens:" in done.err
    assert "manifest updated" in run("manifest", "log", endpoint).text

    assert 5 == run("verify", endpoint, "--manifest", first).code
    for known in (first, before, hashlib.sha256(first.read_bytes()).hexdigest()):
        followed = run("verify", endpoint, "--follow", known, "-o", "json")
        assert 0 == followed.code, followed.err
        (step,) = followed.document["followed"]
        assert [("alice", False), ("bob", True)] == [(a["user"], a["signature"]) for a in step["approvals"]]
        (widened,) = step["weakenings"]
        assert widened.startswith('another program may join: package "tdx" as marble "new"')
    told = run("verify", endpoint, "--follow", first).text
    assert "approved by alice, bob (signed)" in told
    assert "widens:   another program may join" in told


def test_new_recovery_secrets_never_take_the_place_of_others_and_the_file_is_there_before_anything_is_sent(
    deployed: Updatable, run: Run, tmp_path: Path
) -> None:
    endpoint, file, shares = (
        deployed.running.client_address,
        write(tmp_path / "v2.json", second(deployed)),
        tmp_path / "s",
    )
    shares.write_bytes(b"another deployment's")
    refused = run("manifest", "update", "apply", file, endpoint, "--recoverydata", shares, who="alice")
    assert (3, True) == (refused.code, "it may hold other recovery secrets" in refused.err), refused.err
    assert b"another deployment's" == shares.read_bytes()
    assert "no update is pending" in run("manifest", "update", "pending", endpoint).err

    shares.unlink()
    waits = run("manifest", "update", "apply", file, endpoint, "--recoverydata", shares, who="alice")
    assert (0, "waiting: 1 more of bob, carol", False) == (waits.code, waits.text.strip(), shares.exists())


def test_who_verified_the_first_version_follows_to_the_third_also_offline(
    deployed: Updatable, run: Run, tmp_path: Path
) -> None:
    endpoint = deployed.running.client_address
    before, after = tmp_path / "before.pem", tmp_path / "after.pem"
    assert 0 == run("verify", endpoint, "--out", before).code
    deployed.pass_update(second(deployed))
    raising = write(tmp_path / "raise.json", {"Packages": {"sgx": {"SecurityVersion": 4}}})
    planned = run("manifest", "update", "plan", raising, endpoint)
    assert "package 'sgx': security version 4" in planned.text
    raised = run("manifest", "update", "apply", raising, endpoint, who="dave")
    assert (0, "done: the update is in force") == (raised.code, raised.text.strip())
    third = changed(second(deployed), lambda d: d.pop("Update"))
    third["Config"]["UpdateThreshold"] = 1
    lower = changed(third, lambda d: d["Packages"]["sgx"].update(SecurityVersion=1))
    plan = run("manifest", "update", "plan", write(tmp_path / "lower.json", lower), endpoint, "-o", "json").document
    assert any("stays at security version 4" in remark for remark in plan["remarks"])
    deployed.pass_update(third)
    live = run("verify", endpoint, "--follow", before, "--out", after, "-o", "json")
    assert 0 == live.code, live.err
    assert ["manifest updated", "security versions raised", "manifest updated"] == [
        step["kind"] for step in live.document["followed"]
    ]
    assert [1, 0, 1] == [len(step["weakenings"]) for step in live.document["followed"]]
    assert ["1 of 3 people together may update the manifest"] == live.document["followed"][2]["weakenings"]
    offline = run("verify", after, "--follow", before)
    assert (0, True) == (offline.code, "a running one says" in offline.err), offline.err


def test_who_waits_for_a_pending_update_sees_who_proposed_it_and_when_it_applies(
    tmp_path: Path, enclasp: Enclasp
) -> None:
    deployed = deploy(tmp_path, UpdateDelay="2d", UpdateExpiry="1d")
    try:
        command = ("manifest", "update", "pending", deployed.running.client_address, *flags(deployed))
        new = second(deployed)
        assert 200 == deployed.update("alice", new).status
        waits = enclasp(*command, "-o", "json").document
        proposed = datetime.fromisoformat(waits["proposedAt"])
        assert ("alice", None) == (waits["proposedBy"], waits["appliesAt"])
        assert proposed + timedelta(days=2) == datetime.fromisoformat(waits["notBefore"])
        assert proposed + timedelta(days=3) == datetime.fromisoformat(waits["expires"])
        told = enclasp(*command).err
        assert f"proposed   by alice, {waits['proposedAt']}\n" in told
        assert f"in force   when they have approved, not before {waits['notBefore']}\n" in told
        assert 200 == deployed.approve("bob", new).status
        approved = enclasp(*command, "-o", "json").document
        assert waits["notBefore"] == approved["appliesAt"] == approved["notBefore"]
        told = enclasp(*command).err
        assert f"missing    nobody\nin force   {approved['appliesAt']}\n" in told
    finally:
        deployed.running.kill()


def test_status_names_each_marble_that_still_has_a_certificate_of_before_the_update(
    deployed: Updatable, run: Run, tmp_path: Path, enclasp: Enclasp
) -> None:
    endpoint, uuids = deployed.running.client_address, [f"00000000-0000-4000-8000-{n:012}" for n in range(5)]
    for uuid in uuids:
        start_marble(deployed, uuid)
    deployed.pass_update(second(deployed))
    told = run("status", endpoint).text
    assert f"the intermediate of step 1 is trusted until {overlap_end(run, endpoint)}: full (5: " in told
    assert f"full (5: {', '.join(uuids[2:])}, …)" in told
    for uuid in uuids[1:]:
        start_marble(deployed, uuid)
    assert f": full (1: {uuids[0]})\n" in run("status", endpoint).text
    old = run("status", endpoint, "-o", "json").document["hierarchy"]["intermediates"][1]
    assert [{"type": "full", "count": 1, "uuids": uuids[:1]}] == old["marbles"]
    start_marble(deployed, uuids[0])
    assert ": no marble uses it\n" in run("status", endpoint).text


def test_status_names_marbles_that_an_update_without_overlap_has_cut_off(tmp_path: Path, enclasp: Enclasp) -> None:
    deployed = deploy(tmp_path)
    try:
        uuid = "00000000-0000-4000-8000-000000000000"
        start_marble(deployed, uuid)
        deployed.pass_update(second(deployed))
        told = enclasp("status", deployed.running.client_address, *flags(deployed)).text
        assert f"not trusted by marbles of after the update until they renew or restart: full (1: {uuid})\n" in told
        assert "the intermediate of step" not in told
    finally:
        deployed.running.kill()


def start_marble(deployed: Updatable, uuid: str) -> None:
    join = deployed.join()
    join.uuid = uuid
    marble_client.send(deployed.running.mesh_address, join)


def overlap_end(run: Run, endpoint: str) -> str:
    found = run("status", endpoint, "-o", "json").document["hierarchy"]["intermediates"]
    assert [2, 1] == [one["number"] for one in found]
    return str(found[1]["trustedUntil"])


def test_another_deployment_and_a_manifest_that_never_was_are_refused(
    deployed: Updatable, run: Run, enclasp: Enclasp, tmp_path: Path
) -> None:
    endpoint = deployed.running.client_address
    never = run("verify", endpoint, "--follow", "ab" * 32)
    assert (4, True) == (never.code, "error[U532]" in never.err)
    before = tmp_path / "before.pem"
    assert 0 == run("verify", endpoint, "--out", before).code
    (tmp_path / "other").mkdir()
    other = deploy(tmp_path / "other")
    try:
        ended = enclasp("verify", other.running.client_address, "--follow", before, *flags(other))
        assert (4, True) == (ended.code, "error[U532]" in ended.err)
    finally:
        other.running.kill()


def test_refusals_have_their_codes_and_exit_codes(deployed: Updatable, run: Run, tmp_path: Path) -> None:
    endpoint = deployed.running.client_address
    file = write(tmp_path / "v2.json", second(deployed))
    assert (3, True) == ((ended := run("manifest", "update", "pending", endpoint)).code, "U523" in ended.err)
    assert 7 == run("manifest", "update", "apply", file, endpoint, who="eve").code
    assert 7 == run("manifest", "update", "apply", file, endpoint, who="mallory").code
    assert 2 == run("manifest", "update", "apply", file, endpoint).code
    assert 0 == run("manifest", "update", "apply", file, endpoint, who="alice").code
    other = write(tmp_path / "other.json", deployed.first)
    assert (3, True) == (
        (ended := run("manifest", "update", "acknowledge", other, endpoint, who="bob")).code,
        "U525" in ended.err,
    )
    assert 0 == run("manifest", "update", "cancel", endpoint, who="carol").code
    log = run("manifest", "log", endpoint, "-o", "json").document["log"]
    assert "full update cancelled by a user" == log[-1]["update"]


def test_two_users_with_one_key_are_one_person_to_everybody(
    deployed: Updatable, run: Run, enclasp: Enclasp, tmp_path: Path
) -> None:
    endpoint, people = deployed.running.client_address, deployed.people
    people["alias"] = same_key(people["alice"], tmp_path, "alias")
    known = changed(deployed.first, lambda d: d["Users"].update(alias=people["alias"].entry("updater")))
    deployed.pass_update(known)
    before = tmp_path / "before.pem"
    assert 0 == run("verify", endpoint, "--out", before).code
    new = changed(
        known,
        lambda d: d.update(Update={"Replaces": hashlib.sha256(encoded(known)).hexdigest()}, TLS={"new": {}}),
    )
    file, signature = write(tmp_path / "next.json", new), tmp_path / "alias.sig"
    assert "approvals: 2 of alice alias alias, bob, carol" in run("manifest", "update", "plan", file, endpoint).text
    assert 0 == run("manifest", "update", "apply", file, endpoint, who="alice").code
    assert 0 == enclasp("manifest", "sign", file, "--key", people["alias"].key, "--out", signature).code
    for again in (
        run("manifest", "update", "acknowledge", file, endpoint, who="alias"),
        run("manifest", "update", "acknowledge", file, endpoint, "--approval", signature),
    ):
        assert (0, "waiting: 1 more of bob, carol") == (again.code, again.text.strip()), again.err
    done = run(
        "manifest",
        "update",
        "acknowledge",
        file,
        endpoint,
        who="bob",
    )
    assert (0, "done: the update is in force") == (done.code, done.text.strip()), done.err
    followed = run("verify", endpoint, "--follow", before)
    assert (0, True) == (followed.code, "approved by alice, alias, bob" in followed.text), followed.err


def test_in_marbleruns_mode_all_people_are_enough_where_the_threshold_wants_more_users(
    tmp_path: Path, enclasp: Enclasp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCLASP_COMPATIBLE", "1")
    deployed = deploy(tmp_path)
    try:
        people, endpoint = deployed.people, deployed.running.client_address
        people["alias"] = same_key(people["alice"], tmp_path, "alias")
        known = changed(
            deployed.first,
            lambda d: d.update(Users={name: people[name].entry("updater") for name in ("alice", "alias")}),
        )
        checked = enclasp("manifest", "check", write(tmp_path / "v2.json", known), "--compatible", "-o", "json")
        assert 0 == checked.code
        warned = [one["message"] for one in checked.document["findings"] if one["code"] == "E027"]
        assert ["counted by their keys, 1: alice alias alias" in message for message in warned] == [True]
        assert 3 == enclasp("manifest", "check", tmp_path / "v2.json").code
        deployed.pass_update(known)
        before = tmp_path / "before.pem"
        assert 0 == enclasp("verify", endpoint, "--out", before, *flags(deployed)).code
        alone = deployed.update("alias", changed(known, lambda d: d["Marbles"].update(new={"Package": "tdx"})))
        assert {"missingAcknowledgments": 0, "missingUsers": None} == alone.json()["data"], alone.body
        followed = enclasp("verify", endpoint, "--follow", before, *flags(deployed))
        assert (0, True) == (followed.code, "approved by alias" in followed.text), followed.err
    finally:
        deployed.running.kill()


def test_detached_signatures_alone_update_a_deployment_and_are_used_up_by_it(
    deployed: Updatable, run: Run, enclasp: Enclasp, tmp_path: Path
) -> None:
    endpoint = deployed.running.client_address
    file = write(tmp_path / "v2.json", second(deployed))

    def sign(who: str, document: Path) -> Path:
        out = tmp_path / f"{who}-{document.stem}.sig"
        assert 0 == enclasp("manifest", "sign", document, "--key", deployed.people[who].key, "--out", out).code
        return out

    alice, carol = sign("alice", file), sign("carol", file)
    for who in ("eve", "mallory"):
        ended = run("manifest", "update", "apply", file, endpoint, "--approval", sign(who, file), "--approval", alice)
        assert ended.code in (3, 7), ended.err
    damaged = tmp_path / "damaged.sig"
    document = json.loads(carol.read_text())
    document["signature"] = json.loads(alice.read_text())["signature"]
    damaged.write_text(json.dumps(document))
    ended = run("manifest", "update", "apply", file, endpoint, "--approval", alice, "--approval", damaged)
    assert (3, True) == (ended.code, "error[U528]" in ended.err)
    open_ended = write(tmp_path / "open.json", changed(second(deployed), lambda d: d.pop("Update")))
    ended = run("manifest", "update", "apply", open_ended, endpoint, "--approval", sign("alice", open_ended))
    assert (3, True) == (ended.code, "Update.Replaces" in ended.err)

    done = run("manifest", "update", "apply", file, endpoint, "--approval", alice, "--approval", carol, "-o", "json")
    assert (0, True) == (done.code, done.document["applied"]), done.err

    replaces = {"Replaces": hashlib.sha256(file.read_bytes()).hexdigest()}
    back = changed(deployed.first, lambda d: d.update(Update=replaces))
    deployed.pass_update(back)
    forth = changed(second(deployed), lambda d: d["Update"].update(Replaces=hashlib.sha256(encoded(back)).hexdigest()))
    deployed.pass_update(forth)
    ended = run("manifest", "update", "apply", file, endpoint, "--approval", alice, "--approval", carol)
    assert (3, True) == (ended.code, "error[U528]" in ended.err or "error[U527]" in ended.err)
