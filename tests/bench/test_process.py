"""What the bench says of a process, against what Python says of itself."""

import os
import subprocess
import sys
import time

import pytest

from bench.process import usage


def test_cpu_time_of_this_process_is_what_python_counts() -> None:
    while time.process_time() < 0.2:
        sum(range(1000))
    before = usage(os.getpid()).cpu_ms
    counted = time.process_time() * 1000

    assert abs(counted - before) < 60


def test_a_child_is_counted_with_its_parent() -> None:
    before = usage(os.getpid()).rss_mb
    child = subprocess.Popen([sys.executable, "-c", "print('up', flush=True); input()"], stdin=-1, stdout=-1)
    assert child.stdout is not None
    child.stdout.readline()
    during = usage(os.getpid()).rss_mb
    child.communicate(b"\n")

    assert during > before + 3


def test_a_process_that_is_gone_is_said_to_be_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()

    with pytest.raises(FileNotFoundError):
        usage(child.pid)
