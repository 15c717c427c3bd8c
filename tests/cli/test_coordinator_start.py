"""A coordinator that cannot start says why, with a code and what to do, and ends with 3."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Enclasp
from tests.faults.clients import run_to_its_end
from tests.support.coordinator_process import start
from tests.support.ports import free_ports

ROOT = Path(__file__).parents[2]


def test_an_address_that_is_taken_is_named_with_the_settings_that_choose_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for door in ("CLIENT", "MESH", "PROMETHEUS"):
            variable = f"EDG_COORDINATOR_{door}_ADDR"
            ended = run_to_its_end("--dev", "--state-dir", str(tmp_path / door), **{variable: address})
            assert 3 == ended.returncode
            assert f"error[N320]: the coordinator cannot start: {address}: " in ended.stderr
            assert "got: Address already in use" in ended.stderr
            assert variable in ended.stderr


def test_without_hardware_it_says_how_to_try_it(tmp_path: Path) -> None:
    ended = run_to_its_end("--state-dir", str(tmp_path), ENCLASP_SIMULATION="")
    assert 3 == ended.returncode
    assert "error[V129]: the coordinator cannot start: no confidential computing environment" in ended.stderr
    assert "hint: start inside one; for a trial `enclasp coordinator run --dev`" in ended.stderr


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    start(tmp_path / "dev").kill()
    (tmp_path / "dev" / "simulation" / "collateral.json").unlink()
    ended = run_to_its_end("--dev", "--state-dir", str(tmp_path / "dev"))
    assert 3 == ended.returncode
    assert "error[U501]: the coordinator cannot start: " in ended.stderr
    assert "collateral.json: No such file or directory" in ended.stderr


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('clinet = ":1"', "unknown setting 'clinet'; did you mean 'client'?"),
        ("[limits]\nheadr = 4096", "unknown setting 'limits.headr'; did you mean 'limits.header'?"),
        ("client = 5", "setting 'client': expected text in quotes, got a whole number"),
        ("dns_names = 'a'", "setting 'dns_names': expected a list, got text in quotes"),
        ("compatible = 1", "setting 'compatible': expected true or false, got a whole number"),
        ("client = 2026-01-01", "setting 'client': expected text in quotes, got a date"),
        ("client =", "expected TOML, got: Invalid value"),
    ],
)
def test_a_mistake_in_the_configuration_is_told_with_its_file(tmp_path: Path, toml: str, said: str) -> None:
    file = tmp_path / "coordinator.toml"
    file.write_text(toml)
    ended = run_to_its_end("--config", str(file))
    assert (3, "") == (ended.returncode, ended.stdout)
    assert f"error[U507]: {file}: {said}" in ended.stderr


def test_a_state_that_would_be_ignored_is_no_start(tmp_path: Path) -> None:
    running = start(tmp_path / "dev")
    running.stop()
    (tmp_path / "other").mkdir()
    (tmp_path / "dev" / "state" / "journal.db").rename(tmp_path / "other" / "journal.db")
    ended = run_to_its_end("--dev", "--state-dir", str(tmp_path / "other"))
    assert 3 == ended.returncode
    assert f"with --dev the state belongs into {tmp_path / 'other' / 'state'}" in ended.stderr
    assert ["journal.db"] == [path.name for path in (tmp_path / "other").iterdir()]
    (tmp_path / "dev" / "state" / "journal.db").write_bytes((tmp_path / "other" / "journal.db").read_bytes())
    start(tmp_path / "dev").kill()


def test_at_a_terminal_it_says_how_to_reach_it(tmp_path: Path) -> None:
    """What it prints can be typed: `enclasp status` then verifies it."""
    ours, theirs = os.openpty()
    client, mesh = (f"127.0.0.1:{port}" for port in free_ports(2))
    environ = {**os.environ, "EDG_COORDINATOR_CLIENT_ADDR": client, "EDG_COORDINATOR_MESH_ADDR": mesh}
    command = [sys.executable, "-m", "coordinator", "coordinator", "run", "--dev", "--state-dir", str(tmp_path / "dev")]
    with subprocess.Popen(command, env=environ, stderr=theirs) as running:
        said = b""
        while b"coordinator ready" not in said:
            said += os.read(ours, 4096)
        exports = "\n".join(line for line in said.decode().splitlines() if line.startswith("  export "))
        status = f"{exports}\n{sys.executable} -m coordinator status"
        asked = subprocess.run(["sh", "-c", status], cwd=ROOT, capture_output=True, text=True, check=False)
        running.terminate()
    os.close(ours)
    os.close(theirs)
    assert (0, True) == (asked.returncode, "verified: tdx evidence" in asked.stderr), asked.stderr


def test_a_demo_without_its_packages_is_no_bug(enclasp: Enclasp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    ended = enclasp("demo")
    assert (2, b"") == (ended.code, ended.out)
    assert "error[U505]: Python packages are missing: aiohttp, OpenSSL, prometheus_client, grpc" in ended.err
