"""What the coordinator must be: read strictly, since a demand that is misread is a demand that is not made."""

import json

import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from attestation.azure_vtpm.claims import AzureVtpmReferenceValues
from attestation.cca.claims import CcaReferenceValues
from attestation.claims import TcbPolicy, TcbStatus
from attestation.composite.claims import CompositeReferenceValues
from attestation.nitro.claims import NitroReferenceValues
from attestation.nvidia_gpu.claims import NvidiaGpuReferenceValues
from attestation.sev_snp.claims import SevSnpReferenceValues
from attestation.sgx.claims import SgxReferenceValues
from attestation.tdx.claims import TdxReferenceValues
from marble.reference import parse_reference
from marble.section import ReferenceFormatError

MRTD = "ab" * 48
ENCLAVE = "cd" * 32


def parse(document: object) -> tuple[object, ...]:
    return parse_reference(json.dumps(document).encode(), name="r.json")


def test_a_tdx_section_is_read_with_the_place_of_each_demand() -> None:
    (found,) = parse({"TDX": {"MRTD": MRTD, "RTMR2": "01" * 48, "AcceptedTCBStatuses": ["SWHardeningNeeded"]}})
    assert found == TdxReferenceValues(
        mrtd=bytes.fromhex(MRTD),
        rtmrs={2: b"\x01" * 48},
        tcb=TcbPolicy(frozenset({TcbStatus.SW_HARDENING_NEEDED})),
        sources={
            "": "r.json /TDX",
            "mrtd": "r.json /TDX/MRTD",
            "rtmr2": "r.json /TDX/RTMR2",
            "tcb": "r.json /TDX/AcceptedTCBStatuses",
        },
    )


def test_several_kinds_are_alternatives() -> None:
    found = parse({"SGX": {"MRENCLAVE": ENCLAVE}, "TDX": {"MRTD": MRTD}})
    assert [SgxReferenceValues, TdxReferenceValues] == [type(values) for values in found]


def test_every_processor_has_its_section() -> None:
    measurement, rim = bytes.fromhex(MRTD), bytes.fromhex(ENCLAVE)
    snp, nitro, cca, azure = parse(
        {
            "SEVSNP": {"Measurement": MRTD, "HostData": ENCLAVE},
            "Nitro": {"PCR0": MRTD, "PCR4": "02" * 48},
            "CCA": {"RIM": ENCLAVE, "REM3": "03" * 32},
            "AzureVTPM": {"TDX": {"MRTD": MRTD}, "PCR11": ENCLAVE},
        }
    )
    assert isinstance(snp, SevSnpReferenceValues)
    assert (measurement, rim) == (snp.measurement, snp.host_data)
    assert "r.json /SEVSNP/HostData" == snp.sources["host_data"]
    assert isinstance(nitro, NitroReferenceValues)
    assert {0: measurement, 4: b"\x02" * 48} == nitro.pcrs
    assert isinstance(cca, CcaReferenceValues)
    assert (rim, {3: b"\x03" * 32}) == (cca.rim, cca.rems)
    assert isinstance(azure, AzureVtpmReferenceValues)
    assert isinstance(azure.hardware, TdxReferenceValues)
    assert (measurement, {11: rim}) == (azure.hardware.mrtd, azure.pcrs)


def test_a_processor_and_its_gpu_are_demanded_together() -> None:
    gpu = {"NvidiaGPU": {"RIMs": True, "RequireRevocation": True}}
    one, two = parse({"AllOf": [{"TDX": {"MRTD": MRTD}, "SEVSNP": {"Measurement": MRTD}}, gpu]})
    for values, kind in ((one, "tdx"), (two, "sev-snp")):
        assert isinstance(values, CompositeReferenceValues)
        assert [kind, "nvidia-gpu"] == [part.kind for part in values.all_of]
        assert isinstance(values.all_of[1], NvidiaGpuReferenceValues)
        assert (True, True) == (values.all_of[1].rims, values.all_of[1].revocation)


def test_marbleruns_flat_form_has_marbleruns_defaults() -> None:
    (found,) = parse({"SignerID": ENCLAVE, "ProductID": 0, "SecurityVersion": 3, "Debug": True})
    assert isinstance(found, SgxReferenceValues)
    assert (bytes.fromhex(ENCLAVE), 0, 3, True) == (found.mrsigner, found.isvprodid, found.isvsvn, found.debug)
    assert frozenset({TcbStatus.SW_HARDENING_NEEDED}) == found.tcb.accepted_statuses
    assert found.sources["isvsvn"] == "r.json /SecurityVersion"


