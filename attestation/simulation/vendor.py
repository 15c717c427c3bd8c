"""A simulated Intel: its PKI, collateral and machines, with the vendor's names and extensions, made for tests.

Everything has the real formats, so that the verifiers need no second path; only the root differs.  The names are the
vendor's, since other verifiers check them; what marks everything as simulated is a private extension of the root.
Collateral lives ten years instead of thirty days: nobody renews it on a developer's machine, and it proves nothing.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from attestation.anchors import MALFORMED
from attestation.claims import TcbStatus
from attestation.dcap.signature import sign
from attestation.endorsements import Endorsements, encode_bundle, parse_bundle
from attestation.errors import EndorsementFormatError
from attestation.kinds import Kind
from attestation.simulation.collateral import qe_identity, tcb_info
from attestation.simulation.intel_pki import (
    MARKER,
    PLATFORM_CA,
    ROOT_CA,
    ROOT_CRL_POINT,
    TCB_SIGNING,
    Machine,
    certificate,
    new_key,
    new_machine,
    pem,
    random_bytes,
    revocation_list,
)

TRUST_FILE: Final = "trust.pem"
COLLATERAL_FILE: Final = "collateral.json"
PRIVATE_FILE: Final = "private.json"
VALIDITY: Final = timedelta(days=3650)


@dataclass(frozen=True)
class SimulatedVendor:
    """Keys and certificates of one simulated Intel.  seal_secret: 32 bytes from which sealing keys are derived."""

    root_key: ec.EllipticCurvePrivateKey
    root: x509.Certificate
    platform_ca_key: ec.EllipticCurvePrivateKey
    platform_ca: x509.Certificate
    tcb_key: ec.EllipticCurvePrivateKey
    tcb_signer: x509.Certificate
    machine: Machine
    seal_secret: bytes
    made_at: datetime

    @cached_property
    def trust_pem(self) -> bytes:
        """The root, for `TrustAnchors.with_simulated`."""
        return self.root.public_bytes(Encoding.PEM)

    @cached_property
    def endorsements(self) -> Endorsements:
        """The collateral of both kinds, ready for a Verifier."""
        return parse_bundle(self.bundle())

    def bundle(self, *, revoked: Sequence[int] = (), validity: timedelta = VALIDITY) -> bytes:
        """The collateral bundle for both kinds.  revoked: serial numbers, on the lists of both issuers."""
        kinds = (Kind.SGX, Kind.TDX)
        return encode_bundle(tuple(self.collateral(kind, revoked=revoked, validity=validity) for kind in kinds))

    def collateral(self, kind: Kind, *, revoked: Sequence[int] = (), validity: timedelta = VALIDITY) -> dict[str, str]:
        """One QuoteCollateralV3, binary values in hex."""
        issued, ends = self.made_at - timedelta(days=1), self.made_at + validity
        root_crl = revocation_list(self.root.subject, self.root_key, issued, ends, revoked)
        pck_crl = revocation_list(self.platform_ca.subject, self.platform_ca_key, issued, ends, revoked)
        levels, identity = tcb_info(kind, issued, ends), qe_identity(kind, issued, ends)
        signers = pem(self.tcb_signer, self.root).decode()
        return {
            "pck_crl_issuer_chain": pem(self.platform_ca, self.root).decode(),
            "root_ca_crl": root_crl.hex(),
            "pck_crl": pck_crl.hex(),
            "tcb_info_issuer_chain": signers,
            "tcb_info": levels,
            "tcb_info_signature": sign(self.tcb_key, levels.encode()).hex(),
            "qe_identity_issuer_chain": signers,
            "qe_identity": identity,
            "qe_identity_signature": sign(self.tcb_key, identity.encode()).hex(),
        }

    def new_machine(self, status: TcbStatus = TcbStatus.UP_TO_DATE, *, validity: timedelta = VALIDITY) -> Machine:
        """A machine whose patch level has this status in the vendor's TCB info."""
        return new_machine(self.platform_ca, self.platform_ca_key, self.root, status, self.made_at, validity)


