"""Packages of every platform, from the text to the verdict on simulated evidence; each demand has a refusing twin."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.anchors import TrustAnchors
from attestation.appraisal import Appraisal, appraise
from attestation.azure_vtpm.claims import AzureVtpmReferenceValues
from attestation.binding import Unbound, of_device
from attestation.checks import Status
from attestation.claims import ReferenceValues, TcbPolicy
from attestation.composite.format import Parts, encode_composite
from attestation.endorsements import Endorsements
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.sev_snp.claims import SevSnpReferenceValues
from attestation.sev_snp.format import PLATFORM_BITS
from attestation.sgx.claims import SgxReferenceValues
from attestation.simulation import nvidia_issue
from attestation.simulation.amd import Guest, new_amd
from attestation.simulation.arm import Realm, new_arm
from attestation.simulation.aws import NitroEnclave, new_aws
from attestation.simulation.azure import on_chip, on_trust_domain
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.nvidia import new_nvidia
from attestation.simulation.vendor import new_vendor
from attestation.tdx.claims import TdxReferenceValues
from attestation.verification import Attested
from attestation.verify import Verifier
from coordinator.manifest.errors import Finding, ManifestInvalid, Severity
from coordinator.manifest.package import parse_reference
from coordinator.manifest.parse import parse
from coordinator.manifest.schema_packages import PLATFORM_FLAGS, PLATFORMS

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
REPORT_DATA = b"\x0d" * 64
Package: TypeAlias = dict[str, Any]


def repeated(byte: int, count: int) -> str:
    """Hex text of the same byte."""
    return f"{byte:02x}" * count


GUEST = Guest(
    bytes([1]) * 48,
    host_data=bytes([2]) * 32,
    id_key_digest=bytes([3]) * 48,
    author_key_digest=bytes([4]) * 48,
    family_id=bytes([5]) * 16,
    image_id=bytes([6]) * 16,
    guest_svn=7,
    vmpl=2,
)
GOOD: Mapping[str, Package] = {
    "SGX": {"MRENCLAVE": repeated(1, 32), "MRSIGNER": repeated(2, 32), "ISVProdID": 7, "ISVSVN": 3},
    "TDX": {"MRTD": repeated(1, 48), "RTMR1": repeated(2, 48)},
    "SEVSNP": {
        "Measurement": repeated(1, 48),
        "HostData": repeated(2, 32),
        "IDKeyDigest": repeated(3, 48),
        "AuthorKeyDigest": repeated(4, 48),
        "FamilyID": repeated(5, 16),
        "ImageID": repeated(6, 16),
        "GuestSVN": 7,
        "VMPL": 2,
        "PlatformInfo": ["ecc"],
        "MinimumTCB": {"Bootloader": 20, "SNP": 20, "Microcode": 20, "TEE": 20},
        "MinimumLaunchTCB": {"SNP": 20},
        "Products": ["Milan"],
        "SigningKeys": ["VCEK"],
    },
    "Nitro": {"PCR0": repeated(1, 48), "PCR8": repeated(2, 48), "MaxAge": "5m", "UserData": repeated(0x0D, 64)},
    "CCA": {
        "RIM": repeated(1, 32),
        "REM2": repeated(2, 32),
        "RPV": repeated(3, 64),
        "Config": b"simulated".hex(),
        "ImplementationID": b"SIM".ljust(32, b"\0").hex(),
        "Components": {"RMM": {"Version": "1.0"}},
        "ComponentsOnly": True,
    },
    "NvidiaGPU": {
        "MinimumDriver": "550.54",
        "Drivers": ["550.90.07"],
        "MinimumVBIOS": "96.00",
        "Models": ["GH100"],
        "CCMode": "SPT",
        "ProtectedPCIe": False,
    },
    "AzureVTPM": {
        "SEVSNP": {"Measurement": repeated(1, 48)},
        "TDX": {"MRTD": repeated(1, 48)},
        "PCR4": repeated(4, 32),
        "SecureBoot": True,
        "VMID": "51515151-5151-5151-5151-515151515151",
        "UserData": repeated(0, 64),
    },
}
# Platform, field, another value, and the check that then fails.
WORSE = [
    ("SGX", "MRENCLAVE", repeated(9, 32), "sgx.mrenclave"),
    ("SGX", "ISVProdID", 8, "sgx.isvprodid"),
    ("SGX", "ISVSVN", 4, "sgx.isvsvn"),
    ("SGX", "PPIDs", [repeated(9, 16)], "machine.allowed"),
    ("TDX", "MRTD", repeated(9, 48), "tdx.mrtd"),
    ("TDX", "RTMR1", repeated(9, 48), "tdx.rtmr1"),
    ("TDX", "MRServiceTD", repeated(9, 48), "tdx.service-td"),
    ("TDX", "MinimumTCBDate", "2026-11-26", "tcb.date"),
    ("TDX", "PPIDs", [repeated(9, 16)], "machine.allowed"),
    ("TDX", "MinimumTCBEvaluationDataNumber", 2**20, "tcb.evaluation-data-number"),
    ("SEVSNP", "Measurement", repeated(9, 48), "sev-snp.measurement"),
    ("SEVSNP", "HostData", repeated(9, 32), "sev-snp.host-data"),
    ("SEVSNP", "IDKeyDigest", repeated(9, 48), "sev-snp.id-key-digest"),
    ("SEVSNP", "AuthorKeyDigest", repeated(9, 48), "sev-snp.author-key-digest"),
    ("SEVSNP", "FamilyID", repeated(9, 16), "sev-snp.family-id"),
    ("SEVSNP", "ImageID", repeated(9, 16), "sev-snp.image-id"),
    ("SEVSNP", "GuestSVN", 8, "sev-snp.guest-svn"),
    ("SEVSNP", "VMPL", 0, "sev-snp.vmpl"),
    ("SEVSNP", "SMT", False, "sev-snp.policy-smt"),
    ("SEVSNP", "SingleSocket", True, "sev-snp.policy-single-socket"),
    ("SEVSNP", "PlatformInfo", ["ciphertext-hiding"], "sev-snp.platform"),
    ("SEVSNP", "MinimumTCB", {"Microcode": 21}, "sev-snp.reported-tcb-microcode"),
    ("SEVSNP", "MinimumTCB", {"FMC": 0}, "sev-snp.reported-tcb-fmc"),
    ("SEVSNP", "MinimumLaunchTCB", {"Bootloader": 21}, "sev-snp.launch-tcb-bootloader"),
    ("SEVSNP", "ChipIDs", [repeated(9, 64)], "sev-snp.chip-allowed"),
    ("SEVSNP", "Products", ["Genoa", "Turin"], "sev-snp.product-allowed"),
    ("SEVSNP", "SigningKeys", ["VLEK"], "sev-snp.signing-key-allowed"),
    ("SEVSNP", "RequireRevocationList", True, "sev-snp.revocation"),
    ("Nitro", "PCR0", repeated(9, 48), "nitro.pcr0"),
    ("Nitro", "PCR8", repeated(9, 48), "nitro.pcr8"),
    ("Nitro", "PCR31", repeated(9, 48), "nitro.pcr31"),
    ("Nitro", "MaxAge", "59s", "nitro.max-age"),
    ("Nitro", "UserData", "00", "nitro.user-data"),
    ("Nitro", "Nonce", "00", "nitro.nonce"),
    ("Nitro", "PublicKey", "00", "nitro.public-key"),
    ("CCA", "RIM", repeated(9, 32), "cca.rim"),
    ("CCA", "RIM", repeated(1, 48), "cca.rim"),
    ("CCA", "REM2", repeated(9, 32), "cca.rem2"),
    ("CCA", "RPV", repeated(9, 64), "cca.rpv"),
    ("CCA", "Config", "00", "cca.config"),
    ("CCA", "ImplementationID", repeated(9, 32), "cca.implementation-id"),
    ("CCA", "InstanceIDs", [repeated(9, 33)], "cca.instance-id"),
    ("CCA", "Components", {"RMM": {"Version": "2.0"}}, "cca.component.RMM"),
    ("CCA", "Components", {"RMM": {"SignerID": repeated(9, 32)}}, "cca.component.RMM"),
    ("CCA", "Components", {"BL": {}, "RMM": {}}, "cca.component.BL"),
    ("NvidiaGPU", "MinimumDriver", "550.91", "gpu.minimum-driver"),
    ("NvidiaGPU", "MinimumVBIOS", "96.01", "gpu.minimum-vbios"),
    ("NvidiaGPU", "Drivers", ["550.90.08"], "gpu.driver"),
    ("NvidiaGPU", "VBIOSes", ["96.00"], "gpu.vbios"),
    ("NvidiaGPU", "Models", ["GB100"], "gpu.model"),
    ("NvidiaGPU", "Measurements", {"9": repeated(9, 48)}, "gpu.measurement_9"),
    ("NvidiaGPU", "Devices", ["09"], "gpu.device"),
    ("NvidiaGPU", "CCMode", "MPT", "gpu.cc-mode"),
    ("NvidiaGPU", "ProtectedPCIe", True, "gpu.protected-pcie"),
    ("NvidiaGPU", "RequireRevocation", True, "gpu.revocation"),
    ("AzureVTPM", "PCR4", repeated(9, 32), "azure-vtpm.pcr4"),
    ("AzureVTPM", "SecureBoot", False, "azure-vtpm.secure-boot"),
    ("AzureVTPM", "VMID", "51515151-5151-5151-5151-515151515152", "azure-vtpm.vm-id"),
    ("AzureVTPM", "UserData", repeated(9, 64), "azure-vtpm.user-data"),
    ("AzureVTPM", "SEVSNP", {"Measurement": repeated(9, 48)}, "sev-snp.measurement"),
]
WAIVER = {"Status": "OutOfDate", "Until": "2026-12-31", "Reason": "ticket 7"}
# Packages that prove nothing, contradict themselves, or say what no platform knows.
REFUSED = [
    ("SEVSNP", {}, "E021"),
    ("SEVSNP", {"HostData": repeated(2, 32)}, "E021"),
    ("SEVSNP", {"Measurement": repeated(1, 32)}, "E012"),
    ("SEVSNP", {"Measurement": repeated(1, 48), "Debug": True}, "E010"),
    ("SEVSNP", {"Measurement": repeated(1, 48), "VMPL": 4}, "E015"),
    ("SEVSNP", {"Measurement": repeated(1, 48), "ChipIDs": []}, "E022"),
    ("SEVSNP", {"Measurement": repeated(1, 48), "ChipIDs": None}, "E014"),
    ("SEVSNP", {"Measurement": repeated(1, 48), "ChipIDs": [repeated(1, 32)]}, "E012"),
    ("SEVSNP", {"Measurement": repeated(1, 48), "MinimumTCB": {}}, "E022"),
    ("SEVSNP", {"Measurement": repeated(1, 48), "MinimumTCB": {"SNP": 256}}, "E015"),
    ("SEVSNP", {"Measurement": repeated(1, 48), "MinimumTCB": {"Snp": 2}}, "E010"),
    ("SEVSNP", {"Measurement": repeated(1, 48), "Products": ["Rome"]}, "E013"),
    ("SEVSNP", {"Measurement": {}}, "E022"),
    ("SEVSNP", {"Measurement": {"a": repeated(1, 32)}}, "E012"),
    ("Nitro", {}, "E021"),
    ("Nitro", {"PCR3": repeated(1, 48)}, "E021"),
    ("Nitro", {"PCR0": repeated(0, 48)}, "E021"),
    ("Nitro", {"PCR0": {"good": repeated(1, 48), "debug": repeated(0, 48)}}, "E021"),
    ("Nitro", {"PCR0": repeated(1, 48), "MaxAge": "five minutes"}, "E012"),
    ("Nitro", {"PCR0": repeated(1, 48), "MaxAge": 300}, "E014"),
    ("CCA", {"REM0": repeated(1, 32)}, "E021"),
    ("CCA", {"RIM": repeated(1, 33)}, "E012"),
    ("CCA", {"RIM": repeated(1, 32), "Components": {}}, "E022"),
    ("CCA", {"RIM": repeated(1, 32), "InstanceIDs": []}, "E022"),
    ("NvidiaGPU", {"RIMs": False}, "E021"),
    ("NvidiaGPU", {"Measurements": {"64": repeated(1, 48)}}, "E012"),
    ("NvidiaGPU", {"CCMode": "off"}, "E013"),
    ("NvidiaGPU", {"MinimumDriver": "new"}, "E012"),
    ("AzureVTPM", {"PCR4": repeated(1, 32)}, "E021"),
    ("AzureVTPM", {"SEVSNP": {"Measurement": repeated(1, 48)}}, "E021"),
    ("AzureVTPM", {"SEVSNP": {"VMPL": 0}, "PCR4": repeated(1, 32)}, "E021"),
    ("AzureVTPM", {"TDX": {"MRTD": repeated(1, 48), "PPIDs": []}, "PCR4": repeated(1, 32)}, "E022"),
    ("TDX", {"MRTD": repeated(1, 48), "MinimumTCBDate": "2026-02-30"}, "E012"),
    ("TDX", {"MRTD": repeated(1, 48), "MinimumTCBDate": "soon"}, "E012"),
    ("TDX", {"MRTD": repeated(1, 48), "PPIDs": []}, "E022"),
    ("TDX", {"MRTD": repeated(1, 48), "Waivers": []}, "E022"),
    *(
        ("TDX", {"MRTD": repeated(1, 48), "Waivers": [waiver]}, code)
        for waiver, code in (
            ({**WAIVER, "Status": "Revoked"}, "E013"),
            ({**WAIVER, "Status": "UpToDate"}, "E013"),
            ({**WAIVER, "Until": "2026-02-30"}, "E012"),
            ({**WAIVER, "Until": "for ever"}, "E012"),
            ({**WAIVER, "Reason": ""}, "E012"),
            ({**WAIVER, "Advisory": "INTEL-SA-00615"}, "E012"),
            ({key: WAIVER[key] for key in ("Until", "Reason")}, "E012"),
            ({key: WAIVER[key] for key in ("Status", "Reason")}, "E011"),
            ({key: WAIVER[key] for key in ("Status", "Until")}, "E011"),
            ({**WAIVER, "From": "2026-01-01"}, "E010"),
        )
    ),
]


@pytest.fixture(scope="module")
def proofs() -> Mapping[str, Attested]:
    """Attested Claims of one simulated program on each platform, by the platform's key."""
    intel, amd, aws, arm, nvidia = new_vendor(NOW), new_amd(NOW), new_aws(NOW), new_arm(NOW), new_nvidia(NOW)
    anchors = TrustAnchors.genuine()
    for pem in (intel.trust_pem, amd.trust_pem, aws.trust_pem, arm.trust_pem, *nvidia.trust_pems):
        anchors = anchors.with_simulated(pem)
    sections: Mapping[Kind, tuple[object, ...]] = {
        Kind.SEV_SNP: tuple(amd.endorsements(amd.chip).to_json()),
        Kind.CCA: tuple(arm.endorsements.to_json()),
        Kind.NVIDIA_GPU: tuple(nvidia_issue.endorsements(nvidia).to_json()),
    }
    verifier = Verifier(anchors, intel.endorsements.and_those(Endorsements(sections=sections)))
    domain = TrustDomain(bytes([1]) * 48, rtmrs=(bytes(48), bytes([2]) * 48, bytes(48), bytes(48)))
    pcrs = {4: bytes([4]) * 32}
    quoting = QuotingEnclave(intel.machine, Kind.TDX)
    td = quoting.quote_trust_domain(domain, REPORT_DATA)
    enclave = Enclave(bytes([1]) * 32, bytes([2]) * 32, product_id=7, svn=3)
    realm = Realm(bytes([1]) * 32, (bytes(32), bytes(32), bytes([2]) * 32, bytes(32)), bytes([3]) * 64)
    minute_ago = datetime(2026, 11, 25, 11, 59, tzinfo=UTC)
    nitro = NitroEnclave({**{pcr: bytes([1]) * 48 for pcr in (0, 1, 2)}, 8: bytes([2]) * 48})
    gpu = nvidia_issue.issue(nvidia.gpu, of_device(REPORT_DATA).report_data[:32])
    evidence: Mapping[str, Evidence] = {
        "SGX": QuotingEnclave(intel.machine, Kind.SGX).quote_enclave(enclave, REPORT_DATA),
        "TDX": td,
        "SEVSNP": amd.chip.report(GUEST, REPORT_DATA),
        "Nitro": aws.document(nitro, REPORT_DATA, now=minute_ago),
        "CCA": arm.token(realm, REPORT_DATA),
        "NvidiaGPU": gpu,
        "AzureVTPM": replace(on_chip(amd.chip, Guest(bytes([1]) * 48)), pcrs=pcrs).evidence(b"nonce"),
        "AzureVTPM on TDX": replace(on_trust_domain(quoting, domain), pcrs=pcrs).evidence(b"nonce"),
        "AllOf": encode_composite(Parts(td, (gpu,))),
    }
    return {key: verifier.verify(one, Unbound(), now=NOW).attested() for key, one in evidence.items()}


