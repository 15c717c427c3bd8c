"""The rows of the contract about updates (1.5, 1.10, 8.4), asked with curl of a running coordinator."""

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.compat.test_rest_contract import curl
from tests.support.coordinator_process import CoordinatorProcess
from tests.support.people import person
from tests.support.updatable import SIGNED, Updatable, changed, deploy, encoded, v2


@pytest.fixture
def deployed(tmp_path: Any) -> Iterator[Updatable]:
    it = deploy(tmp_path)
    yield it
    it.running.kill()


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Updatable]:
    """For refusals: every test leaves it as it was."""
    it = deploy(tmp_path_factory.mktemp("untouched"))
    yield it
    it.running.kill()


def certificates(deployed: Updatable) -> tuple[x509.Certificate, x509.Certificate]:
    """Intermediate, root."""
    intermediate, root = x509.load_pem_x509_certificates(deployed.data("/api/v2/quote")["cert"].encode())
    return intermediate, root


def with_marble(document: dict[str, Any], name: str = "new") -> dict[str, Any]:
    return changed(document, lambda d: d["Marbles"].update({name: {"Package": "tdx"}}))


def versions(**packages: int) -> bytes:
    return encoded({"Packages": {name: {"SecurityVersion": version} for name, version in packages.items()}})


# A full update


def test_a_full_update_waits_for_the_threshold_and_is_then_the_law(deployed: Updatable) -> None:
    new = with_marble(deployed.first)
    raw, fingerprint = encoded(new), hashlib.sha256(encoded(new)).hexdigest()
    proposed = deployed.update("alice", new)
    assert {"missingAcknowledgments": 1, "missingUsers": ["bob", "carol"]} == proposed.json()["data"]
    assert encoded(deployed.first) == base64.b64decode(deployed.data("/api/v2/manifest")["manifest"])
    for path in ("/update-manifest", "/api/v2/update-manifest"):
        pending = deployed.data(path)
        assert ["manifest", "message", "missingUsers"] == list(pending)[:3]
        assert (raw, ["bob", "carol"]) == (base64.b64decode(pending["manifest"]), pending["missingUsers"])
    again = deployed.approve("alice", new)
    assert (200, 1) == (again.status, again.json()["data"]["missingAcknowledgments"]), "approving twice is harmless"

    done = deployed.approve("carol", new)
    assert ["message", "missingUsers", "missingAcknowledgments"] == list(done.json()["data"])
    assert (200, None, 0) == (
        done.status,
        done.json()["data"]["missingUsers"],
        done.json()["data"]["missingAcknowledgments"],
    )
    assert "All" == done.json()["data"]["message"].split()[0]
    active = deployed.data("/api/v2/manifest")
    assert (raw, fingerprint) == (base64.b64decode(active["manifest"]), active["manifestFingerprint"])
    key = certificates(deployed)[1].public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(base64.b64decode(active["manifestSignatureRootECDSA"]), raw, ec.ECDSA(hashes.SHA256()))
    assert deployed.activate("new")["MARBLE_PREDEFINED_ROOT_CA"]

    log = [entry for entry in deployed.log() if "manifestFingerprint" in entry]
    assert [
        ("full update initiated, waiting for acknowledgments", "alice", 1, ["bob", "carol"]),
        ("full update acknowledged", "carol", 0, []),
        ("manifest updated", None, None, None),
    ] == [(e["update"], e.get("user"), e.get("missingAcknowledgments"), e.get("missingUsers")) for e in log]
    assert {fingerprint} == {entry["manifestFingerprint"] for entry in log}
    assert ["time", "update", "user", "missingAcknowledgments", "missingUsers", "manifestFingerprint"] == list(log[0])


def test_v1_says_the_number_and_then_all_as_the_first_word(deployed: Updatable) -> None:
    new = with_marble(deployed.first)
    proposed = deployed.ask("alice", "/update", encoded(new))
    assert (200, b'{"status":"success","data":null}\n') == (proposed.status, proposed.body)
    again = deployed.ask("alice", "/update-manifest", encoded(new))
    assert (200, "1") == (again.status, again.json()["data"].split()[0])
    done = deployed.ask("bob", "/update-manifest", encoded(new))
    assert (200, "All") == (done.status, done.json()["data"].split()[0])


