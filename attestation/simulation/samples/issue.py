"""A sample of a platform's evidence, with chosen faults, as files for `evidence verify`."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from attestation.endorsements import encode_bundle
from attestation.kinds import Kind
from attestation.simulation.folder import COLLATERAL_FILE
from attestation.simulation.samples.draft import Draft, Order
from attestation.simulation.samples.faults import faults_of


class UnknownFault(ValueError):
    """A platform's evidence cannot have this fault."""


def issue_sample(folder: Path, kind: Kind, order: Order, faults: Sequence[str] = ()) -> Mapping[str, bytes]:
    """Files of evidence by the vendors of a folder, and collateral.json with what they endorse.

    Raises UnknownFault, EndorsementFormatError if the folder has no simulated vendor for it.
    """
    possible = faults_of(kind)
    for name in faults:
        if name not in possible:
            raise UnknownFault(f"fault: expected one of {', '.join(possible)} for {kind}, got '{name}'")
    draft = _STARTS[kind](folder, order)
    for name in faults:
        draft = draft.with_fault(name)
    written = draft.write()
    files = dict(written.evidence)
    if written.dcap or written.sections:
        files[COLLATERAL_FILE] = encode_bundle(written.dcap, written.sections)
    return files


def _intel(kind: Kind, folder: Path, order: Order) -> Draft:
    from attestation.simulation.samples.intel import start

    return start(folder, kind, order)


def _amd(folder: Path, order: Order) -> Draft:
    from attestation.simulation.samples.amd import start

    return start(folder, order)


def _aws(folder: Path, order: Order) -> Draft:
    from attestation.simulation.samples.aws import start

    return start(folder, order)


def _arm(folder: Path, order: Order) -> Draft:
    from attestation.simulation.samples.arm import start

    return start(folder, order)


def _nvidia(folder: Path, order: Order) -> Draft:
    from attestation.simulation.samples.nvidia import start

    return start(folder, order)


def _azure(folder: Path, order: Order) -> Draft:
    from attestation.simulation.samples.azure import start

    return start(folder, order)


def _composite(folder: Path, order: Order) -> Draft:
    from attestation.simulation.samples.composite import start

    return start(folder, order)


_STARTS: Final[Mapping[Kind, Callable[[Path, Order], Draft]]] = {
    Kind.SGX: partial(_intel, Kind.SGX),
    Kind.TDX: partial(_intel, Kind.TDX),
    Kind.SEV_SNP: _amd,
    Kind.NITRO: _aws,
    Kind.CCA: _arm,
    Kind.NVIDIA_GPU: _nvidia,
    Kind.AZURE_VTPM: _azure,
    Kind.COMPOSITE: _composite,
}
