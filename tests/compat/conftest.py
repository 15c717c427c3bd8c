"""Coordinators for tests that need one which nobody has set a manifest on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.coordinator_process import CoordinatorProcess, start


@pytest.fixture
def fresh_coordinator(tmp_path: Path) -> Iterator[CoordinatorProcess]:
    running = start(tmp_path / "dev")
    yield running
    running.kill()


@pytest.fixture(scope="module")
def fresh_coordinator_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorProcess]:
    running = start(tmp_path_factory.mktemp("coordinator") / "dev")
    yield running
    running.kill()
