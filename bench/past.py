"""A past: activations written into the state of a stopped coordinator, by its own desk and journal, without network.

Each is what the coordinator writes for one: an event and its kept evidence, sealed, in groups as many clients make
them, with snapshots where they fall due.  Nothing is verified or certified; the evidence is random bytes.
"""

import asyncio
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from attestation.anchors import TrustAnchors
from attestation.endorsements import Endorsements
from attestation.issue import find_issuer
from attestation.verify import Verifier
from bench.documents import marble_type
from coordinator.config import Config
from coordinator.desk import Desk, Environment
from coordinator.journal.segments import EvidenceFolder, Retention
from coordinator.journal.source import Environment as KeyOfEnvironment
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.vault import Vault
from coordinator.observe import Observer
from coordinator.program import own_program
from coordinator.state.events import MarbleActivated
from coordinator.state.kept_evidence import KeptEvidence

_GROUP: Final = 100
_EVIDENCE_BYTES: Final = 5000
_CERTIFICATE_BYTES: Final = 600


def record_activations(folder: Path, count: int, marbles: int) -> None:
    """Write `count` activations into the state below `folder`, of a coordinator that is not running.

    marbles: number of marble types, taken in turn.  Raises JournalError.
    """
    asyncio.run(_record(folder, count, marbles))


async def _record(folder: Path, count: int, marbles: int) -> None:
    draw = os.urandom  # noqa: TID251 - shell: draws entropy
    issuer = find_issuer(os.environ | {"ENCLASP_SIMULATION": str(folder / "simulation")}, own_program())
    state, config = folder / "state", Config()
    retention = Retention(config.evidence_days, config.evidence_megabytes * 1_000_000)
    environment = Environment(
        issuer=issuer,
        verifier=Verifier(TrustAnchors.genuine(), Endorsements.none()),
        vault=Vault(
            SqliteStorage(state),
            [KeyOfEnvironment(issuer, draw)],
            draw,
            EvidenceFolder(state / "evidence", retention, draw),
        ),
        observer=Observer("bench"),
        clock=lambda: datetime.now(UTC),  # noqa: TID251 - shell: reads the clock
        entropy=draw,
        names=config.dns_names,
        compatible=False,
        snapshot_every=config.snapshot_every,
    )
    desk = Desk(environment)
    try:
        for begin in range(0, count, _GROUP):
            now_ms = int(environment.clock().timestamp() * 1000)
            events, kept = [], []
            for number in range(begin, min(begin + _GROUP, count)):
                marble, name = marble_type(number % marbles), str(uuid.uuid4())
                event = MarbleActivated(now_ms, marble, name, draw(32))
                events.append(event)
                kept.append(
                    KeptEvidence(now_ms, marble, name, event.join, draw(_CERTIFICATE_BYTES), draw(_EVIDENCE_BYTES))
                )
            await desk.durable(desk.enact(events, kept))
    finally:
        await desk.close()
