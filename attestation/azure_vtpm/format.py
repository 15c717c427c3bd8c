"""What does the evidence of an Azure confidential machine say?  Our container, and the HCL report in it.

The container is one JSON object, since the parts come from three places (the vTPM's NV memory, the vTPM's quote, the
instance metadata service) and Azure defines no file for them:

    {"format": "enclasp-azure-vtpm/1",
     "hcl_report": base64, "tpm_quote": {"message": base64, "signature": base64}, "pcrs": {"0": hex, …},
     "td_quote": base64 (TDX only), "certificate_table": base64 (SEV-SNP, optional; GHCB specification 4.1.8.1)}

Source: HCL report: Microsoft OpenHCL, openhcl_attestation_protocol, igvm_attest (AttestationReport, runtime claims).
"""

import json
import struct
from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from attestation.azure_vtpm.tpm import MAX_PCRS, PCR_BYTES, TpmQuote, parse_quote
from attestation.errors import EvidenceFormatError
from attestation.kinds import Kind
from attestation.starts import AZURE_FORMAT, SNP_REPORT_BYTES
from attestation.strict_json import parse_json

SPECIFICATION: Final = "OpenHCL igvm_attest, attestation report"
HCL_FILE: Final = "hcl_report.bin"
QUOTE_FILE: Final = "tpm_quote.msg"
SIGNATURE_FILE: Final = "tpm_quote.sig"
PCRS_FILE: Final = "pcrs.json"
TD_QUOTE_FILE: Final = "td_quote.bin"
USER_DATA_BYTES: Final = 64

_HEADER_BYTES: Final = 32
_RUNTIME: Final = _HEADER_BYTES + SNP_REPORT_BYTES
_RUNTIME_HEADER_BYTES: Final = 20
_SHA256: Final = 1
_REPORT_KINDS: Final[Mapping[int, Kind]] = {2: Kind.SEV_SNP, 4: Kind.TDX}
_MAX_NUMBER_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class RuntimeClaims:
    """What the paravisor says of the machine, as JSON that the hardware report binds.

    modulus, exponent: of the vTPM's attestation key (RSA).  user_data: 64 bytes that the guest gave.
    secure_boot: None where it is not said.
    """

    modulus: int
    exponent: int
    user_data: bytes
    secure_boot: bool | None
    vm_id: str


@dataclass(frozen=True, slots=True)
class HclReport:
    """kind: of the hardware.  hardware_report: 1184 bytes, a SEV-SNP report or a TDREPORT with padding.

    runtime_data: the exact bytes that the hardware report binds.
    """

    kind: Kind
    hardware_report: bytes
    runtime_data: bytes
    claims: RuntimeClaims


@dataclass(frozen=True, slots=True)
class AzureEvidence:
    """The parts of the container; pcrs: number to 32 bytes, of the SHA-256 bank.  Empty bytes: not there."""

    hcl: HclReport
    quote: TpmQuote
    message: bytes
    signature: bytes
    pcrs: Mapping[int, bytes]
    td_quote: bytes
    certificate_table: bytes


def encode_container(
    hcl_report: bytes,
    message: bytes,
    signature: bytes,
    pcrs: Mapping[int, bytes],
    *,
    td_quote: bytes = b"",
    certificate_table: bytes = b"",
) -> bytes:
    """The container; nothing is checked here."""
    document: dict[str, object] = {
        "format": AZURE_FORMAT,
        "hcl_report": b64encode(hcl_report).decode(),
        "tpm_quote": {"message": b64encode(message).decode(), "signature": b64encode(signature).decode()},
        "pcrs": {str(number): value.hex() for number, value in pcrs.items()},
    }
    if td_quote:
        document["td_quote"] = b64encode(td_quote).decode()
    if certificate_table:
        document["certificate_table"] = b64encode(certificate_table).decode()
    return json.dumps(document, separators=(",", ":")).encode()


def container_of_files(files: Mapping[str, bytes]) -> bytes:
    """The container of a folder with the parts: hcl_report.bin, tpm_quote.msg, tpm_quote.sig, pcrs.json (a list of
    hex values from PCR 0 on), td_quote.bin.  Raises EvidenceFormatError if one that is always needed is missing.
    """
    for name in (HCL_FILE, QUOTE_FILE, SIGNATURE_FILE, PCRS_FILE):
        if name not in files:
            raise EvidenceFormatError(f"vTPM evidence: expected a file {name}, got none")
    values = _json(files[PCRS_FILE], PCRS_FILE)
    if not isinstance(values, list) or len(values) > MAX_PCRS:
        raise EvidenceFormatError(f"{PCRS_FILE}: expected a list of at most {MAX_PCRS} values")
    return encode_container(
        files[HCL_FILE],
        files[QUOTE_FILE],
        files[SIGNATURE_FILE],
        {number: _hex(value, PCR_BYTES, f"{PCRS_FILE} /{number}") for number, value in enumerate(values)},
        td_quote=files.get(TD_QUOTE_FILE, b""),
    )


