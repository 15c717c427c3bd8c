"""The stories in docs/operations.md happen as they are written."""

import os
import sys
from pathlib import Path

from tests.support.coordinator_process import start
from tests.support.transcript import commands, run, section

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def test_the_story_of_updates(tmp_path: Path) -> None:
    running = start(tmp_path / "dev")
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ENCLASP_COORDINATOR": running.client_address,
        "ENCLASP_COORDINATOR_REFERENCE": str(running.reference),
        "ENCLASP_COORDINATOR_TRUST": str(running.trust),
        "ENCLASP_COORDINATOR_COLLATERAL": str(running.collateral),
        "EDG_MARBLE_COORDINATOR_ADDR": running.mesh_address,
        "ENCLASP_SIMULATION": str(running.folder / "simulation"),
    }
    try:
        for command in commands(*section(PAGE, "Updates")):
            assert "" == run(command, tmp_path, environ)
    finally:
        running.kill()
