"""Evidence of a platform that the manifest does not name costs nothing: it is not even looked into."""

from dataclasses import replace
from pathlib import Path

import pytest

from attestation.binding import of_certificate
from attestation.kinds import Kind
from coordinator.decisions.errors import NotAttested
from coordinator.journal.memory import MemoryStorage
from tests.support import marble_client
from tests.support.in_process import World


async def test_evidence_of_a_platform_that_nobody_wants_is_refused_before_it_is_verified(tmp_path: Path) -> None:
    world = World(tmp_path)
    coordinator = world.coordinator(MemoryStorage())
    packages = {"tdx": world.package, "both": {**world.package, "SEVSNP": {"Measurement": "07" * 48}}}
    marbles = {"web": {"Package": "tdx"}, "any": {"Package": "both"}}
    await coordinator.set_manifest(world.manifest(Packages=packages, Marbles=marbles))
    marble = world.another_marble()
    report = marble_client.simulated(tmp_path, Kind.SEV_SNP, tmp_path / "program.py")(
        of_certificate(marble.certificate).report_data
    )
    broken = report[:0x2A0] + bytes(512) + report[0x2A0 + 512 :]  # without its signature
    said = {}
    for marble_type in marbles:
        with pytest.raises(NotAttested) as refused:
            await coordinator.activate(replace(marble.request(marble_type), quote=broken), marble.certificate)
        said[marble_type] = [check.name for check in refused.value.checks]
    assert ["evidence.kind"] == said["web"]
    assert "sev-snp.signature" in said["any"]
    await world.activate(coordinator, "web")
    await coordinator.close()
