"""One folder with a simulated vendor for every platform: roots, endorsements, and keys that only its owner reads.

`trust.pem` has all roots, as `--trust` takes them; `collateral.json` all endorsements, as `--collateral` does.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from attestation.anchors import Vendor
from attestation.endorsements import encode_bundle
from attestation.errors import EndorsementFormatError
from attestation.kinds import Kind
from attestation.simulation.intel_pki import random_bytes
from attestation.simulation.private_file import read_private, write_private

TRUST_FILE: Final = "trust.pem"
COLLATERAL_FILE: Final = "collateral.json"
SEALING_FILE: Final = "sealing.private.json"
VENDORS: Final[Mapping[Kind, Vendor]] = {
    Kind.SGX: Vendor.INTEL,
    Kind.TDX: Vendor.INTEL,
    Kind.SEV_SNP: Vendor.AMD,
    Kind.NITRO: Vendor.AWS,
    Kind.CCA: Vendor.ARM,
    Kind.NVIDIA_GPU: Vendor.NVIDIA,
    Kind.AZURE_VTPM: Vendor.AMD,
}
"""Whose simulated hardware each platform runs on."""

ALL: Final = frozenset(VENDORS)


@dataclass(frozen=True, slots=True)
class _Made:
    """A vendor that is made: its roots (PEM), its endorsements, and how to keep its keys in a folder."""

    trust: bytes
    save: Callable[[Path], None]
    dcap: tuple[Mapping[str, str], ...] = ()
    sections: Mapping[Kind, tuple[object, ...]] = field(default_factory=dict)


def create(folder: Path, platforms: Iterable[Kind] = ALL) -> None:
    """Make the vendors of these platforms in a folder; nothing happens where vendors are already.

    The folder appears whole or not at all: of two processes at once, one makes it, and both find the same vendors.
    Raises OSError if it holds something else, or cannot be written.
    """
    if (folder / SEALING_FILE).exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)  # noqa: TID251 - shell: a new vendor's certificates start now
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write(fresh, [_MAKERS[vendor](now) for vendor in sorted({VENDORS[kind] for kind in platforms})])
        fresh.rename(folder)
    except OSError:
        if not (folder / SEALING_FILE).exists():
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def seal_secret(folder: Path) -> bytes:
    """32 bytes from which the sealing keys of this folder's machines are derived.

    Raises EndorsementFormatError if the folder holds no simulated vendors.
    """
    stored = read_private(folder / SEALING_FILE, _SEALING_FORMAT)
    try:
        secret = bytes.fromhex(stored["seal_secret"])
    except (KeyError, TypeError, ValueError):
        secret = b""
    if len(secret) != _SECRET_BYTES:
        raise EndorsementFormatError(f"simulated vendor: expected '{folder / SEALING_FILE}' to be whole, got a part")
    return secret


def _write(folder: Path, vendors: list[_Made]) -> None:
    dcap: list[Mapping[str, str]] = []
    sections: dict[Kind, tuple[object, ...]] = {}
    for vendor in vendors:
        dcap += vendor.dcap
        sections |= vendor.sections
        vendor.save(folder)
    (folder / TRUST_FILE).write_bytes(b"".join(vendor.trust for vendor in vendors))
    (folder / COLLATERAL_FILE).write_bytes(encode_bundle(tuple(dcap), sections))
    secret = {"format": _SEALING_FORMAT, "seal_secret": random_bytes(_SECRET_BYTES).hex()}
    write_private(folder / SEALING_FILE, secret)


def _intel(now: datetime) -> _Made:
    from attestation.simulation.vendor import new_vendor, save

    made = new_vendor(now)
    dcap = (made.collateral(Kind.SGX), made.collateral(Kind.TDX))
    return _Made(made.trust_pem, lambda folder: save(folder, made), dcap)


def _amd(now: datetime) -> _Made:
    from attestation.simulation.amd import new_amd, save

    made = new_amd(now)
    endorsements = made.endorsements(crls=(made.crl(),)).to_json()
    return _Made(made.trust_pem, lambda folder: save(folder, made), sections={Kind.SEV_SNP: tuple(endorsements)})


def _aws(now: datetime) -> _Made:
    from attestation.simulation.aws import new_aws, save

    made = new_aws(now)
    return _Made(made.trust_pem, lambda folder: save(folder, made))


def _arm(now: datetime) -> _Made:
    from attestation.simulation.arm import new_arm, save

    made = new_arm(now)
    endorsements = made.endorsements.to_json()
    return _Made(made.trust_pem, lambda folder: save(folder, made), sections={Kind.CCA: tuple(endorsements)})


def _nvidia(now: datetime) -> _Made:
    from attestation.simulation.nvidia import VALIDITY, new_nvidia, save
    from attestation.simulation.nvidia_issue import endorsements

    made = new_nvidia(now)
    chains = (made.gpu.chain[1:], made.rim_chain)
    answers = [answer for chain in chains for answer in made.ocsp_responses(chain, made.made_at, validity=VALIDITY)]
    items = endorsements(made, responses=answers).to_json()
    trust = b"".join(made.trust_pems)
    return _Made(trust, lambda folder: save(folder, made), sections={Kind.NVIDIA_GPU: tuple(items)})


_MAKERS: Final[Mapping[Vendor, Callable[[datetime], _Made]]] = {
    Vendor.INTEL: _intel,
    Vendor.AMD: _amd,
    Vendor.AWS: _aws,
    Vendor.ARM: _arm,
    Vendor.NVIDIA: _nvidia,
}
_SECRET_BYTES: Final = 32
_SEALING_FORMAT: Final = "enclasp-simulated-sealing/1"
