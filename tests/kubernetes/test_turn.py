"""One cluster at a time, nothing left of a run that was killed, and a machine that cannot have one says why."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.kubernetes.cluster.processes import Processes
from tests.kubernetes.cluster.turn import turn

ROOT = Path(__file__).parents[2]
CANNOT = 77


def stop(folder: Path) -> None:
    Processes(folder, None).stop()


def run(body: str, *arguments: object) -> subprocess.Popen[str]:
    """A run in a process of its own."""
    text = f"{_IMPORTS}{body}"
    command = [sys.executable, "-c", text, *(str(each) for each in arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


_IMPORTS = """
import os, signal, sys
from pathlib import Path
from tests.kubernetes.cluster.processes import Processes
from tests.kubernetes.cluster.turn import turn
from tests.kubernetes.test_turn import stop
"""
KILLED = """
with turn(Path(sys.argv[1]), stop, print, Path(sys.argv[2])):
    process = Processes(Path(sys.argv[1]), None).start("sleeper", ["sleep", "1000"])
    print(process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
HOLDING = """
with turn(Path(sys.argv[1]), stop, print, Path(sys.argv[2])):
    print("has its turn", flush=True)
    sys.stdin.read()
"""


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def test_what_a_killed_run_has_left_is_ended_by_the_next_one(tmp_path: Path) -> None:
    folder, record = tmp_path / "first", tmp_path / "record"
    with run(KILLED, folder, record) as killed:
        assert killed.stdout is not None
        pid = int(killed.stdout.readline())
    assert -signal.SIGKILL == killed.returncode
    assert not ended(pid)
    said: list[str] = []
    with turn(tmp_path / "second", stop, said.append, record):
        assert ended(pid)
    assert [f"removing the cluster in {folder}, which an earlier run left behind"] == said
    with turn(tmp_path / "third", stop, said.append, record):
        assert 1 == len(said), "a run that ended has left nothing"


def test_a_process_that_has_the_number_of_one_of_ours_is_left_alone(tmp_path: Path) -> None:
    Processes(tmp_path, None)
    with subprocess.Popen(["sleep", "1000"]) as somebody:
        for started, left_alone in (("1", True), (_started(somebody.pid), False)):
            (tmp_path / "processes.json").write_text(json.dumps({"etcd": [str(somebody.pid), started]}))
            stop(tmp_path)
            assert left_alone != ended(somebody.pid)


def test_who_comes_second_says_so_and_waits(tmp_path: Path) -> None:
    record = tmp_path / "record"
    waits, said = threading.Event(), list[str]()

    def say(text: str) -> None:
        said.append(text)
        waits.set()

    def second() -> None:
        with turn(tmp_path / "second", stop, say, record):
            said.append("has its turn")

    thread = threading.Thread(target=second)
    with run(HOLDING, tmp_path / "first", record) as first:
        assert first.stdout is not None
        assert "has its turn\n" == first.stdout.readline()
        thread.start()
        assert waits.wait(60)
        assert [f"another run has its cluster in {tmp_path / 'first'}; waiting until it ends"] == said
    thread.join(60)
    assert (0, "has its turn") == (first.returncode, said[-1])


def test_a_machine_that_cannot_have_a_cluster_is_told_why_before_anything_is_built(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.kubernetes.cluster", "obstacle", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert CANNOT == done.returncode
    assert done.stderr.startswith("no cluster can be started on this machine: ")


def test_without_go_the_builder_says_what_is_missing(tmp_path: Path) -> None:
    for name in ("bash", "dirname"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    script = ROOT / "tests" / "kubernetes" / "cluster" / "build-kube-binaries"
    done = subprocess.run(
        [tmp_path / "bash", script, tmp_path / "cache"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (CANNOT, True) == (done.returncode, "there is no Go in PATH; Go 1.26 or newer is needed" in done.stderr)
    assert not (tmp_path / "cache").exists()


def _started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
