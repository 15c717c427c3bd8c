"""Commands that talk to a coordinator: verified first, exact bytes, and an exit code for each way it can end."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pki.certificates import load_pem_chain, pem
from tests.cli.conftest import Door, Enclasp
from tests.fakes.front_door import MANIFEST, FrontDoor
from tests.fakes.marble_pki import MarblePki

OpenDoor = Callable[[FrontDoor], Door]
FINGERPRINT = hashlib.sha256(MANIFEST).hexdigest()


@pytest.fixture
def door(open_door: OpenDoor) -> Door:
    return open_door(FrontDoor())


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The manifest that the visitor agreed to."""
    file = tmp_path / "mine.yaml"
    file.write_bytes(MANIFEST)
    return file


def test_verify_says_verified_and_simulated_and_writes_the_certificates(
    enclasp: Enclasp, door: Door, mine: Path, tmp_path: Path
) -> None:
    out = tmp_path / "verified.pem"
    ended = enclasp("verify", door.endpoint, *door.flags, "--manifest", mine, "--out", out)

    assert ended.code == 0
    assert f"VERIFIED  {door.endpoint}" in ended.text
    assert ended.text.startswith("SIMULATED")
    assert f"{FINGERPRINT}  (as expected)" in ended.text
    assert load_pem_chain(out.read_bytes()) == (door.behind.pki.intermediate, door.behind.pki.root)


def test_verify_as_json_has_stable_keys(enclasp: Enclasp, door: Door, mine: Path) -> None:
    document = enclasp("verify", door.endpoint, *door.flags, "--manifest", mine, "-o", "json").document

    assert (True, "affirming", True, "tdx") == tuple(
        document[key] for key in ("verified", "verdict", "simulated", "platform")
    )
    assert {"fingerprint": FINGERPRINT, "matches": True, "difference": None} == document["manifest"]
    assert {"passed"} == {check["status"] for check in document["checks"]}