def parse_evidence(raw: bytes) -> AzureEvidence:
    """Read the container; nothing is trusted yet.  Raises EvidenceFormatError with the place of what is wrong."""
    document = _json(raw, "vTPM evidence")
    if not isinstance(document, dict) or document.get("format") != AZURE_FORMAT:
        raise EvidenceFormatError(f"vTPM evidence: expected an object of format '{AZURE_FORMAT}'")
    unknown = sorted(set(document) - {"format", "hcl_report", "tpm_quote", "pcrs", "td_quote", "certificate_table"})
    if unknown:
        raise EvidenceFormatError(f"vTPM evidence: expected no other keys, got '{unknown[0]:.40}'")
    quote, pcrs = document.get("tpm_quote"), document.get("pcrs")
    if not isinstance(quote, dict) or not isinstance(pcrs, dict):
        raise EvidenceFormatError("vTPM evidence: expected objects 'tpm_quote' and 'pcrs'")
    message = _base64(quote.get("message"), "/tpm_quote/message")
    return AzureEvidence(
        hcl=parse_hcl_report(_base64(document.get("hcl_report"), "/hcl_report")),
        quote=parse_quote(message),
        message=message,
        signature=_base64(quote.get("signature"), "/tpm_quote/signature"),
        pcrs={_pcr_number(n): _hex(value, PCR_BYTES, f"/pcrs/{n:.4}") for n, value in pcrs.items()},
        td_quote=_base64(document.get("td_quote", ""), "/td_quote"),
        certificate_table=_base64(document.get("certificate_table", ""), "/certificate_table"),
    )


def parse_hcl_report(raw: bytes) -> HclReport:
    """Read an HCL report: header, hardware report, and the runtime data that it binds.  Only zeros may follow.

    Raises EvidenceFormatError.
    """
    if len(raw) < _RUNTIME + _RUNTIME_HEADER_BYTES or raw[:4] != b"HCLA":
        raise EvidenceFormatError(
            f"HCL report: expected 'HCLA' and at least {_RUNTIME + _RUNTIME_HEADER_BYTES} bytes, got {len(raw)} bytes "
            f"that begin with {raw[:4].hex()}"
        )
    size, _, report_type, hash_type, length = struct.unpack_from("<IIIII", raw, _RUNTIME)
    kind = _REPORT_KINDS.get(report_type)
    if kind is None:
        raise EvidenceFormatError(f"HCL report: expected report type 2 (SEV-SNP) or 4 (TDX), got {report_type}")
    if hash_type != _SHA256:
        raise EvidenceFormatError(f"HCL report: expected hash type {_SHA256} (SHA-256), got {hash_type}")
    start = _RUNTIME + _RUNTIME_HEADER_BYTES
    runtime_data, rest = raw[start : start + length], raw[start + length :]
    if len(runtime_data) != length or size != length + _RUNTIME_HEADER_BYTES or any(rest):
        raise EvidenceFormatError(
            f"HCL report: expected {length} bytes of runtime data and zeros after them, got {len(raw) - start} bytes "
            f"and an announced size of {size}"
        )
    return HclReport(kind, raw[_HEADER_BYTES:_RUNTIME], runtime_data, parse_runtime_data(runtime_data))


def parse_runtime_data(raw: bytes) -> RuntimeClaims:
    """The runtime data's JSON.  Raises EvidenceFormatError if the attestation key is not there exactly once."""
    document = _json(raw, "runtime data")
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(keys, list):
        raise EvidenceFormatError("runtime data: expected an object with a list 'keys'")
    found = [key for key in keys if isinstance(key, dict) and key.get("kid") == "HCLAkPub"]
    if len(found) != 1 or found[0].get("kty") != "RSA":
        raise EvidenceFormatError(f"runtime data: expected one RSA key 'HCLAkPub', got {len(found)} of that name")
    configuration = document.get("vm-configuration")
    configuration = configuration if isinstance(configuration, dict) else {}
    secure_boot, vm_id = configuration.get("secure-boot"), configuration.get("vmUniqueId")
    return RuntimeClaims(
        modulus=_number(found[0].get("n"), "modulus"),
        exponent=_number(found[0].get("e"), "exponent"),
        user_data=_hex(document.get("user-data", "00" * USER_DATA_BYTES), USER_DATA_BYTES, "runtime data /user-data"),
        secure_boot=secure_boot if isinstance(secure_boot, bool) else None,
        vm_id=vm_id if isinstance(vm_id, str) else "",
    )


def _json(raw: bytes, place: str) -> object:
    """Two readers must not see two documents."""
    try:
        document: object = parse_json(raw)
    except ValueError as error:
        raise EvidenceFormatError(f"{place}: expected JSON, got {error}") from error
    return document


def _base64(text: object, place: str) -> bytes:
    if not isinstance(text, str):
        raise EvidenceFormatError(f"vTPM evidence {place}: expected base64 text, got {type(text).__name__}")
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise EvidenceFormatError(f"vTPM evidence {place}: expected base64 text, got {error}") from error


def _hex(text: object, size: int, place: str) -> bytes:
    try:
        value = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        value = b""
    if len(value) != size:
        raise EvidenceFormatError(f"{place}: expected {size} bytes in hex, got {text!r:.40}")
    return value


def _pcr_number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or str(int(text[:3])) != text or int(text) >= MAX_PCRS:
        raise EvidenceFormatError(f"vTPM evidence /pcrs: expected a number from 0 to {MAX_PCRS - 1}, got '{text:.10}'")
    return int(text)


def _number(text: object, what: str) -> int:
    """A base64url number of a JSON Web Key, RFC 7518, 6.3.1."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4)) if isinstance(text, str) else b""
    except ValueError:
        raw = b""
    if not 1 <= len(raw) <= _MAX_NUMBER_BYTES:
        raise EvidenceFormatError(f"runtime data /keys: expected the {what} in base64url, got {text!r:.40}")
    return int.from_bytes(raw, "big")
