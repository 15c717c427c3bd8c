"""A coordinator on hardware without sealing keys says so when a manifest is set, and runs where none is wanted."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from attestation.anchors import TrustAnchors
from attestation.collect.finder import HardwareIssuer
from attestation.collect.sealing import refuse
from attestation.endorsements import parse_bundle
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor, new_vendor
from attestation.verify import Verifier
from coordinator.decisions.errors import ManifestRefused
from coordinator.desk import Environment
from coordinator.journal.source import Environment as KeyOfEnvironment
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.vault import Vault
from coordinator.observe import Observer
from coordinator.service import Coordinator

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MANIFEST = """
Packages:
  web: {{TDX: {{MRTD: "{mrtd}"}}}}
Marbles:
  web: {{Package: web}}
{config}
"""


class TrustDomainDevice:
    """Quotes of a simulated machine, behind the door of a real one."""

    def __init__(self, vendor: SimulatedVendor) -> None:
        self._quoting = QuotingEnclave(vendor.machine, Kind.TDX)

    def usable(self) -> str:
        return ""

    def issue(self, report_data: bytes) -> Evidence:
        return self._quoting.quote_trust_domain(TrustDomain(b"\x33" * 48), report_data)


def environment(folder: Path) -> Environment:
    vendor = new_vendor(NOW)
    issuer = HardwareIssuer("test", Kind.TDX, TrustDomainDevice(vendor), partial(refuse, Kind.TDX))
    anchors = TrustAnchors.genuine().with_simulated(vendor.trust_pem)
    drawn = iter(range(1, 1_000_000))

    def draw(size: int) -> bytes:
        return next(drawn).to_bytes(8, "big").rjust(size, b"\x05")[:size]

    return Environment(
        issuer=issuer,
        verifier=Verifier(anchors, parse_bundle(vendor.bundle())),
        vault=Vault(SqliteStorage(folder), [KeyOfEnvironment(issuer, draw)], draw),
        observer=Observer("test"),
        clock=lambda: NOW,
        entropy=draw,
        names=("localhost",),
        compatible=False,
        snapshot_every=1000,
    )


def manifest(config: str) -> bytes:
    return MANIFEST.format(mrtd="07" * 48, config=config).encode()


async def test_a_manifest_that_wants_a_sealed_state_is_refused_and_one_that_does_not_is_set(tmp_path: Path) -> None:
    coordinator = Coordinator(environment(tmp_path))
    for config in ("", "Config: {SealMode: ProductKey}", "Config: {SealMode: UniqueKey}"):
        with pytest.raises(ManifestRefused, match=r"R407 sealing key .*: a TDX module derives no key") as refused:
            await coordinator.set_manifest(manifest(config))
        assert "SealMode to Disabled" in str(refused.value)

    await coordinator.set_manifest(manifest("Config: {SealMode: Disabled}"))
    assert coordinator.manifest().manifest.marbles.keys() == {"web"}
    await coordinator.close()