def test_verify_takes_the_endpoint_and_the_files_from_the_environment(
    enclasp: Enclasp, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARBLERUN", door.endpoint)
    monkeypatch.setenv("ENCLASP_COORDINATOR_REFERENCE", str(door.folder / "reference.yaml"))
    monkeypatch.setenv("ENCLASP_COORDINATOR_TRUST", str(door.folder / "trust.pem"))
    monkeypatch.setenv("ENCLASP_COORDINATOR_COLLATERAL", str(door.folder / "collateral.json"))
    assert enclasp("verify", "--at", "2026-06-01T12:00:00Z").code == 0


def test_another_manifest_is_exit_code_5_and_shows_the_differing_line(
    enclasp: Enclasp, door: Door, mine: Path, tmp_path: Path
) -> None:
    mine.write_bytes(MANIFEST.replace(b"Activations: 2", b"Activations: 1"))
    out = tmp_path / "verified.pem"
    ended = enclasp("verify", door.endpoint, *door.flags, "--manifest", mine, "--out", out)

    assert ended.code == 5
    assert "error[V130]: the active manifest differs from" in ended.err
    assert (
        "first difference in line 8\n    yours       MaxActivations: 1\n    active      MaxActivations: 2" in ended.err
    )
    assert "-    MaxActivations: 1" in ended.err
    assert "NOT the expected one" in ended.text
    assert not out.exists()

    document = enclasp("verify", door.endpoint, *door.flags, "--manifest", mine, "-o", "json").document
    assert document["manifest"]["matches"] is False
    assert document["manifest"]["difference"]["line"] == 8


def test_no_manifest_is_not_the_expected_one(enclasp: Enclasp, open_door: OpenDoor, mine: Path) -> None:
    door = open_door(FrontDoor(manifest=None))
    assert enclasp("verify", door.endpoint, *door.flags).code == 0
    assert enclasp("verify", door.endpoint, *door.flags, "--manifest", mine).code == 5


TWO_VERSIONS = b"""
Packages:
  web: {TDX: {MRTD: "%s"}}
  now: {TDX: {MRTD: "%s"}}
  next: {TDX: {MRTD: "%s"}}
Marbles:
  web: {Package: web}
Config:
  Coordinators: [now, next]
""" % (b"01" * 48, b"07" * 48, b"08" * 48)


def test_verify_says_which_coordinator_of_the_manifest_serves_and_which_others_may(
    enclasp: Enclasp, open_door: OpenDoor
) -> None:
    door = open_door(FrontDoor(manifest=TWO_VERSIONS))
    assert (
        "coordinator               now  (the manifest also accepts next)"
        in enclasp("verify", door.endpoint, *door.flags).text
    )
    document = enclasp("verify", door.endpoint, *door.flags, "-o", "json").document
    assert {"serving": ["now"], "accepted": ["now", "next"]} == document["coordinators"]


def test_a_manifest_that_names_its_coordinators_is_reference_enough(
    enclasp: Enclasp, open_door: OpenDoor, mine: Path
) -> None:
    door = open_door(FrontDoor(manifest=TWO_VERSIONS))
    flags = door.flags[2:]  # without --reference
    mine.write_bytes(TWO_VERSIONS)
    root = mine.parent / "root.pem"
    root.write_bytes(pem(door.behind.pki.root))
    offline = enclasp("verify", root, *flags, "--manifest", mine)
    assert "coordinator               now  (the manifest also accepts next)" in offline.text
    assert 0 == enclasp("verify", door.endpoint, *flags, "--manifest", mine).code
    mine.write_bytes(TWO_VERSIONS.replace(b"[now, next]", b"[next]"))
    assert 4 == enclasp("verify", door.endpoint, *flags, "--manifest", mine).code, "it names another program"
    mine.write_bytes(TWO_VERSIONS.replace(b"[now, next]", b"[now]"))
    assert 5 == enclasp("verify", door.endpoint, *flags, "--manifest", mine).code, "it is not the one in force"


def test_without_reference_values_verify_says_where_to_get_them(enclasp: Enclasp, door: Door) -> None:
    ended = enclasp("verify", door.endpoint)
    assert (2, b"") == (ended.code, ended.out)
    assert "--reference FILE is missing" in ended.err
    assert "reference.yaml" in ended.err


def test_without_the_simulated_vendor_a_simulated_coordinator_is_refused(enclasp: Enclasp, door: Door) -> None:
    flags = [flag for flag in door.flags if "trust" not in flag]
    ended = enclasp("verify", door.endpoint, *flags)
    assert ended.code == 4
    assert f"NOT VERIFIED  {door.endpoint}" in ended.text
    assert "error[V105]" in ended.err


def test_somebody_in_the_middle_is_exit_code_4(enclasp: Enclasp, open_door: OpenDoor) -> None:
    behind = FrontDoor()
    door = open_door(behind)
    behind.pki = replace(behind.pki, root=FrontDoor().pki.root)
    for arguments in (
        ("verify", door.endpoint),
        ("manifest", "get", door.endpoint),
        ("certificate", "root", door.endpoint),
    ):
        ended = enclasp(*arguments, *door.flags)
        assert ended.code == 4
        assert "error[V131]" in ended.err


def test_where_nobody_listens_is_exit_code_6(enclasp: Enclasp, door: Door) -> None:
    ended = enclasp("verify", "127.0.0.1:1", *door.flags)
    assert ended.code == 6
    assert "error[N301]: 127.0.0.1:1: Connection refused" in ended.err
    assert "hint:" in ended.err


def test_what_is_no_endpoint_is_exit_code_2(enclasp: Enclasp, door: Door) -> None:
    assert enclasp("verify", "host:port", *door.flags).code == 2


def test_a_root_certificate_verifies_offline(enclasp: Enclasp, door: Door, mine: Path, tmp_path: Path) -> None:
    file = tmp_path / "root.pem"
    file.write_bytes(pem(door.behind.pki.root))
    ended = enclasp("verify", file, *door.flags, "--manifest", mine)
    assert ended.code == 0
    assert "SIMULATED" in ended.text

    mine.write_bytes(b"other\n")
    assert enclasp("verify", file, *door.flags, "--manifest", mine).code == 5


def test_a_chain_is_verified_by_its_last_certificate(enclasp: Enclasp, door: Door, tmp_path: Path) -> None:
    file = tmp_path / "chain.pem"
    file.write_bytes(pem(door.behind.pki.intermediate, door.behind.pki.root))
    assert enclasp("verify", file, *door.flags).code == 0


def test_a_root_certificate_without_evidence_is_refused(enclasp: Enclasp, door: Door, tmp_path: Path) -> None:
    file = tmp_path / "root.pem"
    file.write_bytes(pem(MarblePki.create().root))
    ended = enclasp("verify", file, *door.flags)
    assert ended.code == 4
    assert "error[V133]" in ended.err


def test_a_file_that_is_no_certificate_is_invalid_input(enclasp: Enclasp, door: Door, mine: Path) -> None:
    ended = enclasp("verify", mine, *door.flags)
    assert ended.code == 3
    assert "error[U503]" in ended.err


def test_status_says_that_nobody_verified_it(enclasp: Enclasp, door: Door) -> None:
    ended = enclasp("status", door.endpoint)
    assert (0, "3: as a test wants it\n") == (ended.code, ended.text)
    assert "NOT verified" in ended.err

    ended = enclasp("status", door.endpoint, *door.flags, "-o", "json")
    standing = {"code": 3, "message": "as a test wants it", "mode": "strict", "verified": True, "journal": None}
    assert standing == ended.document


def test_a_coordinator_that_waits_for_recovery_is_exit_code_8(enclasp: Enclasp, open_door: OpenDoor) -> None:
    door = open_door(FrontDoor(manifest=None, phase=1))
    assert enclasp("status", door.endpoint).code == 8
    assert enclasp("verify", door.endpoint, *door.flags).code == 8


def test_manifest_get_writes_the_exact_bytes(enclasp: Enclasp, open_door: OpenDoor, tmp_path: Path) -> None:
    odd = b"\xef\xbb\xbfa: 1\r\n\n\n"
    door = open_door(FrontDoor(manifest=odd))
    assert enclasp("manifest", "get", door.endpoint, *door.flags).out == odd
    enclasp("manifest", "get", door.endpoint, *door.flags, "--out", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == odd


def test_manifest_get_without_a_manifest_says_so(enclasp: Enclasp, open_door: OpenDoor) -> None:
    door = open_door(FrontDoor(manifest=None))
    ended = enclasp("manifest", "get", door.endpoint, *door.flags)
    assert (3, b"") == (ended.code, ended.out)
    assert "error[V136]" in ended.err


def test_manifest_set_verifies_first(enclasp: Enclasp, open_door: OpenDoor, mine: Path) -> None:
    door = open_door(FrontDoor(manifest=None))
    legal = mine.with_name("legal.yaml")
    legal.write_text(f'Packages: {{p: {{UniqueID: "{"ab" * 32}"}}}}\nMarbles: {{m: {{Package: p}}}}\n')
    assert enclasp("manifest", "set", legal, door.endpoint).code == 2
    assert enclasp("manifest", "set", mine, door.endpoint).code == 3, "what is wrong with the document comes first"
    assert door.behind.manifest is None

    ended = enclasp("manifest", "set", mine, door.endpoint, *door.flags)
    assert (0, f"manifest set, fingerprint {FINGERPRINT}\n") == (ended.code, ended.text)
    assert "SIMULATED" in ended.err
    assert door.behind.manifest == MANIFEST


def test_manifest_set_talks_to_an_unverified_coordinator_only_insecurely_and_aloud(
    enclasp: Enclasp, open_door: OpenDoor, mine: Path
) -> None:
    door = open_door(FrontDoor(manifest=None))
    ended = enclasp("manifest", "set", mine, door.endpoint, "--insecure", "-o", "json")
    assert (0, False) == (ended.code, ended.document["verified"])
    assert "INSECURE" in ended.err
    assert "NOT verified" in ended.err


def test_a_manifest_that_the_coordinator_refuses_is_exit_code_3_with_its_own_words(
    enclasp: Enclasp, open_door: OpenDoor, tmp_path: Path
) -> None:
    door = open_door(FrontDoor(manifest=None))
    (tmp_path / "bad").write_bytes(b"bad")
    ended = enclasp("manifest", "set", tmp_path / "bad", door.endpoint, *door.flags)
    assert ended.code == 3
    assert "error[E000]: invalid manifest: 1 error(s)\n  manifest:1:1: E001 no\n" in ended.err


def test_a_second_manifest_is_refused_by_the_state(enclasp: Enclasp, door: Door, mine: Path) -> None:
    ended = enclasp("manifest", "set", mine, door.endpoint, *door.flags)
    assert ended.code == 3
    assert "error[N306]" in ended.err


def test_manifest_verify_takes_a_file_or_a_fingerprint(enclasp: Enclasp, door: Door, mine: Path) -> None:
    by_file = enclasp("manifest", "verify", mine, door.endpoint, *door.flags)
    by_hex = enclasp("manifest", "verify", FINGERPRINT, door.endpoint, *door.flags)
    assert (0, 0) == (by_file.code, by_hex.code)
    assert by_file.text == by_hex.text == f"OK  {FINGERPRINT} (SIMULATED)\n"
    assert enclasp("manifest", "verify", "0" * 64, door.endpoint, *door.flags).code == 5
    mine.write_bytes(b"other")
    assert enclasp("manifest", "verify", mine, door.endpoint, *door.flags).code == 5


def test_certificates_are_handed_out_after_verification(enclasp: Enclasp, door: Door) -> None:
    pki = door.behind.pki
    parts = {"root": (pki.root,), "intermediate": (pki.intermediate,), "chain": (pki.intermediate, pki.root)}
    for part, chain in parts.items():
        ended = enclasp("certificate", part, door.endpoint, *door.flags)
        assert (0, pem(*chain)) == (ended.code, ended.out)
        assert "SIMULATED" in ended.err
    assert enclasp("certificate", "root", door.endpoint).code == 2
    assert enclasp("certificate", "root", door.endpoint, "--insecure").code == 0


def test_quiet_leaves_only_the_result(enclasp: Enclasp, door: Door) -> None:
    ended = enclasp("certificate", "root", door.endpoint, *door.flags, "--quiet")
    assert (0, "") == (ended.code, ended.err)


def test_errors_as_json_are_one_document_on_stderr(enclasp: Enclasp, door: Door) -> None:
    ended = enclasp("verify", "127.0.0.1:1", *door.flags, "-o", "json")
    error = json.loads(ended.err)["error"]
    assert error["code"] == "N301"
    assert error["hint"]
    assert ended.out == b""


def test_the_era_config_of_marblerun_is_a_document_of_reference_values(
    enclasp: Enclasp, door: Door, tmp_path: Path
) -> None:
    era = {
        "UniqueID": "",
        "SignerID": "ab" * 32,
        "ProductID": 3,
        "SecurityVersion": 1,
        "Debug": False,
        "InsecureSkipVerify": False,
        "AcceptedTCBStatuses": ["UpToDate", "SWHardeningNeeded"],
        "AcceptedAdvisories": None,
        "Nonce": None,
    }
    file = tmp_path / "era-config.json"
    file.write_text(json.dumps(era))
    ended = enclasp("verify", door.endpoint, "--reference", file, *door.flags[2:])
    assert ended.code == 4
    assert "evidence.kind: expected sgx, found tdx" in ended.err

    file.write_text(json.dumps({**era, "InsecureSkipVerify": True}))
    ended = enclasp("verify", door.endpoint, "--reference", file, *door.flags[2:])
    assert ended.code == 3
    assert "error[U506]" in ended.err


def test_reference_values_that_demand_nothing_are_refused(enclasp: Enclasp, door: Door, tmp_path: Path) -> None:
    for text in ("", "{}", "TDX: {}\n", "[]"):
        (tmp_path / "reference").write_text(text)
        ended = enclasp("verify", door.endpoint, "--reference", tmp_path / "reference", *door.flags[2:])
        assert ended.code == 3, text
        assert "reference" in ended.err
