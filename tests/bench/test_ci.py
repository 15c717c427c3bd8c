"""`.ci/run` passes only if every step does; tried on stand-ins for `./dev`, which says what it is told, and apt-get."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"
CLOSING_LINE = "123 passed, 4 skipped in 5.67s"


def _run(folder: Path, failing: str, code: int = 1, says: str = "there is no Go") -> subprocess.CompletedProcess[str]:
    """failing: the verb of `./dev` that says why, and ends with `code`."""
    (folder / ".ci").mkdir()
    shutil.copy(SCRIPT, folder / ".ci" / "run")
    dev = folder / "dev"
    ends = f'[ "$1" != {failing} ] || {{ echo "{says}"; exit {code}; }}'
    dev.write_text(f'#!/bin/sh\necho "asked for: $*"\n[ "$1" = test ] && echo "{CLOSING_LINE}"\n{ends}\n')
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
    """All tests of the files that had failures: a test may need what those before it have made."""
    failed = "FAILED tests/kubernetes/test_b.py::test_c[d] - e\nERROR tests/kubernetes/test_a.py::test_f"
    done = _run(tmp_path, failing='test-kubernetes ] || [ -n "$2"', says=failed)

    assert done.returncode == 0
    files = "tests/kubernetes/test_a.py tests/kubernetes/test_b.py"
    assert f"asked for: test-kubernetes {files}" in done.stdout.splitlines()
    assert f"ci: RETRIED: kubernetes: {files}" in done.stdout.splitlines()[-3:]


def test_tests_on_the_cluster_that_fail_twice_fail_the_whole(tmp_path: Path) -> None:
    done = _run(tmp_path, failing="test-kubernetes", says="FAILED tests/kubernetes/test_b.py::test_c - e")

    assert done.returncode == 1
    assert "ci: FAILED: kubernetes" == done.stdout.splitlines()[-1]


def test_what_this_machine_cannot_run_is_said_with_its_reason_and_fails_nothing(tmp_path: Path) -> None:
    done = _run(tmp_path, failing="test-kubernetes", code=77)

    assert done.returncode == 0
    assert "ci: NOT RUN: kubernetes: there is no Go" in done.stdout.splitlines()
