"""A process beside the program: there while it runs, gone when it ends, and no trouble to it in between."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from marble.join_protocol import SIGNALS

ROOT = Path(__file__).parents[2]
LAUNCHER = """\
import asyncio, logging, os, sys
from marble.beside import Watched, stay
logging.basicConfig(format="%(message)s")
program = Watched()

async def work():
    {work}

stay(program, work)
os.execvp(sys.argv[1], sys.argv[1:])
"""
WAITS = "print('beside', os.getpid(), file=sys.stderr, flush=True); await asyncio.Event().wait()"
FAILS = "raise ValueError('odd')"


async def launch(work: str, *command: str, inherits: int = 2) -> Process:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = LAUNCHER.format(work=work)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        *command,
        env=environ,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        pass_fds=(inherits,),
    )


async def line(stream: asyncio.StreamReader | None) -> str:
    assert stream is not None
    async with asyncio.timeout(30):
        return (await stream.readline()).decode().strip()


async def beside(process: Process) -> int:
    return int((await line(process.stderr)).split()[1])


async def gone(number: int) -> bool:
    """Whether it ends; a process that nobody waits for may stay a zombie."""
    async with asyncio.timeout(30):
        while True:
            try:
                if Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
            except FileNotFoundError:
                return True
            await asyncio.sleep(0.01)


async def test_it_ends_with_the_program_also_with_one_that_is_killed() -> None:
    for end in (signal.SIGTERM, signal.SIGKILL):
        process = await launch(WAITS, "sleep", "60")
        number = await beside(process)
        assert number != process.pid
        process.send_signal(end)
        assert -end == await process.wait()
        assert await gone(number)


async def test_what_else_the_program_inherits_is_its_own() -> None:
    """A pipe that says when it is ready ends when the program closes it, not when the program ends."""
    reads, writes = os.pipe()
    ready = f"import os, sys; os.write({writes}, b'ready'); os.close({writes}); sys.stdin.read()"
    process = await launch(WAITS, sys.executable, "-c", ready, inherits=writes)
    os.close(writes)
    number = await beside(process)
    async with asyncio.timeout(30):
        said = await asyncio.to_thread(_all_of, reads)
    assert b"ready" == said
    assert process.returncode is None
    assert Path(f"/proc/{number}").exists()
    process.terminate()
    assert await gone(number)


def _all_of(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read()


async def test_it_is_no_child_of_the_program_and_in_nobodys_session() -> None:
    process = await launch(WAITS, "sh", "-c", "echo runs; exec cat")
    number = await beside(process)
    assert "runs" == await line(process.stdout)
    parent, _, session = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[1:4]
    assert process.pid != int(parent)
    assert os.getsid(process.pid) != int(session)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    assert "" == children
    process.terminate()
    await process.wait()


async def test_who_means_the_program_by_its_command_line_does_not_stop_it() -> None:
    process = await launch(WAITS, "sleep", "60")
    number = await beside(process)
    for name in SIGNALS:
        os.kill(number, signal.Signals[name])
    assert "marble-renewal" == Path(f"/proc/{number}/comm").read_text().strip()
    assert "Z" != Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
    process.terminate()
    await process.wait()
    assert await gone(number)


async def test_the_programs_streams_are_its_own() -> None:
    """Who reads its output sees the end of it when the program closes it; what it is given no one else reads."""
    process = await launch(WAITS, "sh", "-c", "cat; exec >&-; exec sleep 60")
    await beside(process)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"for the program")
    process.stdin.close()
    async with asyncio.timeout(30):
        assert b"for the program" == await process.stdout.read()
    assert process.returncode is None
    process.terminate()
    await process.wait()


async def test_a_program_is_told_also_when_it_has_become_another(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    waits = f"while not os.path.exists('{ready}'): await asyncio.sleep(0.01)"
    script = f"trap 'echo told; exit 0' HUP; touch {ready}; while :; do sleep 0.05; done"
    process = await launch(f"{waits}\n    program.tell('SIGHUP')", "sh", "-c", script)
    assert "told" == await line(process.stdout)
    assert 0 == await process.wait()


async def test_a_fault_is_said_and_the_program_goes_on() -> None:
    process = await launch(FAILS, "cat")
    assert "certificates are not renewed any more: ValueError('odd')" == await line(process.stderr)
    assert process.returncode is None
    process.terminate()
    assert -signal.SIGTERM == await process.wait()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Linux only")
async def test_what_the_launcher_opened_is_not_open_in_the_program() -> None:
    process = await launch(WAITS, "sh", "-c", "ls /proc/self/fd | wc -l")
    await beside(process)
    assert "4" == await line(process.stdout)  # 0, 1, 2 and the folder that ls reads
    await process.wait()
