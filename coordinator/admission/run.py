"""Composition of the admission webhook's process."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coordinator.admission.files import Files
from coordinator.admission.keeper import Keeper, Names
from coordinator.admission.settings import Injection
from coordinator.admission.webhook import serve_until_stopped
from coordinator.cluster.account import find_account
from coordinator.cluster.api import ClusterApi


@dataclass(frozen=True, slots=True)
class Door:
    """Where the webhook listens, and how long a certificate of its own lives."""

    port: int
    lifetime: timedelta


def with_files(injection: Injection, door: Door, certificate: Path, key: Path) -> None:
    """Run with a certificate that somebody else keeps.  Raises CredentialInvalid, OSError."""
    files = Files(certificate, key)
    asyncio.run(serve_until_stopped(injection, door.port, files.context))


def with_own(injection: Injection, door: Door, names: Names, environ: Mapping[str, str]) -> None:
    """Run with a certificate of our own.  Raises NoAccount if we run in no cluster."""
    asyncio.run(_with_own(injection, door, names, environ))


async def _with_own(injection: Injection, door: Door, names: Names, environ: Mapping[str, str]) -> None:
    keeper = Keeper(
        ClusterApi(find_account(environ)),
        names,
        door.lifetime,
        clock=lambda: datetime.now(UTC),  # noqa: TID251 - shell: reads the clock
        entropy=os.urandom,  # noqa: TID251 - shell: draws a serial number
    )
    rounds = asyncio.create_task(keeper.keep())
    try:
        await keeper.ready.wait()
        await serve_until_stopped(injection, door.port, keeper.context)
    finally:
        rounds.cancel()
