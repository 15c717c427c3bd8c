"""Which coordinators a manifest accepts (Config.Coordinators), and which of them serves."""

from dataclasses import dataclass

from attestation.checks import Status
from attestation.claims import Claims, ReferenceValues
from coordinator.manifest.coordinators import accepted
from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.model import Manifest
from coordinator.manifest.parse import parse


@dataclass(frozen=True, slots=True)
class Coordinators:
    """named: packages whose program may have the state.  serving: those of them that the one who serves is."""

    named: tuple[str, ...]
    serving: tuple[str, ...]


def accepted_by(raw: bytes) -> tuple[ReferenceValues, ...]:
    """What proves a coordinator that this manifest names; empty where it names none, or is none that we can read."""
    manifest = _read(raw)
    return () if manifest is None else accepted(manifest.config.coordinators, manifest.packages)


def coordinators(raw: bytes, claims: Claims) -> Coordinators:
    """raw: the manifest in force.  claims: of the coordinator that serves."""
    manifest = _read(raw)
    if manifest is None:
        return Coordinators((), ())
    named = manifest.config.coordinators
    return Coordinators(named, tuple(name for name in named if _is(accepted((name,), manifest.packages), claims)))


def _read(raw: bytes) -> Manifest | None:
    """A document in MarbleRun's style names no coordinators, so the strict reading is the only one."""
    try:
        return parse(raw, name="manifest", compatible=False).manifest
    except ManifestInvalid:
        return None


def _is(alternatives: tuple[ReferenceValues, ...], claims: Claims) -> bool:
    return any(
        values.kind is claims.kind and all(check.status is Status.PASSED for check in values.appraise(claims))
        for values in alternatives
    )
