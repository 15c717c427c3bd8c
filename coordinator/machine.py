"""What a coordinator stands on: the device, the verifier, keys that come back after a restart, clock and entropy."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from attestation.anchors import TrustAnchors
from attestation.endorsements import Endorsements, parse_bundle
from attestation.issue import Issuer, find_issuer
from attestation.told import as_told
from attestation.verify import Verifier
from coordinator.config import Config, ConfigInvalid, content
from coordinator.journal.archive import NO_ARCHIVES
from coordinator.journal.configured import key_sources, witness
from coordinator.journal.handover import Held
from coordinator.journal.segments import EvidenceFolder, Retention
from coordinator.journal.source import KeySource
from coordinator.journal.sources import name_of_machine
from coordinator.journal.storage import Storage
from coordinator.journal.vault import Vault
from coordinator.observe import Observer
from coordinator.program import own_program


@dataclass(frozen=True, slots=True)
class Machine:
    """name: of this machine among replicas; empty without.  clock: aware time.  entropy: gives so many random bytes."""

    issuer: Issuer
    endorsements: Endorsements
    verifier: Verifier
    sources: Sequence[KeySource]
    name: str
    observer: Observer
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]


def read_clock() -> datetime:
    """This machine's time, UTC."""
    return datetime.now(UTC)  # noqa: TID251 - shell: reads the clock


def find_machine(
    config: Config, environ: Mapping[str, str], observer: Observer, clock: Callable[[], datetime]
) -> Machine:
    """The environment that we run in.

    Raises ToldOtherwise if it was not started with the configuration's init-data; AttestationError, ConfigInvalid,
    OSError.
    """
    issuer, endorsements = as_told(find_issuer(environ, own_program()), config.told), _endorsements(config)
    entropy = os.urandom  # noqa: TID251 - shell: draws entropy
    return Machine(
        issuer=issuer,
        endorsements=endorsements,
        verifier=make_verifier(config, issuer, endorsements),
        sources=key_sources(config, issuer, entropy),
        name="" if config.store == "sqlite" else name_of_machine(issuer),
        observer=observer,
        clock=clock,
        entropy=entropy,
    )


def make_vault(config: Config, machine: Machine, storage: Storage, handed: Held | None) -> Vault:
    """The vault on a storage.  handed: the state's key, if another replica gave it."""
    retention = Retention(config.evidence_days, config.evidence_megabytes * 1_000_000)
    folder = Path(config.state_dir) / "evidence"
    archives = EvidenceFolder(folder, retention, machine.entropy) if retention.keeps else NO_ARCHIVES
    return Vault(storage, machine.sources, machine.entropy, archives, handed, machine.name, witness(config))


def _endorsements(config: Config) -> Endorsements:
    return parse_bundle(Path(config.collateral).read_bytes()) if config.collateral else Endorsements.none()


def make_verifier(config: Config, issuer: Issuer, endorsements: Endorsements) -> Verifier:
    """Whose evidence counts at a coordinator that runs on `issuer`.

    A simulated vendor's counts only at a coordinator that is simulated itself, as its own evidence then says: a host
    that may choose a coordinator's configuration could otherwise have any program admitted, and nobody would see it.
    Raises ConfigInvalid, AttestationError, OSError.
    """
    if not config.trust:
        verifier = Verifier(TrustAnchors.genuine(), endorsements)
        verifier.read_endorsements()  # a simulated vendor's are ours, and all platforms' code would take 0.1 s
        return verifier
    if not issuer.simulated:
        raise ConfigInvalid(
            f"setting 'trust' (ENCLASP_TRUST): expected none on real hardware ({issuer.kind}), got "
            f"{str(config.trust)!a}: evidence of a simulated vendor proves nothing, and would get secrets here; only a "
            "simulated coordinator accepts it"
        )
    return Verifier(TrustAnchors.genuine().with_simulated(content(config.trust)), endorsements)