@pytest.mark.parametrize("version", [1, 2])
def test_a_pending_update_is_cancelled_by_who_may_update(deployed: Updatable, version: int) -> None:
    prefix = "" if version == 1 else "/api/v2"
    assert 404 == deployed.ask("bob", f"{prefix}/update-cancel", b"").status
    new = with_marble(deployed.first)
    assert 200 == deployed.update("alice", new).status
    assert 500 == deployed.ask("eve", f"{prefix}/update-cancel", b"").status
    cancelled = deployed.ask("bob", f"{prefix}/update-cancel", b"")
    data = cancelled.json()["data"]
    assert (200, True) == (cancelled.status, isinstance(data if version == 1 else data["message"], str))
    assert 404 == deployed.ask(None, "/api/v2/update-manifest").status
    entry = deployed.log()[-1]
    assert ("full update cancelled by a user", "bob") == (entry["update"], entry["user"])
    assert ["time", "update", "user", "manifestFingerprint"] == list(entry)
    deployed.pass_update(new)


def test_what_an_update_makes_anew_and_what_it_keeps(deployed: Updatable) -> None:
    before, (intermediate, root) = deployed.activate(), certificates(deployed)
    deployed.pass_update(with_marble(deployed.first))
    after, (new_intermediate, new_root) = deployed.activate(), certificates(deployed)
    for kept in ("KEY", "KEY_BEFORE", "OWN", "OWN_BEFORE", "PASSWORD"):
        assert before[kept] == after[kept], kept
    assert before["WEB"] != after["WEB"]
    assert before["WEB"] == after["WEB_BEFORE"]
    assert intermediate.public_key() != new_intermediate.public_key()
    assert root.public_key() == new_root.public_key()
    new_intermediate.verify_directly_issued_by(root)
    names = x509.SubjectAlternativeName
    one, two = (
        certificate.extensions.get_extension_for_class(names).value for certificate in (intermediate, new_intermediate)
    )
    assert one == two
    assert before["MARBLE_PREDEFINED_ROOT_CA"] != after["MARBLE_PREDEFINED_ROOT_CA"]


def test_rotate_root_secret_makes_every_symmetric_key_anew_and_templates_see_the_old(deployed: Updatable) -> None:
    before = deployed.activate()
    rotating = changed(deployed.first, lambda d: d["Config"].update(RotateRootSecret=True))
    deployed.pass_update(rotating)
    after = deployed.activate()
    assert before["KEY"] != after["KEY"]
    assert before["OWN"] != after["OWN"]
    assert (before["KEY"], before["OWN"]) == (after["KEY_BEFORE"], after["OWN_BEFORE"])
    assert before["PASSWORD"] == after["PASSWORD"]
    deployed.pass_update(with_marble(deployed.first))
    later = deployed.activate()
    assert (after["KEY"], after["OWN"]) == (later["KEY"], later["OWN"]), "without it, keys stay"
    assert (before["KEY"], before["OWN"]) == (later["KEY_BEFORE"], later["OWN_BEFORE"])


def test_a_changed_definition_replaces_the_value_and_a_removed_secret_is_gone(deployed: Updatable) -> None:
    before = deployed.activate()

    def change(document: dict[str, Any]) -> None:
        document["Secrets"]["key"]["Size"] = 256
        document["Secrets"]["web"]["Cert"] = {"Subject": {"CommonName": "another"}}
        document["Secrets"]["password"]["ValidFor"] = 3

    deployed.pass_update(changed(deployed.first, change))
    value = {"password": {"Key": base64.b64encode(b"again").decode()}}
    assert 200 == deployed.ask("alice", "/secrets", json.dumps(value).encode()).status
    after = deployed.activate()
    assert (32, 64) == (len(before["KEY"]), len(after["KEY"]))
    assert (before["KEY"], b"again") == (after["KEY_BEFORE"], after["PASSWORD"])

    def remove(document: dict[str, Any]) -> None:
        del document["Secrets"]["key"]
        for name in ("KEY", "KEY_BEFORE"):
            del document["Marbles"]["full"]["Parameters"]["Env"][name]

    deployed.pass_update(changed(deployed.first, remove))
    deployed.pass_update(deployed.first)
    again = deployed.ask("alice", "/secrets", json.dumps(value).encode())
    assert 200 == again.status
    fresh = deployed.activate()
    assert fresh["KEY"] != before["KEY"]
    assert fresh["KEY"] == fresh["KEY_BEFORE"], "the previous value went with the secret"


def test_activations_are_counted_across_updates_also_while_the_type_is_away(deployed: Updatable) -> None:
    limited = changed(deployed.first, lambda d: d["Marbles"].update(two={"Package": "tdx", "MaxActivations": 2}))
    deployed.pass_update(limited)
    deployed.activate("two")
    deployed.pass_update(deployed.first)
    deployed.pass_update(limited)
    deployed.activate("two")
    with pytest.raises(Exception, match="A202"):
        deployed.activate("two")


