"""A Coordinator in this process, over any storage: what a state machine or a crowd drives without doors."""

import copy
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from attestation.anchors import TrustAnchors
from attestation.binding import of_certificate
from attestation.endorsements import parse_bundle
from attestation.issue import Issuer, find_issuer
from attestation.kinds import Kind
from attestation.simulation.folder import create
from attestation.simulation.measure import measure_program
from attestation.verify import Verifier
from coordinator.desk import Environment
from coordinator.journal.source import Environment as KeyOfEnvironment
from coordinator.journal.storage import Storage
from coordinator.journal.vault import Vault
from coordinator.observe import Observer
from coordinator.program import own_program
from coordinator.service import Coordinator
from marble.protocol import ActivationRequest, Parameters
from tests.support import marble_client
from tests.support.another_machine import another_machine


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - a test's clock


@dataclass
class Clock:
    """One that a test sets."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Marble:
    """One marble's certificate and request; each `quote` is new evidence of it."""

    certificate: bytes
    csr: bytes
    quote: Callable[[bytes], bytes]

    def request(self, marble_type: str, uuid: str = marble_client.UUID) -> ActivationRequest:
        """An activation with evidence that was never shown."""
        quote = self.quote(of_certificate(self.certificate).report_data)
        return ActivationRequest(quote=quote, csr=self.csr, marble_type=marble_type, uuid=uuid)


class World:
    """Simulated hardware below `folder`, a program that manifests admit, and a marble that runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._simulation = folder / "simulation"
        create(self._simulation)
        program = folder / "program.py"
        program.write_text("print('the agreed program')\n")
        self.package = {"TDX": {"MRTD": measure_program([str(program)]).mrtd.hex()}}
        self._issuer: Issuer = find_issuer({"ENCLASP_SIMULATION": str(self._simulation)}, own_program())
        anchors = TrustAnchors.genuine().with_simulated((folder / "simulation" / "trust.pem").read_bytes())
        self.verifier = Verifier(anchors, parse_bundle((folder / "simulation" / "collateral.json").read_bytes()))
        self._quote = marble_client.simulated(folder, Kind.TDX, program)
        self.marble = self.another_marble()

    def elsewhere(self, folder: Path) -> "World":
        """The same vendor, package and marble, seen from another machine: what this one sealed, it cannot unseal."""
        environ = {"ENCLASP_SIMULATION": str(another_machine(self._simulation, folder))}
        other = copy.copy(self)
        other._issuer = find_issuer(environ, own_program())
        return other

    def manifest(self, **parts: Any) -> bytes:
        """A manifest whose package `tdx` is the program."""
        return json.dumps({"Packages": {"tdx": self.package}} | parts).encode()

    def coordinator(
        self, storage: Storage, *, snapshot_every: int = 4_000, clock: Callable[[], datetime] = _now
    ) -> Coordinator:
        """One that opens what is in `storage`; needs a running event loop."""
        draw = os.urandom  # noqa: TID251 - a test's entropy
        return Coordinator(
            Environment(
                issuer=self._issuer,
                verifier=self.verifier,
                vault=Vault(storage, [KeyOfEnvironment(self._issuer, draw)], draw),
                observer=Observer("test"),
                clock=clock,
                entropy=draw,
                names=("localhost",),
                compatible=False,
                snapshot_every=snapshot_every,
            )
        )

    async def activate(self, coordinator: Coordinator, marble_type: str) -> Parameters:
        """One activation of a marble that was never seen.  Raises what the Coordinator raises."""
        marble = self.another_marble()
        return await coordinator.activate(marble.request(marble_type), marble.certificate)

    def another_marble(self) -> Marble:
        """The same program with a key and certificate of its own."""
        join = marble_client.prepare(lambda _: b"", "any")
        return Marble(join.certificate.public_bytes(Encoding.DER), join.csr, self._quote)