def new_vendor(now: datetime) -> SimulatedVendor:
    """A vendor with fresh keys, in memory; its certificates and collateral are valid from a day before `now`."""
    made_at = now.astimezone(UTC).replace(microsecond=0)
    root_key, platform_key, tcb_key = new_key(), new_key(), new_key()
    root = certificate(
        ROOT_CA,
        root_key,
        ROOT_CA,
        root_key,
        made_at,
        VALIDITY,
        path_length=1,
        extra=(MARKER, ROOT_CRL_POINT),
    )
    platform_ca = certificate(
        PLATFORM_CA,
        platform_key,
        ROOT_CA,
        root_key,
        made_at,
        VALIDITY,
        path_length=0,
        extra=(ROOT_CRL_POINT,),
    )
    tcb_signer = certificate(TCB_SIGNING, tcb_key, ROOT_CA, root_key, made_at, VALIDITY, extra=(ROOT_CRL_POINT,))
    machine = new_machine(platform_ca, platform_key, root, TcbStatus.UP_TO_DATE, made_at, VALIDITY)
    seal_secret = random_bytes(32)
    return SimulatedVendor(
        root_key, root, platform_key, platform_ca, tcb_key, tcb_signer, machine, seal_secret, made_at
    )


def create(folder: Path) -> SimulatedVendor:
    """The vendor of this folder, made if there is none.

    The folder appears whole or not at all: of two processes at once, one makes it, and both get the same vendor.
    Raises EndorsementFormatError if the folder holds something else, OSError if it cannot be written.
    """
    if (folder / PRIVATE_FILE).exists():
        return load(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)  # noqa: TID251 - shell: a new vendor's certificates start now
    vendor = new_vendor(now)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write(fresh, vendor)
        fresh.rename(folder)
    except OSError:
        if not (folder / PRIVATE_FILE).exists():
            raise
        return load(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return vendor


def load(folder: Path) -> SimulatedVendor:
    """The vendor that `create` wrote.  Raises EndorsementFormatError if there is none, or it cannot be read."""
    place = folder / PRIVATE_FILE
    try:
        stored = json.loads(place.read_bytes())
        return _decode(stored)
    except OSError as error:
        raise EndorsementFormatError(
            f"simulated vendor: expected '{place}' to be readable, got {error.strerror}; "
            "make a vendor with `enclasp simulate vendor new`"
        ) from error
    except (KeyError, *MALFORMED) as error:
        raise EndorsementFormatError(f"simulated vendor: expected '{place}' to be whole, got {error!r:.80}") from error


def _write(folder: Path, vendor: SimulatedVendor) -> None:
    (folder / TRUST_FILE).write_bytes(vendor.trust_pem)
    (folder / COLLATERAL_FILE).write_bytes(vendor.bundle())
    private = os.open(folder / PRIVATE_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(private, "w") as file:
        json.dump(_encode(vendor), file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _encode(vendor: SimulatedVendor) -> dict[str, Any]:
    return {
        "format": _PRIVATE_FORMAT,
        "made_at": vendor.made_at.isoformat(),
        "root_key": _key_pem(vendor.root_key),
        "root": pem(vendor.root).decode(),
        "platform_ca_key": _key_pem(vendor.platform_ca_key),
        "platform_ca": pem(vendor.platform_ca).decode(),
        "tcb_key": _key_pem(vendor.tcb_key),
        "tcb_signer": pem(vendor.tcb_signer).decode(),
        "pck_key": _key_pem(vendor.machine.pck_key),
        "attestation_key": _key_pem(vendor.machine.attestation_key),
        "cpu_svn": vendor.machine.cpu_svn.hex(),
        "pck_chain": vendor.machine.chain_pem.decode(),
        "seal_secret": vendor.seal_secret.hex(),
    }


def _decode(stored: Any) -> SimulatedVendor:
    if not isinstance(stored, dict) or stored.get("format") != _PRIVATE_FORMAT:
        raise ValueError(f"format is not {_PRIVATE_FORMAT}")
    certificates = {
        name: x509.load_pem_x509_certificate(stored[name].encode()) for name in ("root", "platform_ca", "tcb_signer")
    }
    machine = Machine(
        pck_key=_read_key(stored["pck_key"]),
        attestation_key=_read_key(stored["attestation_key"]),
        cpu_svn=bytes.fromhex(stored["cpu_svn"]),
        chain_pem=stored["pck_chain"].encode(),
    )
    return SimulatedVendor(
        root_key=_read_key(stored["root_key"]),
        platform_ca_key=_read_key(stored["platform_ca_key"]),
        tcb_key=_read_key(stored["tcb_key"]),
        machine=machine,
        seal_secret=bytes.fromhex(stored["seal_secret"]),
        made_at=datetime.fromisoformat(stored["made_at"]),
        **certificates,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _read_key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("a key is not on an elliptic curve")
    return key


_PRIVATE_FORMAT: Final = "enclasp-simulated-vendor/1"