def alternatives(package: Package) -> tuple[ReferenceValues, ...]:
    document = {"Packages": {"web": package}, "Marbles": {"web": {"Package": "web"}}}
    parsed = parse(json.dumps(document, indent=1).encode(), name="m.json", compatible=False)
    return parsed.manifest.packages["web"].alternatives


def refusals(package: Package) -> set[str]:
    with pytest.raises(ManifestInvalid) as refusal:
        alternatives(package)
    return {finding.code for finding in refusal.value.findings if finding.severity is Severity.ERROR}


def failed(appraisal: Appraisal) -> list[str]:
    return [check.name for check in appraisal.checks if check.status is not Status.PASSED]


@pytest.mark.parametrize("platform", GOOD)
def test_evidence_as_demanded_is_accepted(platform: str, proofs: Mapping[str, Attested]) -> None:
    appraisal = appraise(proofs[platform], alternatives({platform: GOOD[platform]}))
    assert failed(appraisal) == []
    assert appraisal.accepted


@pytest.mark.parametrize(("platform", "field", "value", "check"), WORSE)
def test_one_demand_that_is_not_met_is_enough_to_refuse(
    platform: str, field: str, value: Any, check: str, proofs: Mapping[str, Attested]
) -> None:
    package = {platform: {**GOOD[platform], field: value}}
    if platform == "AzureVTPM":
        del package[platform]["TDX"]
    refused = appraise(proofs[platform], alternatives(package))
    assert not refused.accepted
    assert {check} == set(failed(refused))
    source = next(one.source for one in refused.checks if one.name == check)
    assert source.startswith("m.json:")
    assert f"/Packages/web/{platform}/{field}" in source


