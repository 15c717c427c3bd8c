"""A coordinator's certificates, made as the contract's section 4 says, for every test of the marble side."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.fakes.marble_pki import MarblePki

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOON


@pytest.fixture(scope="session")
def pki() -> MarblePki:
    """A hierarchy without evidence: MarbleRun's own coordinators have none."""
    return MarblePki.create()


@pytest.fixture(scope="session")
def other_pki() -> MarblePki:
    """Somebody else's hierarchy, with the same names."""
    return MarblePki.create()


@pytest.fixture
def given(pki: MarblePki) -> Callable[..., dict[str, bytes]]:
    return pki.given
