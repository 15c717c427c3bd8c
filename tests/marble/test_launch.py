"""The launcher as a process over real sockets: the program's own signals and exit codes, and no secret left behind."""

import asyncio
import json
import os
import signal
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path

import pytest

from attestation.simulation.folder import create
from coordinator.rpc.unary import StatusCode
from marble.protocol import Parameters
from tests.fakes.fake_coordinator import FakeCoordinator
from tests.fakes.marble_pki import MarblePki

SECRET = "a-secret-of-the-manifest"


async def launch(
    folder: Path, coordinator: FakeCoordinator | None, command: Sequence[str], *options: str, **environ: str
) -> Process:
    """`python -m marble` in an empty folder; the marble's type is `web` unless `environ` says otherwise."""
    told = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "EDG_MARBLE_TYPE": "web",
        "EDG_MARBLE_COORDINATOR_ADDR": coordinator.address if coordinator else "127.0.0.1:1",
        "ENCLASP_MARBLE_TIMEOUT": "20",
        **environ,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "marble", *options, "--", *command, cwd=folder, env=told, stdout=PIPE, stderr=PIPE
    )


async def ended(process: Process) -> tuple[int, str, str]:
    """Exit code (negative: the signal), stdout, stderr."""
    async with asyncio.timeout(30):
        stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stdout.decode(), stderr.decode()


async def test_the_program_gets_files_variables_and_arguments(pki: MarblePki, tmp_path: Path) -> None:
    given = Parameters({"conf/key": SECRET.encode()}, {"FROM_MANIFEST": b"yes", "PATH_LIKE": b"\xff"})
    async with FakeCoordinator(pki, parameters=given).running() as coordinator:
        script = 'cat conf/key; echo " $FROM_MANIFEST $FROM_HOST $1"; echo "$MARBLE_PREDEFINED_ROOT_CA" | head -1'
        process = await launch(tmp_path, coordinator, ["sh", "-c", script, "sh", "arg"], FROM_HOST="host")
        code, stdout, stderr = await ended(process)
    assert (0, f"{SECRET} yes host arg\n-----BEGIN CERTIFICATE-----\n") == (code, stdout), stderr
    assert 0o600 == stat.S_IMODE((tmp_path / "conf/key").stat().st_mode)
    assert 36 == len((tmp_path / "uuid").read_text()) == len(coordinator.requests[0].uuid)


async def test_the_manifests_arguments_replace_the_command(pki: MarblePki, tmp_path: Path) -> None:
    given = Parameters(argv=("sh", "-c", "echo manifest; exit 9"))
    async with FakeCoordinator(pki, parameters=given).running() as coordinator:
        code, stdout, _ = await ended(await launch(tmp_path, coordinator, ["sh", "-c", "echo command"]))
    assert (9, "manifest\n") == (code, stdout)


@pytest.mark.parametrize(("script", "expected"), [("exit 7", 7), ("kill -TERM $$", -signal.SIGTERM)])
async def test_the_exit_code_is_the_programs_own(pki: MarblePki, tmp_path: Path, script: str, expected: int) -> None:
    async with FakeCoordinator(pki).running() as coordinator:
        code, _, _ = await ended(await launch(tmp_path, coordinator, ["sh", "-c", script]))
    assert expected == code


async def test_signals_reach_the_program_itself(pki: MarblePki, tmp_path: Path) -> None:
    script = "trap 'echo stopped in order; exit 5' TERM; echo $$; while :; do sleep 0.05; done"
    async with FakeCoordinator(pki).running() as coordinator:
        process = await launch(tmp_path, coordinator, ["sh", "-c", script])
        assert process.stdout is not None
        assert process.pid == int(await process.stdout.readline())
        process.terminate()
        code, stdout, _ = await ended(process)
    assert (5, "stopped in order\n") == (code, stdout)


async def test_no_signal_is_ignored_that_the_host_did_not_ignore(pki: MarblePki, tmp_path: Path) -> None:
    async with FakeCoordinator(pki).running() as coordinator:
        process = await launch(tmp_path, coordinator, ["grep", "SigIgn", "/proc/self/status"])
        code, stdout, _ = await ended(process)
    assert (0, 0) == (code, int(stdout.split()[1], 16))


