"""The demo as a person runs it: it tells the story, fails by name, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from examples.common_customers import demo

DEMO = (sys.executable, "-m", "coordinator.cli.main", "demo")
STEPS = (
    "two companies", "coordinator", "manifest", "receipts", "intersection", "verify", "common customers", "receipt",
    "changed program", "second instance", "eavesdropper", "other manifest",
)  # fmt: skip


def programs_of(folder: Path) -> list[str]:
    """Command lines of running programs that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_the_demo_tells_the_whole_story_and_leaves_nothing_behind(tmp_path: Path) -> None:
    ended = subprocess.run(
        DEMO, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=120
    )
    assert 0 == ended.returncode, ended.stdout + ended.stderr
    assert [*STEPS] == [line[3:19].strip() for line in ended.stdout.splitlines() if line.startswith(" ✓ ")]
    assert "SIMULATED HARDWARE" in ended.stdout
    assert "12,345 customers in common" in ended.stdout
    assert [] == list(tmp_path.iterdir())
    assert [] == programs_of(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    running = subprocess.Popen(
        DEMO, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert running.stdout is not None
    for line in running.stdout:
        if " ✓ coordinator" in line:
            break
    assert programs_of(tmp_path)
    running.send_signal(number)
    said = running.stdout.read()
    assert 130 == running.wait(20)
    assert "interrupted" in said
    running.stdout.close()
    assert [] == list(tmp_path.iterdir())
    assert [] == programs_of(tmp_path)


def test_a_step_that_fails_is_named_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(demo, "ENCLASP", ("false",))
    before = signal.getsignal(signal.SIGINT)
    assert 1 == demo.main(keep=False)
    assert before is signal.getsignal(signal.SIGINT)
    assert "failed at 'coordinator'" in capsys.readouterr().out
    assert [] == list(tmp_path.iterdir())


def test_a_kept_demo_goes_on_running_until_its_last_command_is_typed(tmp_path: Path) -> None:
    ended = subprocess.run(
        (*DEMO, "--keep"), env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=120
    )
    last = ended.stdout.splitlines()[-1].strip()
    try:
        assert 0 == ended.returncode, ended.stdout + ended.stderr
        assert 3 == len(programs_of(tmp_path))
        said = [line.strip() for line in ended.stdout.splitlines()]
        exports = [line for line in said if line.startswith("export ")]
        status = next(line for line in said if line.endswith("enclasp status"))
        verify = next(line for line in said if "enclasp verify --manifest" in line)
        subprocess.run("\n".join(["set -e", *exports, status, verify]), shell=True, check=True, timeout=60)
    finally:
        subprocess.run(last, shell=True, check=True)
    deadline = time.monotonic() + 10
    while programs_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [] == programs_of(tmp_path)
    assert [] == list(tmp_path.iterdir())
