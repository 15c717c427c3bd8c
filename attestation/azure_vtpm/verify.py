"""Did that machine say it?  Hardware evidence vouches for the vTPM's key, the key for PCRs and nonce.

On Azure the hardware report measures Microsoft's paravisor, which runs at the highest privilege level of the guest
and provides the vTPM.  So the steps are: the hardware's evidence with all its own checks; the hash of the runtime
data in it; that the paravisor asked for it (VMPL 0); the attestation key in the runtime data; the quote's signature;
the PCRs' digest; the nonce.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Final, Protocol

from attestation import codes as shared
from attestation.azure_vtpm import codes
from attestation.azure_vtpm.claims import claims_of
from attestation.azure_vtpm.format import SPECIFICATION, AzureEvidence, parse_evidence
from attestation.azure_vtpm.steps import missing, settled
from attestation.azure_vtpm.tpm import MIN_KEY_BITS, is_signed_by, pcr_digest, rsa_key
from attestation.azure_vtpm.tpm import SPECIFICATION as TPM_SPECIFICATION
from attestation.binding import REPORT_DATA_BYTES, Binding, Bound, vtpm_nonce
from attestation.checks import Check, Status
from attestation.claims import Claims
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.verification import Verification

BINDING_CHECK: Final = "binding.report-data"
RUNTIME_CHECK: Final = "azure-vtpm.runtime-data"


class HardwareVerifier(Protocol):
    """What verifies the hardware's own evidence."""

    def verify(self, evidence: Evidence, binding: Binding, *, now: datetime) -> Verification:
        """As the Verifier of that kind."""


class AzureVtpmVerifier:
    """Verifies vTPM evidence; what it remembers of machines is what the hardware's verifiers remember."""

    def __init__(self, hardware: Mapping[Kind, HardwareVerifier]) -> None:
        """hardware: verifiers for SEV-SNP and TDX; their anchors and endorsements are the ones that count."""
        self._hardware = hardware

    def verify(self, evidence: Evidence, binding: Binding, *, now: datetime) -> Verification:
        """Did that machine say it, of this nonce, at this time?  now: aware."""
        try:
            parsed = parse_evidence(evidence.raw)
        except EvidenceFormatError as error:
            claims = Claims(Kind.AZURE_VTPM, False, b"", {}, None, (), None, "")
            return Verification(evidence, claims, False, True, False, (_format_check(str(error)),))
        inner = self._verify_hardware(parsed, now)
        own = [_format_check("")]
        if inner is None:
            own.append(_no_hardware(parsed.hcl.kind))
        elif parsed.hcl.kind is Kind.SEV_SNP:
            own.append(_privilege_check(inner.claims))
        own += _quote_checks(parsed)
        bound = _binding_check(parsed.quote.extra_data, binding)
        needed = own if bound.status is Status.NOT_CHECKED else [*own, bound]
        checks = () if inner is None else tuple(_renamed(check) for check in inner.checks)
        return Verification(
            evidence=evidence,
            claims=claims_of(parsed, None if inner is None else inner.claims),
            genuine=(inner is not None and inner.genuine) and all(c.status is Status.PASSED for c in needed),
            complete=(inner is None or inner.complete) and not any(c.status is Status.NOT_CHECKED for c in needed),
            simulated=inner is not None and inner.simulated,
            checks=(*checks, *own, bound),
        )

    def _verify_hardware(self, parsed: AzureEvidence, now: datetime) -> Verification | None:
        """The inner evidence, bound to the runtime data; None where it is missing."""
        digest = sha256(parsed.hcl.runtime_data).digest()
        binding = Bound(digest + bytes(REPORT_DATA_BYTES - len(digest)), "SHA-256 of the runtime data")
        raw = parsed.hcl.hardware_report + parsed.certificate_table
        if parsed.hcl.kind is Kind.TDX:
            raw = parsed.td_quote
        verifier = self._hardware.get(parsed.hcl.kind)
        if verifier is None or not raw:
            return None
        return verifier.verify(Evidence(parsed.hcl.kind, raw), binding, now=now)


def _renamed(check: Check) -> Check:
    """The inner binding is to the runtime data, and is one of our steps."""
    if check.name != BINDING_CHECK:
        return check
    if check.status is Status.FAILED:
        return settled(False, RUNTIME_CHECK, check.expected, check.found, SPECIFICATION, codes.RUNTIME_DATA)
    return replace(check, name=RUNTIME_CHECK, source=SPECIFICATION, code="", hint="")


def _format_check(problem: str) -> Check:
    expected = "HCL report, TPM quote and PCRs"
    return settled(not problem, "azure-vtpm.format", expected, problem or "all are there", SPECIFICATION, codes.FORMAT)


def _no_hardware(kind: Kind) -> Check:
    return missing(
        "azure-vtpm.hardware",
        "a TDX quote" if kind is Kind.TDX else "a SEV-SNP report and its verifier",
        "none",
        SPECIFICATION,
        codes.NO_HARDWARE,
    )


def _privilege_check(claims: Claims) -> Check:
    """A guest at a lower level can ask the chip for reports too, over runtime data of its own making."""
    vmpl = claims.details.get("vmpl", "unknown")
    return settled(vmpl == 0, "azure-vtpm.vmpl", "0 (the paravisor)", str(vmpl), SPECIFICATION, codes.PRIVILEGE)


def _quote_checks(parsed: AzureEvidence) -> tuple[Check, Check, Check]:
    claims, quote = parsed.hcl.claims, parsed.quote
    key = rsa_key(claims.modulus, claims.exponent)
    holds = key is not None and is_signed_by(key, parsed.signature, parsed.message)
    found = pcr_digest(quote.selection, parsed.pcrs)
    return (
        settled(
            key is not None,
            "azure-vtpm.attestation-key",
            f"an RSA key of at least {MIN_KEY_BITS} bits",
            f"a modulus of {claims.modulus.bit_length()} bits and an exponent of {claims.exponent.bit_length()}",
            SPECIFICATION,
            codes.KEY,
        ),
        settled(
            holds,
            "azure-vtpm.quote-signature",
            "a signature by the attestation key over the quote",
            "it holds" if holds else "it does not hold",
            TPM_SPECIFICATION,
            codes.SIGNATURE,
        ),
        settled(
            found == quote.pcr_digest,
            "azure-vtpm.pcr-digest",
            quote.pcr_digest.hex(),
            found.hex() if found is not None else "a PCR of the quote is not given",
            TPM_SPECIFICATION,
            codes.PCR_DIGEST,
        ),
    )


def _binding_check(extra_data: bytes, binding: Binding) -> Check:
    """The nonce is the report data: as it is and zero-padded, or its SHA-256, since a TPM's nonce may be too short."""
    if not isinstance(binding, Bound):
        expected = f"{REPORT_DATA_BYTES} bytes that somebody names"
        return missing(BINDING_CHECK, expected, extra_data.hex(), "nobody", shared.NOT_BOUND)
    plain, hashed = extra_data.ljust(REPORT_DATA_BYTES, b"\0"), vtpm_nonce(binding.report_data)
    return settled(
        binding.report_data == plain or extra_data == hashed,
        BINDING_CHECK,
        f"{binding.report_data.hex()} ({binding.what}), or its SHA-256 {hashed.hex()}",
        extra_data.hex(),
        "the peer's binding",
        shared.REPORT_DATA,
    )