def test_a_new_style_section_accepts_only_platforms_that_are_up_to_date() -> None:
    (found,) = parse({"SGX": {"UniqueID": ENCLAVE.upper()}})
    assert isinstance(found, SgxReferenceValues)
    assert (bytes.fromhex(ENCLAVE), frozenset()) == (found.mrenclave, found.tcb.accepted_statuses)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({}, "r.json /:"),
        ([], "r.json /: expected an object, got list"),
        ({"TDX": {}}, "r.json /TDX/MRTD: expected a measurement"),
        ({"TDX": None}, "r.json /TDX: expected an object"),
        ({"TDX": {"MRTD": MRTD[:-2]}}, "r.json /TDX/MRTD: expected 48 bytes in hex"),
        ({"TDX": {"MRTD": MRTD[:-1] + "g"}}, "r.json /TDX/MRTD"),
        ({"TDX": {"MRTD": MRTD, "MRTd": MRTD}}, "r.json /TDX/MRTd: .*unknown key"),
        ({"TDX": {"MRTD": MRTD}, "SEV": {}}, "r.json /SEV: .*unknown key"),
        ({"TDX": {"MRTD": MRTD, "AcceptedTCBStatuses": ["Fine"]}}, "AcceptedTCBStatuses: .*'Fine'"),
        ({"TDX": {"MRTD": MRTD, "AcceptedAdvisories": "INTEL-SA-1"}}, "AcceptedAdvisories: expected a list"),
        ({"SGX": {"MRSIGNER": ENCLAVE}}, "r.json /SGX: expected MRENCLAVE, or MRSIGNER with ISVProdID and ISVSVN"),
        ({"SGX": {"MRENCLAVE": ENCLAVE, "UniqueID": ENCLAVE}}, "got both"),
        ({"SGX": {"MRENCLAVE": ENCLAVE, "ISVSVN": -1}}, "ISVSVN: expected a number"),
        ({"SGX": {"MRENCLAVE": ENCLAVE, "ISVSVN": True}}, "ISVSVN: expected a number"),
        (
            {"SEVSNP": {"Measurement": "00" * 48}},
            "r.json /SEVSNP: expected Measurement, IDKeyDigest",
        ),
        ({"SEVSNP": {"HostData": "01" * 32}}, "r.json /SEVSNP: expected Measurement"),
        ({"SEVSNP": {"Measurement": MRTD, "VMPL": 0}}, "r.json /SEVSNP/VMPL: .*unknown key"),
        ({"Nitro": {"PCR3": MRTD}}, "r.json /Nitro: expected PCR0, PCR1, PCR2 or PCR8, not zeros"),
        ({"Nitro": {"PCR0": "00" * 48}}, "r.json /Nitro: expected PCR0"),
        ({"CCA": {"REM0": ENCLAVE}}, "r.json /CCA/RIM: expected a measurement in hex, got nothing"),
        ({"CCA": {"RIM": ENCLAVE, "REM0": MRTD}}, "r.json /CCA/REM0: expected 32 bytes"),
        ({"AzureVTPM": {"PCR11": ENCLAVE}}, "r.json /AzureVTPM: expected SEVSNP or TDX, and at least one PCR"),
        ({"AzureVTPM": {"SEVSNP": {"Measurement": MRTD}}}, "at least one PCR"),
        ({"AzureVTPM": {"SEVSNP": {}, "PCR11": ENCLAVE}}, "r.json /AzureVTPM/SEVSNP: expected Measurement"),
        ({"AzureVTPM": {"SEVSNP": 5, "PCR11": ENCLAVE}}, "r.json /AzureVTPM/SEVSNP: expected an object"),
        ({"AllOf": {}}, "r.json /AllOf: expected a list of objects, got dict"),
        ({"AllOf": []}, "expected one part of processors, and one for each GPU"),
        ({"AllOf": [{"TDX": {"MRTD": MRTD}}]}, "r.json /AllOf: expected one part of processors"),
        ({"AllOf": [{"NvidiaGPU": {"RIMs": True}}]}, "r.json /AllOf: expected one part of processors"),
        ({"AllOf": [{}, {"NvidiaGPU": {"RIMs": True}}]}, "r.json /AllOf/0: expected one of TDX, SGX"),
        (
            {"AllOf": [{"TDX": {"MRTD": MRTD}}, {"NvidiaGPU": {"RIMs": False}}]},
            "/AllOf/1/NvidiaGPU: .*RIMs true",
        ),
        ({"AllOf": [{"TDX": {"MRTD": MRTD}}, {"NvidiaGPU": {"Models": []}}]}, "/NvidiaGPU/Models: .*unknown key"),
        ({"AllOf": [{"TDX": {}}, {"NvidiaGPU": {"RIMs": True}}]}, "r.json /AllOf/0/TDX/MRTD: expected a measurement"),
        ({"UniqueID": ENCLAVE, "Debug": "no"}, "r.json /Debug: expected true or false"),
        ({"Debug": True}, "expected TDX, SGX, SEVSNP, Nitro, CCA, AzureVTPM, UniqueID"),
    ],
)
def test_anything_else_is_refused_with_its_place(document: object, place: str) -> None:
    with pytest.raises(ReferenceFormatError, match=place):
        parse(document)


@pytest.mark.parametrize("raw", [b"TDX:\n- MRTD\n", b"\xff", b'{"TDX":{},"TDX":{}}', b"NaN", b"[" * 20000, b"{} {}"])
def test_what_is_neither_json_nor_plain_yaml_is_refused(raw: bytes) -> None:
    with pytest.raises(ReferenceFormatError, match=r"r.json: expected reference values in JSON or plain YAML: "):
        parse_reference(raw, name="r.json")


def test_what_a_development_coordinator_writes_is_read() -> None:
    raw = f"# Reference values of this coordinator.\nTDX:\n  MRTD: {MRTD}\n".encode()
    assert parse({"TDX": {"MRTD": MRTD}}) == parse_reference(raw, name="r.json")


def test_a_document_over_the_limit_is_refused() -> None:
    with pytest.raises(ReferenceFormatError, match="at most 65536 bytes"):
        parse_reference(b" " * 65537, name="r.json")


keys = st.sampled_from(["TDX", "SGX", "MRTD", "RTMR0", "UniqueID", "Debug", "ProductID", "AcceptedTCBStatuses", "x"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([MRTD, ENCLAVE, ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


@given(values)
@run(max_examples=150)
def test_no_document_makes_it_fail_in_any_other_way(document: object) -> None:
    try:
        found = parse(document)
    except ReferenceFormatError:
        return
    assert found
