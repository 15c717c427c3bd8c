"""A program that the manifests of these tests admit, and the end of every process that a test left."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.coordinator_process import CoordinatorProcess, start


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "program.py"
    path.write_text("print('the agreed program')\n")
    return path


@pytest.fixture
def begin() -> Iterator[Callable[..., CoordinatorProcess]]:
    """`start`, and the end of what it started when the test is over."""
    started: list[CoordinatorProcess] = []

    def begin(folder: Path, *options: str, **more: Any) -> CoordinatorProcess:
        started.append(start(folder, *options, **more))
        return started[-1]

    yield begin
    for running in started:
        running.kill()
