"""Evidence in the real formats, of a simulated machine, for chosen Claims and with chosen faults."""

from dataclasses import dataclass, replace
from hashlib import sha256, sha384
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.binding import whole_report_data
from attestation.dcap.format import ECDSA_P256, INTEL_QE_VENDOR, BodyType, CertificationType
from attestation.dcap.signature import sign
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.collateral import QE_ATTRIBUTES, QE_PRODUCT, QE_SIGNER, QE_SVN, TEE_TCB_SVN
from attestation.simulation.intel_pki import Machine


@dataclass(frozen=True, slots=True)
class Enclave:
    """What a simulated SGX enclave says of itself."""

    mrenclave: bytes
    mrsigner: bytes
    product_id: int = 0
    svn: int = 0
    debug: bool = False


@dataclass(frozen=True, slots=True)
class TrustDomain:
    """What a simulated TD says of itself; 48 bytes each.  attributes: 8 bytes, SEPT_VE_DISABLE by default."""

    mrtd: bytes
    rtmrs: tuple[bytes, bytes, bytes, bytes] = (bytes(48), bytes(48), bytes(48), bytes(48))
    mrconfigid: bytes = bytes(48)
    mrowner: bytes = bytes(48)
    mrownerconfig: bytes = bytes(48)
    mrservicetd: bytes = bytes(48)
    attributes: bytes = bytes.fromhex("0000001000000000")

    def debuggable(self) -> "TrustDomain":
        """The same with the DEBUG attribute."""
        return replace(self, attributes=bytes([self.attributes[0] | 1]) + self.attributes[1:])


class QuotingEnclave:
    """Signs quotes of one machine.  Its own report is signed once, as on hardware."""

    def __init__(self, machine: Machine, kind: Kind, *, written_over: tuple[int, bytes] | None = None) -> None:
        """written_over: an offset, and bytes that the quoting enclave's report has there instead."""
        self._machine = machine
        self._kind = kind
        public = machine.attestation_key.public_key()
        self._point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
        report = _qe_report(machine.cpu_svn, kind, self._point)
        if written_over is not None:
            place, content = written_over
            report = report[:place] + content + report[place + len(content) :]
        chain = machine.chain_pem + b"\0"
        self._certification = (
            report
            + sign(machine.pck_key, report)
            + len(_AUTHENTICATION).to_bytes(2, "little")
            + _AUTHENTICATION
            + _typed(CertificationType.PCK_CHAIN, chain)
        )

    def quote_enclave(self, enclave: Enclave, report_data: bytes, version: int = 3) -> Evidence:
        """An SGX quote of version 3, 4 or 5."""
        flags = _SGX_INIT_MODE64 | (_SGX_DEBUG if enclave.debug else 0)
        body = (
            self._machine.cpu_svn
            + bytes(32)
            + flags.to_bytes(8, "little")
            + QE_ATTRIBUTES[8:]
            + enclave.mrenclave
            + bytes(32)
            + enclave.mrsigner
            + bytes(96)
            + enclave.product_id.to_bytes(2, "little")
            + enclave.svn.to_bytes(2, "little")
            + bytes(60)
            + whole_report_data(report_data)
        )
        return self._quote(BodyType.SGX, body, version)

    def quote_trust_domain(
        self, td: TrustDomain, report_data: bytes, version: int = 4, *, module: bytes = TEE_TCB_SVN
    ) -> Evidence:
        """A TDX quote of version 4, or of version 5 with the TD 1.5 body.  module: TEE_TCB_SVN, 16 bytes."""
        body = (
            module
            + sha384(b"simulated TDX module").digest()
            + bytes(48)
            + bytes(8)
            + td.attributes
            + _XFAM
            + td.mrtd
            + td.mrconfigid
            + td.mrowner
            + td.mrownerconfig
            + b"".join(td.rtmrs)
            + whole_report_data(report_data)
        )
        if version == 4:
            return self._quote(BodyType.TD_1_0, body, version)
        return self._quote(BodyType.TD_1_5, body + TEE_TCB_SVN + td.mrservicetd, version)

    def _quote(self, body_type: BodyType, body: bytes, version: int) -> Evidence:
        tee_type = 0x81 if self._kind is Kind.TDX else 0
        header = version.to_bytes(2, "little") + ECDSA_P256.to_bytes(2, "little") + tee_type.to_bytes(4, "little")
        signed = header + bytes(4) + INTEL_QE_VENDOR + bytes(20)
        signed += _typed(body_type, body) if version == 5 else body
        certification = self._certification
        if version >= 4:
            certification = _typed(CertificationType.QE_REPORT, certification)
        section = sign(self._machine.attestation_key, signed) + self._point + certification
        return Evidence(self._kind, signed + len(section).to_bytes(4, "little") + section)


def _qe_report(cpu_svn: bytes, kind: Kind, point: bytes) -> bytes:
    return (
        cpu_svn
        + bytes(32)
        + QE_ATTRIBUTES
        + sha256(b"simulated quoting enclave").digest()
        + bytes(32)
        + QE_SIGNER
        + bytes(96)
        + QE_PRODUCT[kind].to_bytes(2, "little")
        + QE_SVN.to_bytes(2, "little")
        + bytes(60)
        + sha256(point + _AUTHENTICATION).digest()
        + bytes(32)
    )


def _typed(number: int, data: bytes) -> bytes:
    """u16 type, u32 size, data."""
    return number.to_bytes(2, "little") + len(data).to_bytes(4, "little") + data


_AUTHENTICATION: Final = bytes(range(32))
_XFAM: Final = bytes.fromhex("e702060000000000")
_SGX_INIT_MODE64: Final = 0x05
_SGX_DEBUG: Final = 0x02
