"""Samples of SGX and TDX quotes."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

from cryptography import x509

from attestation.claims import TcbStatus
from attestation.kinds import Kind
from attestation.simulation.collateral import TEE_TCB_SVN
from attestation.simulation.intel_pki import Machine
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.samples.draft import ENDED, OTHER_DATA, OTHER_PROGRAM, Order, Written, flipped
from attestation.simulation.vendor import VALIDITY, SimulatedVendor, load, new_vendor


@dataclass(frozen=True, slots=True)
class IntelDraft:
    """written_over: offset in the quoting enclave's report to bytes, before it is signed.  bit: flipped in the end."""

    kind: Kind
    vendor: SimulatedVendor
    machine: Machine
    enclave: Enclave
    domain: TrustDomain
    report_data: bytes
    module: bytes = TEE_TCB_SVN
    written_over: tuple[int, bytes] | None = None
    bit: int | None = None
    endorsed: bool = True
    revoked: tuple[int, ...] = ()
    validity: timedelta = VALIDITY
    altered_collateral: bool = False

    def with_fault(self, name: str) -> Self:
        """The same with a fault of this platform."""
        match name:
            case "report-data":
                return replace(self, report_data=OTHER_DATA)
            case "signature":
                return replace(self, bit=self._signed_bytes() + 4)
            case "altered":
                return replace(self, bit=_MEASUREMENT[self.kind])
            case "other-program":
                enclave = replace(self.enclave, mrenclave=OTHER_PROGRAM.mrenclave)
                return replace(self, enclave=enclave, domain=replace(self.domain, mrtd=OTHER_PROGRAM.mrtd))
            case "debug":
                return replace(self, enclave=replace(self.enclave, debug=True), domain=self.domain.debuggable())
            case "migratable":
                attributes = bytearray(self.domain.attributes)
                attributes[_MIGRATABLE // 8] |= 1 << _MIGRATABLE % 8
                return replace(self, domain=replace(self.domain, attributes=bytes(attributes)))
            case "old-tcb":
                return replace(self, machine=self.vendor.new_machine(TcbStatus.OUT_OF_DATE))
            case "revoked-tcb":
                return replace(self, machine=self.vendor.new_machine(TcbStatus.REVOKED))
            case "other-tcb":
                return replace(self, machine=self.vendor.new_machine(TcbStatus.NOT_SUPPORTED))
            case "unknown-module":
                return replace(self, module=bytes([TEE_TCB_SVN[0], 9]) + TEE_TCB_SVN[2:])
            case "other-machine":
                return replace(self, machine=replace(self.machine, pck_key=self.vendor.new_machine().pck_key))
            case "wrong-binding":
                return replace(self, bit=self._signed_bytes() + _AUTHENTICATION[self.kind])
            case "other-quoting-enclave":
                return replace(self, written_over=(_SIGNER, b"\x5a" * 32))
            case "revoked":
                [leaf, *_] = x509.load_pem_x509_certificates(self.machine.chain_pem)
                return replace(self, revoked=(leaf.serial_number,))
            case "expired-certificate":
                return replace(self, machine=self.vendor.new_machine(validity=ENDED))
            case "expired-collateral":
                return replace(self, validity=ENDED)
            case "altered-collateral":
                return replace(self, altered_collateral=True)
            case "no-collateral":
                return replace(self, endorsed=False)
            case "unknown-root":
                other = new_vendor(self.vendor.made_at)
                return replace(self, vendor=other, machine=other.machine)
        raise KeyError(name)

    def quote(self) -> bytes:
        """The quote alone."""
        quoting = QuotingEnclave(self.machine, self.kind, written_over=self.written_over)
        if self.kind is Kind.SGX:
            raw = quoting.quote_enclave(self.enclave, self.report_data).raw
        else:
            raw = quoting.quote_trust_domain(self.domain, self.report_data, module=self.module).raw
        return raw if self.bit is None else flipped(raw, self.bit)

    def write(self) -> Written:
        """Quote and collateral."""
        if not self.endorsed:
            return Written({"quote.bin": self.quote()})
        collateral = self.vendor.collateral(self.kind, revoked=self.revoked, validity=self.validity)
        if self.altered_collateral:
            signature = flipped(bytes.fromhex(collateral["tcb_info_signature"]), 0)
            collateral["tcb_info_signature"] = signature.hex()
        return Written({"quote.bin": self.quote()}, (collateral,))

    def _signed_bytes(self) -> int:
        return _SIGNED_BYTES[self.kind]


def start(folder: Path, kind: Kind, order: Order) -> IntelDraft:
    """A sample without faults, of a folder's vendor.  Raises EndorsementFormatError if there is none."""
    vendor = load(folder)
    enclave = Enclave(order.program.mrenclave, order.program.mrsigner)
    return IntelDraft(kind, vendor, vendor.machine, enclave, TrustDomain(order.program.mrtd), order.report_data)


# Offsets in quotes of version 3 (SGX) and 4 (TDX): Intel DCAP API, quote layout.
_SIGNED_BYTES: Final = {Kind.SGX: 48 + 384, Kind.TDX: 48 + 584}
_MEASUREMENT: Final = {Kind.SGX: 48 + 64, Kind.TDX: 48 + 136}
# After the signed part: length, signature and key; in version 4 type and size; QE report, signature, length.
_AUTHENTICATION: Final = {Kind.SGX: 4 + 128 + 448 + 2, Kind.TDX: 4 + 128 + 6 + 448 + 2}
_SIGNER: Final = 128
_MIGRATABLE: Final = 29
