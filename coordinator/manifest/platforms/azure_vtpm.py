"""Azure's confidential machines: the paravisor in its hardware's words, and the PCRs of the vTPM that it runs."""

from typing import Final

from attestation.azure_vtpm.claims import AzureVtpmReferenceValues
from attestation.claims import ReferenceValues
from coordinator.manifest.platforms.fields import Fields, combinations, lists_are_filled
from coordinator.manifest.platforms.intel import identifies_td, tdx_values
from coordinator.manifest.platforms.sev_snp import identifies_guest, sev_snp_values
from coordinator.manifest.reading import Reading
from coordinator.manifest.schema_packages import AZURE_PCRS, PLATFORMS
from coordinator.manifest.shape import named
from coordinator.manifest.view import View


def read_azure_vtpm(reading: Reading, view: View) -> list[ReferenceValues]:
    """Machines on each kind of hardware that is named."""
    name = named(view.owner.pointer)
    kinds = [key for key in _HARDWARE if view.has(key)]
    fits = True
    if not kinds:
        message = f"{name} does not identify the paravisor, and any other one could make up a vTPM"
        reading.refuse("E021", view.owner, message, "name it under SEVSNP or TDX")
        fits = False
    if not any(view.has(f"PCR{number}") for number in AZURE_PCRS):
        message = f"{name} has no PCR, so it does not identify a system: the hardware measures the paravisor only"
        reading.refuse("E021", view.owner, message, "name the PCRs that your image fixes, e.g. PCR4 and PCR11")
        fits = False
    for key in kinds:
        inner = view.view(key)
        fits = lists_are_filled(reading, inner) and _HARDWARE[key](reading, inner) and fits
    if not fits:
        return []
    return [_values(fields, key) for fields in combinations(reading, view, PLATFORMS["AzureVTPM"]) for key in kinds]


def _values(fields: Fields, key: str) -> AzureVtpmReferenceValues:
    hardware = fields.below(key)
    registers = fields.numbered("PCR", AZURE_PCRS)
    keys = {f"pcr{number}": f"PCR{number}" for number in registers}
    keys |= {"hardware": key, "secure_boot": "SecureBoot", "vm_id": "VMID", "user_data": "UserData"}
    return AzureVtpmReferenceValues(
        hardware=sev_snp_values(hardware) if key == "SEVSNP" else tdx_values(hardware),
        pcrs=registers,
        secure_boot=fields.switch("SecureBoot"),
        vm_id=fields.text("VMID") or None,
        user_data=fields.octets("UserData"),
        sources=fields.sources(keys),
    )


_HARDWARE: Final = {"SEVSNP": identifies_guest, "TDX": identifies_td}