def test_machines_are_allowed_by_name(proofs: Mapping[str, Attested]) -> None:
    for platform, field in (("SGX", "PPIDs"), ("TDX", "PPIDs"), ("SEVSNP", "ChipIDs"), ("CCA", "InstanceIDs")):
        machine = proofs[platform].claims.hardware_id
        package = {platform: {**GOOD[platform], field: [machine.upper(), "00" * (len(machine) // 2)]}}
        assert appraise(proofs[platform], alternatives(package)).accepted


def test_machines_are_revoked_by_name(proofs: Mapping[str, Attested]) -> None:
    for platform, field in (("SGX", "RevokedPPIDs"), ("TDX", "RevokedPPIDs"), ("SEVSNP", "RevokedChipIDs")):
        machine = proofs[platform].claims.hardware_id
        good, bad = ({platform: {**GOOD[platform], field: [one]}} for one in ("0f" * (len(machine) // 2), machine))
        assert appraise(proofs[platform], alternatives(good)).accepted
        refused = appraise(proofs[platform], alternatives(bad))
        assert ["machine.revoked"] == failed(refused)
        (check,) = [one for one in refused.checks if one.name == "machine.revoked"]
        assert f"/Packages/web/{platform}/{field}" in check.source


@pytest.mark.parametrize("platform", ["SGX", "TDX", "AzureVTPM"])
def test_a_waiver_of_the_manifest_is_read_with_its_place(platform: str) -> None:
    section = {**GOOD[platform]}
    part = section if platform != "AzureVTPM" else section["TDX"]
    part = {**part, "Waivers": [WAIVER, {"Advisory": "INTEL-SA-00615", "Until": "2027-01-31", "Reason": "no SMT"}]}
    package = {platform: part if platform != "AzureVTPM" else {**section, "TDX": part}}

    policies = [_tcb_of(values) for values in alternatives(package)]

    first, second = next(policy.waivers for policy in policies if policy.waivers)
    assert ("OutOfDate", date(2026, 12, 31), "ticket 7") == (first.what, first.last_day, first.reason)
    assert ("INTEL-SA-00615", date(2027, 1, 31), "no SMT") == (second.what, second.last_day, second.reason)
    assert first.source.startswith("m.json:")
    assert first.source.endswith("/Waivers/0")


def _tcb_of(values: ReferenceValues) -> TcbPolicy:
    inner = values.hardware if isinstance(values, AzureVtpmReferenceValues) else values
    assert isinstance(inner, SgxReferenceValues | TdxReferenceValues | SevSnpReferenceValues)
    return inner.tcb


def test_a_minimum_date_is_met_on_its_day(proofs: Mapping[str, Attested]) -> None:
    day = proofs["TDX"].claims.tcb_date
    assert day is not None
    package = {"TDX": {**GOOD["TDX"], "MinimumTCBDate": f"{day:%Y-%m-%d}"}}
    assert appraise(proofs["TDX"], alternatives(package)).accepted


def test_azures_machine_is_known_on_both_kinds_of_hardware(proofs: Mapping[str, Attested]) -> None:
    both = alternatives({"AzureVTPM": GOOD["AzureVTPM"]})
    assert len(both) == 2
    assert appraise(proofs["AzureVTPM"], both).accepted
    assert appraise(proofs["AzureVTPM on TDX"], both).accepted
    assert not appraise(proofs["TDX"], both).accepted


def test_a_processor_and_its_gpu_are_demanded_together(proofs: Mapping[str, Attested]) -> None:
    def parts(tdx: Package, gpu: Package) -> tuple[ReferenceValues, ...]:
        return alternatives({"AllOf": [{"TDX": tdx, "SEVSNP": GOOD["SEVSNP"]}, {"NvidiaGPU": gpu}]})

    good = parts(GOOD["TDX"], GOOD["NvidiaGPU"])
    assert len(good) == 2
    assert appraise(proofs["AllOf"], good).accepted
    assert not appraise(proofs["TDX"], good).accepted
    assert not appraise(proofs["NvidiaGPU"], good).accepted
    assert not appraise(proofs["AllOf"], parts({**GOOD["TDX"], "MRTD": repeated(9, 48)}, GOOD["NvidiaGPU"])).accepted
    assert not appraise(proofs["AllOf"], parts(GOOD["TDX"], {**GOOD["NvidiaGPU"], "Models": ["GB100"]})).accepted


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([], "E021"),
        ([{}], "E022"),
        ([{"TDX": GOOD["TDX"]}], "E021"),
        ([{"NvidiaGPU": {}}], "E021"),
        ([{"TDX": GOOD["TDX"]}, {"SEVSNP": GOOD["SEVSNP"]}, {"NvidiaGPU": {}}], "E021"),
        ([{"TDX": GOOD["TDX"], "NvidiaGPU": {}}, {"NvidiaGPU": {}}], "E021"),
        ([{"TDX": {}}, {"NvidiaGPU": {}}], "E021"),
        ([{"SGX": GOOD["SGX"]}, {"NvidiaGPU": {}}], "E010"),
    ],
)
def test_parts_that_are_no_processor_with_gpus_are_refused(parts: list[Package], code: str) -> None:
    assert code in refusals({"AllOf": parts})


def test_a_gpu_alone_is_a_warning() -> None:
    document = {"Packages": {"web": {"NvidiaGPU": GOOD["NvidiaGPU"]}}, "Marbles": {"web": {"Package": "web"}}}
    findings = parse(json.dumps(document).encode(), name="m", compatible=False).findings
    assert [(finding.code, finding.severity) for finding in findings] == [("E029", Severity.WARNING)]


@pytest.mark.parametrize(("platform", "section", "code"), REFUSED)
def test_a_section_that_proves_nothing_or_makes_no_sense_is_refused(platform: str, section: Package, code: str) -> None:
    assert code in refusals({platform: section})


@pytest.mark.parametrize("platform", GOOD)
def test_a_misspelt_field_is_refused_with_the_right_name(platform: str) -> None:
    field = next(iter(GOOD[platform]))
    package = {platform: {**GOOD[platform], field.lower(): GOOD[platform][field]}}
    with pytest.raises(ManifestInvalid) as refusal:
        alternatives(package)
    (finding,) = refusal.value.findings
    assert finding.code == "E010"
    assert f'did you mean "{field}"?' in finding.hint
    assert finding.line > 1


def test_one_refused_platform_is_not_left_out_silently() -> None:
    assert refusals({"TDX": GOOD["TDX"], "Nitro": {"PCR3": repeated(1, 48)}}) == {"E021"}


def test_marbleruns_fields_do_not_stand_beside_any_platform() -> None:
    for platform, section in GOOD.items():
        assert "E021" in refusals({platform: section, "SecurityVersion": 1})


def test_releases_with_the_same_names_go_together(proofs: Mapping[str, Attested]) -> None:
    old, new = {"MRTD": 1, "RTMR1": 2}, {"MRTD": 3, "RTMR1": 4}
    section = {key: {"old": repeated(old[key], 48), "new": repeated(new[key], 48)} for key in old}
    found = alternatives({"TDX": section})
    assert len(found) == 2
    assert appraise(proofs["TDX"], found).accepted
    mixed = {"MRTD": section["MRTD"], "RTMR1": {"old": repeated(4, 48), "new": repeated(2, 48)}}
    refused = appraise(proofs["TDX"], alternatives({"TDX": mixed}))
    assert not refused.accepted
    places = {check.source.split()[-1] for check in refused.checks if check.status is not Status.PASSED}
    assert {"/Packages/web/TDX/RTMR1/old", "/Packages/web/TDX/MRTD/new"} == places


def test_wholly_different_names_are_combined() -> None:
    firmware = {f"firmware-{n}": repeated(n, 48) for n in range(8)}
    system = {f"system-{n}": repeated(n, 48) for n in range(8)}
    assert len(alternatives({"TDX": {"MRTD": firmware, "RTMR1": system, "RTMR2": system}})) == 64
    assert refusals({"TDX": {"MRTD": firmware, "RTMR1": {**system, "system-8": repeated(8, 48)}}}) == {"E033"}


def test_names_that_are_half_the_same_are_refused() -> None:
    section = {"MRTD": {"a": repeated(1, 48), "b": repeated(2, 48)}, "RTMR1": {"a": repeated(1, 48)}}
    assert refusals({"TDX": section}) == {"E033"}


def test_names_of_azures_hardware_and_of_its_registers_go_together() -> None:
    section = {
        "SEVSNP": {"Measurement": {"old": repeated(1, 48), "new": repeated(2, 48)}},
        "PCR4": {"old": repeated(3, 32), "new": repeated(4, 32)},
    }
    found = alternatives({"AzureVTPM": section})
    pairs: Any = [(one.hardware.measurement[0], one.pcrs[4][0]) for one in found]  # type: ignore[attr-defined]
    assert pairs == [(1, 3), (2, 4)]


def test_a_reference_document_has_the_same_grammar() -> None:
    for platform, section in GOOD.items():
        raw = json.dumps({platform: section}, indent=1).encode()
        found = parse_reference(raw, name="r.json")
        assert [one.sources[""] for one in found] == [f"r.json:2 /{platform}"] * len(found)  # type: ignore[attr-defined]


def test_the_platform_flags_are_those_that_reports_have() -> None:
    assert set(PLATFORM_FLAGS) == set(PLATFORM_BITS)


VALUES = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        2**64,
        1.5,
        "",
        "x",
        "00",
        "01" * 16,
        "01" * 48,
        [],
        ["x"],
        [1],
        {},
        {"a": "01" * 48},
        {"x": {}},
    ]
)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_anywhere_is_read_or_refused_with_a_place(data: st.DataObject) -> None:
    platform = data.draw(st.sampled_from(sorted(PLATFORMS)))
    field = data.draw(st.sampled_from(sorted(PLATFORMS[platform]["properties"])))
    package = {platform: {**GOOD[platform], field: data.draw(VALUES)}}
    found: tuple[ReferenceValues, ...] = ()
    findings: tuple[Finding, ...] = ()
    try:
        found = alternatives(package)
    except ManifestInvalid as refusal:
        findings = refusal.findings
    assert found or findings
    assert all(finding.line >= 1 and finding.hint for finding in findings)
