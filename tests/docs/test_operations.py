"""The stories in docs/operations.md happen as they are written."""

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.transcript import commands, run, section

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def environ_of(running: CoordinatorProcess) -> dict[str, str]:
    """What the commands of a story find set."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ENCLASP_COORDINATOR": running.client_address,
        "ENCLASP_COORDINATOR_REFERENCE": str(running.reference),
        "ENCLASP_COORDINATOR_TRUST": str(running.trust),
        "ENCLASP_COORDINATOR_COLLATERAL": str(running.collateral),
        "EDG_MARBLE_COORDINATOR_ADDR": running.mesh_address,
        "ENCLASP_SIMULATION": str(running.folder / "simulation"),
    }


def test_the_story_of_updates(tmp_path: Path) -> None:
    running = start(tmp_path / "dev")
    environ = environ_of(running)
    try:
        for command in commands(*section(PAGE, "Updates")):
            assert "" == run(command, tmp_path, environ)
    finally:
        running.kill()


def test_the_story_of_reading_together(tmp_path: Path) -> None:
    running = start(tmp_path / "dev")
    environ = environ_of(running)
    try:
        for command in commands(*section(PAGE, "Reading a secret together")):
            assert "" == run(command, tmp_path, environ)
    finally:
        running.kill()


@pytest.mark.parametrize("story", ["Recovery", "Backup and restore"])
def test_the_stories_in_which_the_coordinator_is_started_again(tmp_path: Path, story: str) -> None:
    """The story stops its coordinator and starts another one in its place."""
    running, pid = start(tmp_path / "dev"), tmp_path / "dev.pid"
    pid.write_text(str(running.process.pid))
    addresses = {
        "EDG_COORDINATOR_CLIENT_ADDR": running.client_address,
        "EDG_COORDINATOR_MESH_ADDR": running.mesh_address,
    }
    try:
        for command in commands(*section(PAGE, story)):
            assert "" == run(command, tmp_path, environ_of(running) | addresses)
    finally:
        running.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGKILL)
