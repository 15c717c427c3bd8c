"""What a Coordinator finds when it starts: above all the start-up manifest, which it sets at its first start only.

MarbleRun's variable EDG_STARTUP_MANIFEST without its dangers (contract 5.4): a restart goes on, a state that waits for
recovery stays, and recovery secrets, which nobody is there to take, are in the state for their owners.
"""

import asyncio
import hashlib
from pathlib import Path
from typing import Final

from attestation.issue import Issuer
from coordinator.config import Config, File, content
from coordinator.journal.errors import StorageInUse
from coordinator.journal.sources import any_sealing_key
from coordinator.journal.sqlite import SqliteStorage
from coordinator.manifest.model import KeySource
from coordinator.observe import Observer
from coordinator.service import Coordinator
from coordinator.state.phase import Phase

_PATIENCE_SECONDS: Final = 10.0
"""A coordinator that is told to stop needs a second or two; Kubernetes starts a pod's successor before it has ended."""
_ASK_AGAIN_SECONDS: Final = 0.1


async def open_own_state(folder: Path, observer: Observer) -> SqliteStorage:
    """The storage in the state directory; a predecessor that still ends has time for it.

    Raises StorageInUse if another coordinator goes on with it, StorageFailed.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE_SECONDS
    said = False
    while True:
        try:
            return SqliteStorage(folder)
        except StorageInUse:
            if loop.time() > deadline:
                raise
        if not said:
            said = True
            observer.warning(
                "another coordinator has the state directory open: waiting for it to end",
                folder=str(folder),
                seconds=_PATIENCE_SECONDS,
            )
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


def say_who_keeps_the_key(config: Config, issuer: Issuer, observer: Observer) -> None:
    """Aloud where only what the host may control can keep a state's key."""
    devices = {KeySource.TPM: config.tpm, KeySource.PKCS11: config.pkcs11_module}
    others = [source for source, configured in devices.items() if configured]
    if others and any_sealing_key(issuer) is None:
        observer.warning(
            "this environment has no sealing key, so something else keeps the state's: "
            "whoever can use that can read the state, and put one of his own in its place",
            keepers=others,
        )


def say_what_is_not_read(folder: Path, observer: Observer) -> None:
    """A state of MarbleRun's in the state directory is left alone, and not taken for ours (contract 5.1)."""
    if (folder / "sealed_data").exists():
        observer.warning(
            "the state directory holds a state of MarbleRun's, which is not read: this one has its own",
            file=str(folder / "sealed_data"),
        )


async def set_manifest(file: File, coordinator: Coordinator, observer: Observer) -> None:
    """Set the manifest in `file` if there is no state.  file: empty means none.

    Raises OSError if it cannot be read, ManifestRefused, TryAgain.
    """
    if not file:
        return
    if coordinator.phase is Phase.RECOVERY:
        observer.warning("start-up manifest ignored: a state waits for recovery", file=str(file))
        return
    raw = content(file)
    if coordinator.phase is Phase.ACCEPTING_MANIFEST:
        secrets = await coordinator.set_manifest(raw)
        if secrets:
            observer.warning(
                "recovery secrets were made, and nobody was there to take them: each owner takes his own from"
                " GET /api/v2/recovery and keeps it",
                owners=sorted(secrets),
            )
        return
    ours, theirs = hashlib.sha256(raw).hexdigest(), coordinator.manifest().manifest.fingerprint
    if ours == theirs:
        observer.info("start-up manifest is in force already", fingerprint=theirs)
    else:
        observer.warning(
            "start-up manifest ignored: another manifest is in force; `enclasp manifest update` changes it",
            fingerprint=ours,
            in_force=theirs,
        )
