"""`.ci/run` passes only if every step does; tried on a stand-in for `./dev` that says what it is told to say."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"
CLOSING_LINE = "123 passed, 4 skipped in 5.67s"


def _run(folder: Path, failing: str) -> subprocess.CompletedProcess[str]:
    (folder / ".ci").mkdir()
    shutil.copy(SCRIPT, folder / ".ci" / "run")
    dev = folder / "dev"
    dev.write_text(f'#!/bin/sh\n[ "$1" = test ] && echo "{CLOSING_LINE}"\n[ "$1" != {failing} ]\n')
    dev.chmod(0o755)
    return subprocess.run([folder / ".ci" / "run"], capture_output=True, text=True, check=False)


def test_all_steps_pass_and_pytests_closing_line_is_shown_at_the_end(tmp_path: Path) -> None:
    done = _run(tmp_path, failing="nothing")

    assert done.returncode == 0
    assert done.stdout.splitlines()[-2] == CLOSING_LINE
    assert done.stdout.splitlines()[-1].startswith("ci: passed")


@pytest.mark.parametrize("step", ["setup", "lint", "test", "demo"])
def test_a_step_that_fails_is_named_and_fails_the_whole(tmp_path: Path, step: str) -> None:
    done = _run(tmp_path, failing=step)

    assert done.returncode == 1
    assert f"ci: FAILED: {step}" == done.stdout.splitlines()[-1]
