"""A stand-in of the vendors' services, and clients that do not sleep."""

from collections.abc import Iterator

import pytest

from attestation.fetch.http import Http
from tests.fakes.vendor_services import Service, serving


@pytest.fixture
def service() -> Iterator[Service]:
    with serving(Service()) as running:
        yield running


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def http(slept: list[float]) -> Http:
    return Http(sleep=slept.append)