async def test_no_key_and_no_secret_is_in_arguments_logs_or_on_disk(pki: MarblePki, tmp_path: Path) -> None:
    folder, temporary = tmp_path / "work", tmp_path / "tmp"
    folder.mkdir()
    temporary.mkdir()
    given = Parameters({}, {"API_KEY": SECRET.encode()})
    async with FakeCoordinator(pki, parameters=given).running() as coordinator:
        script = "tr '\\0' ' ' </proc/self/cmdline; cat /proc/$$/cmdline | tr '\\0' ' '; ls /proc/self/fd | wc -l"
        process = await launch(folder, coordinator, ["sh", "-c", script], TMPDIR=str(temporary))
        code, stdout, stderr = await ended(process)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode()
    assert 0 == code, stderr
    assert ["uuid"] == [path.name for path in tmp_path.rglob("*") if path.is_file()]
    for place in (stdout, stderr, kept):
        assert SECRET not in place
        assert "PRIVATE KEY" not in place
    assert 4 == int(stdout.splitlines()[-1].split()[-1])  # 0, 1, 2 and the folder that ls reads


async def test_a_refused_marble_never_starts_its_program(pki: MarblePki, tmp_path: Path) -> None:
    refusals = [(StatusCode.PERMISSION_DENIED, "marble verification failed: A204 no match")]
    async with FakeCoordinator(pki, refusals=refusals).running() as coordinator:
        code, stdout, stderr = await ended(await launch(tmp_path, coordinator, ["touch", "started"]))
    assert (4, "") == (code, stdout)
    assert "marble: A260: the coordinator refused the activation (PERMISSION_DENIED): marble verification" in stderr
    assert not (tmp_path / "started").exists()


async def test_an_untrusted_coordinator_lays_nothing_down(pki: MarblePki, tmp_path: Path) -> None:
    reference = tmp_path / "reference.json"
    reference.write_text(json.dumps({"TDX": {"MRTD": "00" * 48}}))
    given = Parameters({"evil": b"x"}, {}, ("touch", "started"))
    async with FakeCoordinator(pki, parameters=given, native=True).running() as coordinator:
        process = await launch(tmp_path, coordinator, ["true"], ENCLASP_COORDINATOR_REFERENCE=str(reference))
        code, _, stderr = await ended(process)
    assert 4 == code
    assert "A262: the coordinator is not trusted: its root certificate carries no evidence" in stderr
    assert {"reference.json", "uuid"} == {path.name for path in tmp_path.iterdir()}


async def test_nobody_there_ends_with_the_time_out(tmp_path: Path, unused_tcp_port: int) -> None:
    address = f"127.0.0.1:{unused_tcp_port}"
    process = await launch(tmp_path, None, ["true"], EDG_MARBLE_COORDINATOR_ADDR=address, ENCLASP_MARBLE_TIMEOUT="0.2")
    code, _, stderr = await ended(process)
    assert 6 == code
    assert f"waiting for the coordinator at {address}: connection refused, next try in " in stderr
    assert "A270: no activation" in stderr


