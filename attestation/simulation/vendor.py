"""A simulated Intel: its PKI, collateral and machines, with the vendor's names and extensions, made for tests.

Everything has the real formats, so that the verifiers need no second path; only the root differs.  The names are the
vendor's, since other verifiers check them; what marks everything as simulated is a private extension of the root.
Collateral lives ten years instead of thirty days: nobody renews it on a developer's machine, and it proves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.claims import TcbStatus
from attestation.dcap.signature import sign
from attestation.endorsements import Endorsements, encode_bundle, parse_bundle
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
    revocation_list,
)
from attestation.simulation.private_file import key_pem, opened_private, read_key, write_private

PRIVATE_FILE: Final = "intel.private.json"
VALIDITY: Final = timedelta(days=3650)


@dataclass(frozen=True)
class SimulatedVendor:
    """Keys and certificates of one simulated Intel."""

    root_key: ec.EllipticCurvePrivateKey
    root: x509.Certificate
    platform_ca_key: ec.EllipticCurvePrivateKey
    platform_ca: x509.Certificate
    tcb_key: ec.EllipticCurvePrivateKey
    tcb_signer: x509.Certificate
    machine: Machine
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
    return SimulatedVendor(root_key, root, platform_key, platform_ca, tcb_key, tcb_signer, machine, made_at)


def save(folder: Path, vendor: SimulatedVendor) -> None:
    """Write the vendor's keys into a folder, for its owner only.  Raises OSError, also if there are keys already."""
    write_private(folder / PRIVATE_FILE, _encode(vendor))


def load(folder: Path) -> SimulatedVendor:
    """The vendor that `save` wrote.  Raises EndorsementFormatError if there is none, or it cannot be read."""
    with opened_private(folder / PRIVATE_FILE, _PRIVATE_FORMAT) as stored:
        return _decode(stored)


def _encode(vendor: SimulatedVendor) -> dict[str, Any]:
    return {
        "format": _PRIVATE_FORMAT,
        "made_at": vendor.made_at.isoformat(),
        "root_key": key_pem(vendor.root_key),
        "root": pem(vendor.root).decode(),
        "platform_ca_key": key_pem(vendor.platform_ca_key),
        "platform_ca": pem(vendor.platform_ca).decode(),
        "tcb_key": key_pem(vendor.tcb_key),
        "tcb_signer": pem(vendor.tcb_signer).decode(),
        "pck_key": key_pem(vendor.machine.pck_key),
        "attestation_key": key_pem(vendor.machine.attestation_key),
        "cpu_svn": vendor.machine.cpu_svn.hex(),
        "pck_chain": vendor.machine.chain_pem.decode(),
    }


def _decode(stored: dict[str, Any]) -> SimulatedVendor:
    certificates = {
        name: x509.load_pem_x509_certificate(stored[name].encode()) for name in ("root", "platform_ca", "tcb_signer")
    }
    machine = Machine(
        pck_key=read_key(stored["pck_key"]),
        attestation_key=read_key(stored["attestation_key"]),
        cpu_svn=bytes.fromhex(stored["cpu_svn"]),
        chain_pem=stored["pck_chain"].encode(),
    )
    return SimulatedVendor(
        root_key=read_key(stored["root_key"]),
        platform_ca_key=read_key(stored["platform_ca_key"]),
        tcb_key=read_key(stored["tcb_key"]),
        machine=machine,
        made_at=datetime.fromisoformat(stored["made_at"]),
        **certificates,
    )


_PRIVATE_FORMAT: Final = "enclasp-simulated-intel/1"
