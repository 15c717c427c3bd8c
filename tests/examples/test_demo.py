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
    """Command lines of the running programs that a demo with this TMPDIR started, itself included."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environ = (process / "environ").read_bytes().split(b"\0")
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"TMPDIR={folder}".encode() in environ and line:
            found.append(line)
    return found


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


def test_the_demo_tells_the_whole_story_and_goes_on_running_until_its_last_command_is_typed(tmp_path: Path) -> None:
    ended = subprocess.run(
        (*DEMO, "--keep"), env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=120
    )
    assert 0 == ended.returncode, ended.stdout + ended.stderr
    said = [line.strip() for line in ended.stdout.splitlines()]
    try:
        assert [*STEPS] == steps(ended.stdout)
        assert "SIMULATED HARDWARE" in ended.stdout
        assert "12,345 customers in common" in ended.stdout
        assert 3 == len(programs_of(tmp_path))
        exports = [line for line in said if line.startswith("export ")]
        status = next(line for line in said if line.endswith("enclasp status"))
        verify = next(line for line in said if "enclasp verify --manifest" in line)
        subprocess.run("\n".join(["set -e", *exports, status, verify]), shell=True, check=True, timeout=60)
    finally:
        subprocess.run(said[-1], shell=True, check=True)
    deadline = time.monotonic() + 10
    while programs_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [] == programs_of(tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_the_readme_shows_the_steps_that_there_are() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert [*STEPS] == steps(readme.partition("## What the demo shows")[2])


def steps(text: str) -> list[str]:
    """Names of the steps that went well."""
    return [line[3:19].strip() for line in text.splitlines() if line.startswith(" ✓ ")]
