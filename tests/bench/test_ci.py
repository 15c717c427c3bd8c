"""`.ci/run` passes only if every step does; tried on stand-ins for `./dev`, which says what it is told, and apt-get."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"
CLOSING_LINE = "123 passed, 4 skipped in 5.67s"


def _run(folder: Path, failing: str, code: int = 1) -> subprocess.CompletedProcess[str]:
    """failing: the verb of `./dev` that says why, and ends with `code`."""
    (folder / ".ci").mkdir()
    shutil.copy(SCRIPT, folder / ".ci" / "run")
    dev = folder / "dev"
    ends = f'[ "$1" != {failing} ] || {{ echo "there is no Go"; exit {code}; }}'
    dev.write_text(f'#!/bin/sh\n[ "$1" = test ] && echo "{CLOSING_LINE}"\n{ends}\n')
    dev.chmod(0o755)
    installer = folder / "bin" / "apt-get"
    installer.parent.mkdir()
    installer.write_text("#!/bin/sh\n")
    installer.chmod(0o755)
    environ = {**os.environ, "PATH": f"{installer.parent}:{os.environ['PATH']}"}
    return subprocess.run([folder / ".ci" / "run"], capture_output=True, text=True, env=environ, check=False)


def test_all_steps_pass_and_pytests_closing_line_is_shown_at_the_end(tmp_path: Path) -> None:
    done = _run(tmp_path, failing="nothing")

    assert done.returncode == 0
    assert done.stdout.splitlines()[-2] == CLOSING_LINE
    assert done.stdout.splitlines()[-1].startswith("ci: passed")


@pytest.mark.parametrize("verb", ["setup", "lint", "test", "demo", "test-kubernetes"])
def test_a_step_that_fails_is_named_and_fails_the_whole(tmp_path: Path, verb: str) -> None:
    done = _run(tmp_path, failing=verb)

    assert done.returncode == 1
    assert f"ci: FAILED: {verb.removeprefix('test-')}" == done.stdout.splitlines()[-1]


def test_tests_on_the_cluster_have_a_second_try_which_is_said(tmp_path: Path) -> None:
    done = _run(tmp_path, failing='test-kubernetes ] || [ -n "$2"')

    assert done.returncode == 0
    assert "ci: RETRIED: kubernetes: what failed above" in done.stdout.splitlines()[-3:]


def test_what_this_machine_cannot_run_is_said_with_its_reason_and_fails_nothing(tmp_path: Path) -> None:
    done = _run(tmp_path, failing="test-kubernetes", code=77)

    assert done.returncode == 0
    assert "ci: NOT RUN: kubernetes: there is no Go" in done.stdout.splitlines()