def test_without_a_threshold_every_updater_is_needed(tmp_path: Any) -> None:
    deployed = deploy(tmp_path, UpdateThreshold=0)
    try:
        new = with_marble(deployed.first)
        assert 2 == deployed.update("alice", new).json()["data"]["missingAcknowledgments"]
        assert 1 == deployed.approve("bob", new).json()["data"]["missingAcknowledgments"]
        assert 0 == deployed.approve("carol", new).json()["data"]["missingAcknowledgments"]
    finally:
        deployed.running.kill()


# A package update


@pytest.mark.parametrize("version", [1, 2])
def test_a_package_update_by_one_user_raises_the_version(deployed: Updatable, version: int) -> None:
    before, (intermediate, root) = deployed.activate(), certificates(deployed)
    manifest = deployed.data("/api/v2/manifest")
    assert ("OK", "OK") == (deployed.enclave(2), deployed.enclave(3))
    body = versions(sgx=3)
    done = deployed.ask("dave", "/update", body) if version == 1 else deployed.ask("dave", "/api/v2/update", v2(body))
    data = done.json()["data"]
    assert (200, None if version == 1 else {"missingAcknowledgments": 0, "missingUsers": None}) == (done.status, data)
    assert ("PERMISSION_DENIED", "OK") == (deployed.enclave(2), deployed.enclave(3))
    assert manifest == deployed.data("/api/v2/manifest"), "manifest, fingerprint and signature stay"
    after, (new_intermediate, new_root) = deployed.activate(), certificates(deployed)
    assert (before["KEY"], before["OWN"]) == (after["KEY"], after["OWN"])
    assert before["WEB"] != after["WEB"]
    assert intermediate.public_key() != new_intermediate.public_key()
    assert root.public_key() == new_root.public_key()
    entry = deployed.log()[-1]
    assert ["time", "update", "user", "package", "new version"] == list(entry)
    assert ("dave", "sgx", 3) == (entry["user"], entry["package"], entry["new version"])
    equal = deployed.ask("dave", "/api/v2/update", v2(versions(sgx=3)))
    assert (200, 3) == (equal.status, deployed.log()[-1]["new version"]), "an equal version is accepted"
    assert 500 == deployed.ask("dave", "/api/v2/update", v2(versions(sgx=2))).status


PACKAGE_UPDATES_REFUSED = {
    "another package": ("dave", {"tdx": {"SecurityVersion": 3}}, "U521"),
    "an unknown package": ("dave", {"nothing": {"SecurityVersion": 3}}, "U521"),
    "nobody's permission": ("eve", {"sgx": {"SecurityVersion": 3}}, "U521"),
    "an updater's permission": ("alice", {"sgx": {"SecurityVersion": 3}}, "U521"),
    "one of two": ("dave", {"sgx": {"SecurityVersion": 3}, "tdx": {"SecurityVersion": 3}}, "U521"),
    "lower": ("dave", {"sgx": {"SecurityVersion": 1}}, "U526"),
    "no version": ("dave", {"sgx": {}}, "E000"),
    "a signer": ("dave", {"sgx": {**SIGNED, "SecurityVersion": 3}}, "E000"),
    "debug": ("dave", {"sgx": {"Debug": True, "SecurityVersion": 3}}, "E000"),
    "an enclave": ("dave", {"sgx": {"UniqueID": "ab" * 32, "SecurityVersion": 3}}, "E000"),
    "no package": ("dave", {}, "E000"),
}


@pytest.mark.parametrize("case", PACKAGE_UPDATES_REFUSED)
def test_a_package_update_that_is_no_rise_by_who_may_is_refused(untouched: Updatable, case: str) -> None:
    who, packages, code = PACKAGE_UPDATES_REFUSED[case]
    body = encoded({"Packages": packages})
    v1_answer = untouched.ask(who, "/update", body)
    v2_answer = untouched.ask(who, "/api/v2/update", v2(body))
    assert (400, "error", 500, "error") == (
        v1_answer.status,
        v1_answer.json()["status"],
        v2_answer.status,
        v2_answer.json()["status"],
    )
    assert v1_answer.json()["message"].startswith(code), v1_answer.json()["message"]


def test_a_raised_version_stays_raised_through_a_full_update_until_the_document_says_otherwise(
    deployed: Updatable,
) -> None:
    assert 200 == deployed.ask("dave", "/api/v2/update", v2(versions(sgx=4))).status
    deployed.pass_update(with_marble(deployed.first))
    assert ("PERMISSION_DENIED", "OK") == (deployed.enclave(3), deployed.enclave(4))
    lowering = changed(deployed.first, lambda d: d.update(Update={"LowersSecurityVersion": ["sgx"]}))
    deployed.pass_update(lowering)
    assert ("PERMISSION_DENIED", "OK") == (deployed.enclave(1), deployed.enclave(2))


