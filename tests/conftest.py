"""Fixtures that several rooms' tests share."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.coordinator_process import CoordinatorProcess, start

# Machines are shared: how long an example takes says nothing about the product.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def dev_coordinator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorProcess]:
    """A development coordinator as a user starts it; a test may set a manifest only if the next can live with it."""
    running = start(tmp_path_factory.mktemp("session") / "dev")
    yield running
    running.kill()
