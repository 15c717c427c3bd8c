"""The command line against a real coordinator process, over real sockets."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pki.certificates import load_pem_chain
from tests.cli.conftest import Enclasp
from tests.support.coordinator_process import CoordinatorProcess

MANIFEST = f"""# two lines of comment count too
Packages:
  web:
    TDX:
      MRTD: "{"ab" * 48}"
Marbles:
  web:
    Package: web
    MaxActivations: 2
    Parameters:
      Env:
        KEY: "{{{{ hex .Secrets.key }}}}"
Secrets:
  key:
    Type: symmetric-key
    Size: 128
    Shared: true
""".encode()
FINGERPRINT = hashlib.sha256(MANIFEST).hexdigest()


@pytest.fixture
def flags(dev_coordinator: CoordinatorProcess) -> tuple[str, ...]:
    return (
        "--reference",
        str(dev_coordinator.reference),
        "--trust",
        str(dev_coordinator.trust),
        "--collateral",
        str(dev_coordinator.collateral),
    )


@pytest.fixture
def address(dev_coordinator: CoordinatorProcess, enclasp: Enclasp, flags: tuple[str, ...], tmp_path: Path) -> str:
    """The coordinator with the manifest set; the first test that asks sets it."""
    endpoint = dev_coordinator.client_address
    status = enclasp("status", endpoint, "-o", "json").document
    if status["code"] == 2:
        file = tmp_path / "manifest.yaml"
        file.write_bytes(MANIFEST)
        assert enclasp("verify", endpoint, *flags).code == 0
        assert enclasp("manifest", "get", endpoint, *flags).code == 3
        ended = enclasp("manifest", "set", file, endpoint, *flags, "-o", "json")
        assert (0, FINGERPRINT) == (ended.code, ended.document["fingerprint"])
    return endpoint


def test_the_manifest_comes_back_byte_for_byte(enclasp: Enclasp, address: str, flags: tuple[str, ...]) -> None:
    assert enclasp("manifest", "get", address, *flags).out == MANIFEST


def test_the_deployment_is_verified_live_and_then_offline_by_the_one_certificate(
    enclasp: Enclasp, address: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    mine, out = tmp_path / "mine.yaml", tmp_path / "verified.pem"
    mine.write_bytes(MANIFEST)
    live = enclasp("verify", address, *flags, "--manifest", mine, "--out", out)
    assert live.code == 0
    assert live.text.startswith("SIMULATED")
    assert "manifest                  passed" in live.text or "2 checks passed" in live.text

    offline = enclasp("verify", out, *flags, "--manifest", mine)
    assert offline.code == 0
    assert FINGERPRINT in offline.text
    assert len(load_pem_chain(out.read_bytes())) == 2


def test_a_changed_manifest_is_shown_by_its_line(
    enclasp: Enclasp, address: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_bytes(MANIFEST.replace(b"MaxActivations: 2", b"MaxActivations: 1"))
    ended = enclasp("verify", address, *flags, "--manifest", mine)
    assert ended.code == 5
    assert "first difference in line 9" in ended.err


def test_another_end_of_lines_is_told_in_a_sentence(
    enclasp: Enclasp, address: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "crlf.yaml").write_bytes(MANIFEST.replace(b"\n", b"\r\n"))
    ended = enclasp("verify", address, *flags, "--manifest", tmp_path / "crlf.yaml")
    assert 5 == ended.code
    assert "only the ends of lines differ" in ended.err
    assert "@@" not in ended.err


def test_a_fingerprint_that_was_cut_is_no_missing_file(enclasp: Enclasp) -> None:
    ended = enclasp("verify", "localhost:1", "--follow", "deadbeef")
    assert (3, True) == (ended.code, "expected a file, or a fingerprint of 64 hex digits" in ended.err)


def test_the_door_for_marbles_is_told_to_people(
    enclasp: Enclasp, dev_coordinator: CoordinatorProcess, flags: tuple[str, ...]
) -> None:
    ended = enclasp("verify", dev_coordinator.mesh_address, *flags)
    assert 6 == ended.code
    assert "got a door that demands a certificate, as that for marbles (port 2001) does" in ended.err


def test_another_program_is_refused(enclasp: Enclasp, address: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    other = tmp_path / "reference.yaml"
    other.write_text(f"TDX:\n  MRTD: '{'cd' * 48}'\n")
    ended = enclasp("verify", address, "--reference", other, *flags[2:])
    assert ended.code == 4
    assert "error[V124]" in ended.err


def test_a_second_manifest_is_refused(enclasp: Enclasp, address: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_bytes(MANIFEST)
    ended = enclasp("manifest", "set", file, address, *flags)
    assert ended.code == 3
    assert "server is not in expected state" in ended.err


def test_a_marble_at_the_door_for_people_learns_that_it_is_the_wrong_one(
    dev_coordinator: CoordinatorProcess, tmp_path: Path
) -> None:
    told = {"EDG_MARBLE_COORDINATOR_ADDR": dev_coordinator.client_address, "ENCLASP_MARBLE_TIMEOUT": "2"}
    command = [sys.executable, "-m", "coordinator", "marble", "run", "--type", "web", "--", "true"]
    environ = {**os.environ, **told, "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 6
    assert f"joining the coordinator at {dev_coordinator.client_address} as 'web'" in ended.stderr
    assert "the server speaks no gRPC: expected the coordinator's marble door\n  hint: check EDG_MARBLE" in ended.stderr


def test_a_document_with_a_fault_is_told_before_a_flag_that_is_missing(enclasp: Enclasp, tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_text("Packages: [")
    ended = enclasp("manifest", "set", file, "localhost:1")
    assert (3, True) == (ended.code, "error[E001]: did not find expected node content" in ended.err)
    file.write_bytes(MANIFEST)
    ended = enclasp("manifest", "set", file, "localhost:1")
    assert (2, True) == (ended.code, "--reference FILE is missing" in ended.err)


def test_the_certificates_are_those_that_openssl_reads(
    enclasp: Enclasp, address: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    root, intermediate = tmp_path / "root.pem", tmp_path / "intermediate.pem"
    assert enclasp("certificate", "root", address, *flags, "--out", root).code == 0
    assert enclasp("certificate", "intermediate", address, *flags, "--out", intermediate).code == 0
    ended = subprocess.run(
        ["openssl", "verify", "-CAfile", str(root), str(intermediate)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_manifest_verify_knows_the_fingerprint(enclasp: Enclasp, address: str, flags: tuple[str, ...]) -> None:
    assert enclasp("manifest", "verify", FINGERPRINT, address, *flags).code == 0