@pytest.mark.parametrize(("sent", "expected"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_launcher_that_waits_can_be_stopped(
    tmp_path: Path, unused_tcp_port: int, sent: signal.Signals, expected: int
) -> None:
    process = await launch(tmp_path, None, ["true"], EDG_MARBLE_COORDINATOR_ADDR=f"127.0.0.1:{unused_tcp_port}")
    assert process.stderr is not None
    while b"waiting for" not in await process.stderr.readline():
        pass
    process.send_signal(sent)
    code, _, stderr = await ended(process)
    assert expected == code
    assert f"stopped before the activation at 127.0.0.1:{unused_tcp_port}: connection refused" in stderr
    assert "hint: check EDG_MARBLE_COORDINATOR_ADDR" in stderr


async def test_a_file_that_cannot_be_written_leaves_no_other(pki: MarblePki, tmp_path: Path) -> None:
    given = Parameters({"one": SECRET.encode(), "uuid/two": b"2"})
    async with FakeCoordinator(pki, parameters=given).running() as coordinator:
        code, _, stderr = await ended(await launch(tmp_path, coordinator, ["true"]))
    assert 3 == code
    assert "A280: Files: " in stderr
    assert ["uuid"] == [path.name for path in tmp_path.iterdir()]


async def test_a_program_of_the_manifest_that_is_not_there_leaves_no_file(pki: MarblePki, tmp_path: Path) -> None:
    given = Parameters({"one": SECRET.encode()}, {}, ("./absent",))
    async with FakeCoordinator(pki, parameters=given).running() as coordinator:
        code, _, stderr = await ended(await launch(tmp_path, coordinator, ["true"]))
    assert 3 == code
    assert "A283: './absent' cannot be started: No such file or directory" in stderr
    assert ["uuid"] == [path.name for path in tmp_path.iterdir()]


async def test_a_command_that_is_not_there_costs_no_activation(pki: MarblePki, tmp_path: Path) -> None:
    async with FakeCoordinator(pki).running() as coordinator:
        code, _, stderr = await ended(await launch(tmp_path, coordinator, ["./absent"]))
    assert (2, []) == (code, coordinator.requests)
    assert "A256: './absent': expected a program" in stderr


async def test_the_type_can_stand_on_the_command_line(pki: MarblePki, tmp_path: Path) -> None:
    async with FakeCoordinator(pki).running() as coordinator:
        code, _, _ = await ended(await launch(tmp_path, coordinator, ["true"], "--type", "other"))
    assert (0, "other") == (code, coordinator.requests[0].marble_type)


async def test_without_a_type_nothing_starts(tmp_path: Path) -> None:
    code, _, stderr = await ended(await launch(tmp_path, None, ["true"], EDG_MARBLE_TYPE=""))
    assert 2 == code
    assert "hint: set EDG_MARBLE_TYPE, or give --type" in stderr


async def test_simulated_evidence_is_sent_and_said_aloud(pki: MarblePki, tmp_path: Path) -> None:
    create(tmp_path / "vendor")
    async with FakeCoordinator(pki).running() as coordinator:
        process = await launch(tmp_path, coordinator, ["true"], ENCLASP_SIMULATION=str(tmp_path / "vendor"))
        code, _, stderr = await ended(process)
    assert 0 == code
    assert "evidence is SIMULATED (tdx)" in stderr
    assert len(coordinator.requests[0].quote) > 1000


async def test_without_a_device_the_empty_quote_is_said_aloud(pki: MarblePki, tmp_path: Path) -> None:
    async with FakeCoordinator(pki).running() as coordinator:
        code, _, stderr = await ended(await launch(tmp_path, coordinator, ["true"]))
    assert (0, b"") == (code, coordinator.requests[0].quote)
    assert "no evidence will be sent" in stderr
    assert "hint: start it where such hardware is; or, for a trial, set ENCLASP_SIMULATION to the folder" in stderr
    assert "the coordinator will not be verified: ENCLASP_COORDINATOR_REFERENCE is not set" in stderr


async def test_a_ttls_configuration_is_passed_on_with_a_warning(pki: MarblePki, tmp_path: Path) -> None:
    given = Parameters({}, {"MARBLE_TTLS_CONFIG": b"{}"})
    async with FakeCoordinator(pki, parameters=given).running() as coordinator:
        process = await launch(tmp_path, coordinator, ["sh", "-c", "echo $MARBLE_TTLS_CONFIG"])
        code, stdout, stderr = await ended(process)
    assert (0, "{}\n") == (code, stdout)
    assert "no sidecar here terminates TLS" in stderr


async def test_logs_are_json_where_asked_for(pki: MarblePki, tmp_path: Path) -> None:
    async with FakeCoordinator(pki).running() as coordinator:
        code, _, stderr = await ended(await launch(tmp_path, coordinator, ["true"], EDG_LOG_FORMAT="json"))
    lines = [json.loads(line) for line in stderr.splitlines()]
    assert 0 == code
    assert {"time", "level", "message"} == set(lines[-1])
    assert "activated: 0 files, 4 variables" == lines[-1]["message"]
