import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attestation.kinds import Kind
from attestation.simulation import folder as simulation
from tests.support.replica_house import House


@pytest.fixture(scope="session")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vendor") / "simulation"
    simulation.create(path, [Kind.TDX, Kind.SGX])
    return path


@pytest.fixture
def house(vendor: Path, tmp_path: Path) -> House:
    shutil.copytree(vendor, tmp_path / "simulation")
    return House(tmp_path, datetime.now(UTC))  # noqa: TID251 - the vendor's certificates are of now
