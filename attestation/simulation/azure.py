"""A simulated Azure confidential machine: a paravisor with a vTPM, on a simulated chip of AMD's or machine of Intel's.

The vTPM is as much of one as its quotes need: an attestation key and PCRs; `swtpm` is a whole one.
"""

import json
import struct
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from attestation.azure_vtpm.format import encode_container
from attestation.azure_vtpm.tpm import MAX_PCRS, PCR_BYTES
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.amd import Chip, Guest
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.starts import SNP_REPORT_BYTES

Issue = Callable[[bytes], bytes]
"""Hardware evidence over 64 bytes of report data."""


def on_chip(chip: Chip, paravisor: Guest, *, extended: bool = True) -> "SimulatedAzureMachine":
    """A machine on AMD's hardware.  extended: with the chip's certificates."""
    return SimulatedAzureMachine(
        Kind.SEV_SNP, lambda data: chip.report(paravisor, data).raw, chip.table() if extended else b""
    )


def on_trust_domain(quoting_enclave: QuotingEnclave, paravisor: TrustDomain) -> "SimulatedAzureMachine":
    """A machine on Intel's hardware."""
    return SimulatedAzureMachine(Kind.TDX, lambda data: quoting_enclave.quote_trust_domain(paravisor, data).raw, b"")


@dataclass(frozen=True, slots=True)
class SimulatedAzureMachine:
    """issue: makes the hardware's evidence.  pcrs: number to 32 bytes; the rest of the 24 are zeros."""

    kind: Kind
    issue_hardware: Issue
    certificate_table: bytes
    attestation_key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    pcrs: Mapping[int, bytes] = field(default_factory=dict)
    secure_boot: bool = True
    user_data: bytes = bytes(64)

    def all_pcrs(self) -> dict[int, bytes]:
        """Every PCR of the SHA-256 bank."""
        return {number: self.pcrs.get(number, bytes(PCR_BYTES)) for number in range(MAX_PCRS)}

    def runtime_data(self) -> bytes:
        """What the paravisor says of the machine."""
        return runtime_data(self.attestation_key.public_key(), secure_boot=self.secure_boot, user_data=self.user_data)

    def quote(self, nonce: bytes, selection: tuple[int, ...] = tuple(range(MAX_PCRS))) -> tuple[bytes, bytes]:
        """The vTPM's quote, and its signature."""
        pcrs = self.all_pcrs()
        message = quote_message(nonce, selection, sha256(b"".join(pcrs[number] for number in selection)).digest())
        return message, self.attestation_key.sign(message, padding.PKCS1v15(), SHA256())

    def evidence(self, nonce: bytes, selection: tuple[int, ...] = tuple(range(MAX_PCRS))) -> Evidence:
        """Everything that a verifier needs.  nonce: at most 50 bytes, as a TPM takes them."""
        runtime = self.runtime_data()
        hardware = self.issue_hardware(sha256(runtime).digest() + bytes(32))
        message, signature = self.quote(nonce, selection)
        return Evidence(
            Kind.AZURE_VTPM,
            encode_container(
                hcl_report(self.kind, hardware if self.kind is Kind.SEV_SNP else b"", runtime),
                message,
                signature,
                self.all_pcrs(),
                td_quote=hardware if self.kind is Kind.TDX else b"",
                certificate_table=self.certificate_table,
            ),
        )


def runtime_data(attestation_key: rsa.RSAPublicKey, *, secure_boot: bool = True, user_data: bytes = bytes(64)) -> bytes:
    """What a paravisor says of its machine, and of the vTPM's attestation key."""
    numbers = attestation_key.public_numbers()
    key = {"kid": "HCLAkPub", "key_ops": ["sign"], "kty": "RSA", "e": _base64url(numbers.e), "n": _base64url(numbers.n)}
    document = {
        "keys": [key],
        "vm-configuration": {"secure-boot": secure_boot, "tpm-enabled": True, "vmUniqueId": _VM_ID},
        "user-data": user_data.hex().upper(),
    }
    return json.dumps(document, separators=(",", ":")).encode()


def hcl_report(kind: Kind, hardware_report: bytes, runtime_data: bytes) -> bytes:
    """An HCL report as the paravisor writes it into the vTPM's NV memory."""
    report_type = {Kind.SEV_SNP: 2, Kind.TDX: 4}[kind]
    size = len(runtime_data) + _RUNTIME_HEADER_BYTES
    header = b"HCLA" + struct.pack("<IIII", 2, SNP_REPORT_BYTES + size, 2, 0) + bytes(12)
    runtime_header = struct.pack("<IIIII", size, 1, report_type, 1, len(runtime_data))
    return (header + hardware_report.ljust(SNP_REPORT_BYTES, b"\0") + runtime_header + runtime_data).ljust(2600, b"\0")


def quote_message(nonce: bytes, selection: tuple[int, ...], digest: bytes) -> bytes:
    """TPMS_ATTEST of a quote over PCRs of the SHA-256 bank."""
    bits = sum(1 << number for number in selection).to_bytes(3, "little")
    signer = b"\x00\x0b" + sha256(b"simulated attestation key").digest()
    return (
        struct.pack(">IH", 0xFF544347, 0x8018)
        + _sized(signer)
        + _sized(nonce)
        + struct.pack(">QIIBQ", 1, 1, 0, 1, 0x2020031200120003)
        + struct.pack(">IHB", 1, 0x000B, 3)
        + bits
        + _sized(digest)
    )


def _sized(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content


def _base64url(number: int) -> str:
    return urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


_VM_ID: Final = "51515151-5151-5151-5151-515151515151"
_RUNTIME_HEADER_BYTES: Final = 20
