"""Replicas in one process: a simulated vendor's folder, programs by name, machines, and one state."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation import binding
from attestation.anchors import TrustAnchors
from attestation.endorsements import parse_bundle
from attestation.kinds import Kind
from attestation.simulation.device import SimulatedIssuer
from attestation.simulation.measure import measure_program
from attestation.verify import Verifier
from coordinator.desk import Environment
from coordinator.journal.handover import Held
from coordinator.journal.source import Environment as KeyOfEnvironment
from coordinator.journal.source import KeySource
from coordinator.journal.sources import name_of_machine
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.vault import Vault
from coordinator.observe import Observer
from coordinator.service import Coordinator
from coordinator.wire.replicas import KeyRequest
from pki.keys import spki_der
from tests.support.another_machine import another_machine

draw = os.urandom  # noqa: TID251 - as a real coordinator does
MANIFEST = b"""
Packages:
  web: {TDX: {MRTD: "%s"}}
Marbles:
  web: {Package: web}
""" % (b"07" * 48)


@dataclass
class House:
    """A simulated vendor's folder, two programs, and a clock that a test can move."""

    folder: Path
    now: datetime

    def issuer(
        self, program: str = "coordinator", kind: Kind = Kind.TDX, machine: str = "simulation"
    ) -> SimulatedIssuer:
        path = self.folder / f"{program}.py"
        path.write_text(f"print({program!r})\n")
        return SimulatedIssuer(self.folder / machine, kind, [str(path)])

    def package(self, program: str) -> str:
        """A program on TDX, as a package of a manifest."""
        self.issuer(program)
        return f'{{TDX: {{MRTD: "{measure_program([str(self.folder / f"{program}.py")]).mrtd.hex()}"}}}}'

    def manifest(self, *coordinators: str, more: str = "") -> bytes:
        """A manifest that accepts these programs.  more: lines behind it."""
        packages = "".join(f"  {name}: {self.package(name)}\n" for name in coordinators)
        config = f"Config: {{Coordinators: [{', '.join(coordinators)}]}}\n" if coordinators else ""
        return MANIFEST.replace(b"Marbles:", packages.encode() + b"Marbles:") + (config + more).encode()

    def another_machine(self) -> str:
        """The same vendor's, whose sealing key differs."""
        return another_machine(self.folder / "simulation", self.folder / "other-machine").name

    def verifier(self) -> Verifier:
        anchors = TrustAnchors.genuine().with_simulated((self.folder / "simulation" / "trust.pem").read_bytes())
        return Verifier(anchors, parse_bundle((self.folder / "simulation" / "collateral.json").read_bytes()))

    def environment(self, issuer: SimulatedIssuer, handed: Held | None = None, *more: KeySource) -> Environment:
        storage, sources = SqliteStorage(self.folder / "state"), (KeyOfEnvironment(issuer, draw), *more)
        return Environment(
            issuer=issuer,
            verifier=self.verifier(),
            vault=Vault(storage, sources, draw, handed=handed, machine=name_of_machine(issuer)),
            observer=Observer("test"),
            clock=lambda: self.now,
            entropy=draw,
            names=("localhost",),
            compatible=False,
            snapshot_every=1000,
            replicas=True,
        )


@asynccontextmanager
async def leader(house: House, manifest: bytes = MANIFEST, program: str = "coordinator") -> AsyncIterator[Coordinator]:
    coordinator = Coordinator(house.environment(house.issuer(program)))
    await coordinator.set_manifest(manifest)
    try:
        yield coordinator
    finally:
        await coordinator.close()


def request(coordinator: Coordinator, issuer: SimulatedIssuer, challenge: bytes, key: X25519PrivateKey) -> KeyRequest:
    recipient = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    root = spki_der(coordinator.authority.root_key.public_key())
    evidence = issuer.issue(binding.of_replica(root, challenge, recipient).report_data)
    return KeyRequest(challenge, recipient, evidence.raw)
