"""One way to prove a package, in words."""

from typing import Final

from attestation.azure_vtpm.claims import AzureVtpmReferenceValues
from attestation.claims import ReferenceValues, TcbPolicy, TcbStatus
from attestation.composite.claims import CompositeReferenceValues
from attestation.kinds import Kind
from attestation.sev_snp.claims import SevSnpReferenceValues
from attestation.sgx.claims import SgxReferenceValues
from attestation.tdx.claims import TdxReferenceValues
from coordinator.manifest.demands import Demand, Rule, demands


def proof(values: ReferenceValues) -> str:
    """One way to be the program, in words."""
    if isinstance(values, SgxReferenceValues):
        words = [f"measured as {_short(values.mrenclave)}"] if values.mrenclave else []
        words += [f"signed by {_short(values.mrsigner)}"] if values.mrsigner else []
        words += [f"product {values.isvprodid}"] if values.isvprodid is not None else []
        words += [f"security version {values.isvsvn} or later"] if values.isvsvn is not None else []
        words += ["a DEBUG enclave: the host can read its memory"] if values.debug else ["not debuggable"]
        return f"an SGX enclave, {', '.join(words)}, on a platform that is {_platform(values.tcb)}"
    if isinstance(values, TdxReferenceValues):
        words = [f"firmware {_short(values.mrtd)}"] if values.mrtd else []
        words += [f"RTMR{index} {_short(value)}" for index, value in sorted(values.rtmrs.items())]
        others = {"MRConfigID": values.mrconfigid, "MROwner": values.mrowner, "MROwnerConfig": values.mrownerconfig}
        words += [f"{name} {_short(value)}" for name, value in others.items() if value]
        words += ["DEBUG: the host can read its memory"] if values.debug else ["not debuggable, not migratable"]
        return f"a TDX virtual machine, {', '.join(words)}, on a platform that is {_platform(values.tcb)}"
    if isinstance(values, CompositeReferenceValues):
        return "all together: " + "; and ".join(map(proof, values.all_of))
    words = [_demanded(demand) for demand in demands(values) if demand.is_given]
    if isinstance(values, SevSnpReferenceValues) and values.tcb.revoked_machines:
        words.append(f"none of {len(values.tcb.revoked_machines)} revoked machines")
    if isinstance(values, AzureVtpmReferenceValues):
        words.append(f"under a paravisor that is {proof(values.hardware)}")
    return f"{_NAMES[values.kind]}, {', '.join(words)}"


def identity(values: ReferenceValues) -> str:
    """What names the program, in a few words; empty where the values name none."""
    if isinstance(values, SgxReferenceValues):
        return _short(values.mrenclave or values.mrsigner or b"")
    if isinstance(values, TdxReferenceValues):
        return _short(values.mrtd or b"")
    if isinstance(values, CompositeReferenceValues):
        return " and ".join(f"{part.kind.value} {identity(part)}".strip() for part in values.all_of)
    named = [f"{demand.key} {demand.shown}" for demand in demands(values) if demand.is_identity and demand.is_given]
    return ", ".join(named[:_NAMED])


def _demanded(demand: Demand) -> str:
    match demand.rule:
        case Rule.ON:
            return "not debuggable" if demand.key == "no Debug" else demand.key
        case Rule.AT_LEAST:
            return f"{demand.key} {demand.shown}" + ("" if demand.key == "MaxAge" else " or later")
        case Rule.ONE_OF if len(demand.value) > _NAMED:
            return f"one of {len(demand.value)} {demand.key}"
        case Rule.ONE_OF:
            return f"{demand.key} {demand.shown.replace(', ', ' or ')}"
    return f"{demand.key} {demand.shown}"


def _platform(tcb: TcbPolicy) -> str:
    accepted = [status.value for status in TcbStatus if status in {TcbStatus.UP_TO_DATE, *tcb.accepted_statuses}]
    words = " or ".join(accepted)
    if tcb.accepted_advisories is not None and len(accepted) > 1:
        words += f" (advisories: {', '.join(sorted(tcb.accepted_advisories)) or 'none'})"
    if tcb.minimum_evaluation is not None:
        words += f", by Intel's evaluation {tcb.minimum_evaluation} or later"
    if tcb.revoked_machines:
        words += f", but none of {len(tcb.revoked_machines)} revoked machines"
    for waiver in tcb.waivers:
        words += f"; until the end of {waiver.last_day} also with {waiver.what} ({waiver.reason})"
    return words


def _short(value: bytes) -> str:
    text = value.hex()
    return f"{text[:8]}…{text[-4:]}" if text else ""


_NAMED: Final = 3
_NAMES: Final = {
    Kind.SEV_SNP: "a SEV-SNP guest",
    Kind.NITRO: "a Nitro enclave",
    Kind.CCA: "a CCA realm on a secured platform",
    Kind.NVIDIA_GPU: "an NVIDIA device",
    Kind.AZURE_VTPM: "a confidential machine on Azure",
}
