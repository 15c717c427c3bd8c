"""A coordinator that cannot start says why, with a code and what to do, and ends with 3."""

import socket
from pathlib import Path

import pytest

from tests.faults.clients import run_to_its_end
from tests.support.coordinator_process import start


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
