"""What may be demanded of an Azure confidential machine?  Claims, Reference Values, and how they compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from attestation import codes as shared
from attestation.azure_vtpm import codes
from attestation.azure_vtpm.format import AzureEvidence
from attestation.azure_vtpm.steps import settled
from attestation.binding import REPORT_DATA_BYTES
from attestation.checks import Check
from attestation.claims import Claims, ReferenceValues, source_of
from attestation.kinds import Kind


def claims_of(evidence: AzureEvidence, hardware: Claims | None) -> Claims:
    """What the machine says: the hardware's claims of the paravisor, and the PCRs that the quote covers.

    report_data: the quote's nonce, zero-padded to 64 bytes, as a TPM takes at most 50 or 66 bytes.
    hardware: None where its evidence is missing.
    """
    quote, runtime = evidence.quote, evidence.hcl.claims
    base = hardware or Claims(Kind.AZURE_VTPM, False, b"", {}, None, (), None, "")
    pcrs = {f"pcr{number}": evidence.pcrs[number] for number in quote.selection if number in evidence.pcrs}
    details: dict[str, str | int | bool] = {
        **base.details,
        "hardware": evidence.hcl.kind.value,
        "hardware_report_data": base.report_data.hex(),
        "user_data": runtime.user_data.hex(),
        "vm_id": runtime.vm_id,
        "tpm_resets": quote.resets,
        "tpm_restarts": quote.restarts,
        "tpm_firmware": f"{quote.firmware_version:#x}",
        "tpm_nonce": quote.extra_data.hex(),
    }
    if runtime.secure_boot is not None:
        details["secure_boot"] = runtime.secure_boot
    return replace(
        base,
        kind=Kind.AZURE_VTPM,
        report_data=quote.extra_data.ljust(REPORT_DATA_BYTES, b"\0"),
        measurements={**base.measurements, **pcrs},
        details=details,
    )


@dataclass(frozen=True, slots=True)
class AzureVtpmReferenceValues:
    """What a manifest demands of a machine.

    hardware: Reference Values for the inner SEV-SNP report or TDX quote, with an identity of the paravisor, because
    any other paravisor could make up the vTPM.  pcrs: number to 32 bytes, at least one, because the hardware does not
    measure the system itself.  secure_boot: None: not demanded.  vm_id: as Azure writes it, compared without case.
    sources: field name (`pcr7` for a register), or "" for the whole, to where the demand stands.
    """

    hardware: ReferenceValues
    pcrs: Mapping[int, bytes] = field(default_factory=dict)
    secure_boot: bool | None = None
    vm_id: str | None = None
    user_data: bytes | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Azure's vTPM."""
        return Kind.AZURE_VTPM

    def appraise(self, claims: Claims) -> tuple[Check, ...]:
        """Every demand with its outcome.  Values that demand no PCR, or no identity of the paravisor, match nothing."""
        return (*self._hardware(claims), *self._pcrs(claims), *self._machine(claims))

    def _hardware(self, claims: Claims) -> tuple[Check, ...]:
        found, wanted = claims.details["hardware"], self.hardware.kind
        source = source_of(self.sources, "hardware")
        kind = settled(found == wanted, "azure-vtpm.hardware", wanted.value, str(found), source, shared.KIND)
        if found != wanted:
            return (kind,)
        return (kind, *self.hardware.appraise(replace(claims, kind=wanted)))

    def _pcrs(self, claims: Claims) -> tuple[Check, ...]:
        if not self.pcrs:
            expected, source = "a demand on at least one PCR", source_of(self.sources, "")
            return (settled(False, "azure-vtpm.identity", expected, "none", source, codes.IDENTITY),)
        checks = []
        for number, wanted in sorted(self.pcrs.items()):
            name = f"pcr{number}"
            found, source = claims.measurements.get(name), source_of(self.sources, name)
            words = "not in the quote" if found is None else found.hex()
            checks.append(settled(found == wanted, f"azure-vtpm.{name}", wanted.hex(), words, source, codes.PCR))
        return tuple(checks)

    def _machine(self, claims: Claims) -> tuple[Check, ...]:
        demands: tuple[tuple[str, str | None], ...] = (
            ("secure_boot", None if self.secure_boot is None else _ON[self.secure_boot]),
            ("vm_id", None if self.vm_id is None else self.vm_id.casefold()),
            ("user_data", None if self.user_data is None else self.user_data.hex()),
        )
        checks = []
        for name, wanted in demands:
            if wanted is not None:
                value = claims.details.get(name, "not said")
                found = _ON[value] if isinstance(value, bool) else str(value).casefold()
                source, label = source_of(self.sources, name), f"azure-vtpm.{name.replace('_', '-')}"
                checks.append(settled(found == wanted, label, wanted, found, source, codes.MACHINE))
        return tuple(checks)


_ON: Final[Mapping[bool, str]] = {True: "on", False: "off"}