# Refusals


def test_while_an_update_is_pending_every_other_is_refused(deployed: Updatable) -> None:
    assert 200 == deployed.update("alice", with_marble(deployed.first)).status
    other = deployed.update("bob", with_marble(deployed.first, "other"))
    package = deployed.ask("dave", "/api/v2/update", v2(versions(sgx=3)))
    assert ((500, True), (500, True)) == (
        (other.status, "U524" in other.json()["message"]),
        (package.status, "U524" in package.json()["message"]),
    )
    different = deployed.approve("bob", with_marble(deployed.first, "other"))
    assert (500, True) == (different.status, "U525" in different.json()["message"])
    for who in ("dave", "eve"):
        assert 500 == deployed.approve(who, with_marble(deployed.first)).status
        assert 500 == deployed.ask(who, "/update-manifest", encoded(with_marble(deployed.first))).status


@pytest.mark.parametrize("who", [None, "mallory"])
@pytest.mark.parametrize("path", ["/update", "/update-manifest", "/update-cancel"])
def test_nobody_and_strangers_are_401_whatever_they_send(untouched: Updatable, who: str | None, path: str) -> None:
    for body in (b"", b"no json", encoded(with_marble(untouched.first)), v2(encoded(with_marble(untouched.first)))):
        one, two = untouched.ask(who, path, body), untouched.ask(who, f"/api/v2{path}", body)
        assert (401, "error") == (one.status, one.json()["status"])
        assert (401, "fail") == (two.status, two.json()["status"])


@pytest.mark.parametrize("path", ["/api/v2/update", "/api/v2/update-manifest"])
@pytest.mark.parametrize("body", [b"", b"no json", b'{"manifest":"!"}', b'{"manifest":"","signatures":{}}'])
def test_a_body_that_is_not_json_of_the_shape_is_400_fail(untouched: Updatable, path: str, body: bytes) -> None:
    answer = untouched.ask("alice", path, body)
    assert (400, "fail") == (answer.status, answer.json()["status"])


def test_an_invalid_manifest_is_refused_when_it_is_proposed(untouched: Updatable) -> None:
    broken = changed(untouched.first, lambda d: d["Marbles"]["full"].update(Package="nothing"))
    for who in ("alice", "eve"):
        one, two = untouched.ask(who, "/update", encoded(broken)), untouched.update(who, broken)
        assert (400, 500) == (one.status, two.status)
        code = "E000" if who == "alice" else "U521"
        assert one.json()["message"].startswith(code), "who may not learns nothing of the document"
    assert 404 == untouched.ask(None, "/api/v2/update-manifest").status


def test_nothing_pending_is_404(untouched: Updatable) -> None:
    for path in ("/update-manifest", "/api/v2/update-manifest"):
        body = encoded(untouched.first) if path == "/update-manifest" else v2(encoded(untouched.first))
        got, approved = untouched.ask(None, path), untouched.ask("alice", path, body)
        assert (404, "error", 404) == (got.status, got.json()["status"], approved.status)


def test_before_a_manifest_updates_are_refused_by_the_state(
    fresh_coordinator: CoordinatorProcess, tmp_path: Any
) -> None:
    somebody, address = person(tmp_path, "somebody"), fresh_coordinator.client_address
    answers = [
        curl(address, "/update", *somebody.curl, body=b"{}"),
        curl(address, "/api/v2/update", *somebody.curl, body=v2(b"{}")),
    ]
    assert [400, 500] == [answer.status for answer in answers]
    assert all("server is not in expected state" in answer.json()["message"] for answer in answers)
    assert 404 == curl(address, "/update-manifest").status == curl(address, "/api/v2/update-manifest").status
    for path in ("/update-cancel", "/api/v2/update-cancel"):
        assert 404 == curl(address, path, *somebody.curl, body=b"").status


def test_a_document_that_replaces_another_manifest_is_refused(deployed: Updatable) -> None:
    stale = changed(deployed.first, lambda d: d.update(Update={"Replaces": "ab" * 32}))
    answer = deployed.update("alice", stale)
    assert (500, True) == (answer.status, "U527" in answer.json()["message"])
    own = hashlib.sha256(encoded(deployed.first)).hexdigest()
    deployed.pass_update(changed(deployed.first, lambda d: d.update(Update={"Replaces": own})))
