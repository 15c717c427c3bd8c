"""Azure's vTPM evidence: recorded machines, forgeries that one check alone finds, demands with their twins."""

import base64
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.appraisal import DefaultPolicy, Outcome, appraise, judge
from attestation.azure_vtpm.claims import AzureVtpmReferenceValues
from attestation.azure_vtpm.format import (
    container_of_files,
    encode_container,
    parse_evidence,
    parse_hcl_report,
    parse_runtime_data,
)
from attestation.azure_vtpm.tpm import parse_quote
from attestation.azure_vtpm.verify import AzureVtpmVerifier
from attestation.binding import Bound, Unbound
from attestation.checks import Status
from attestation.endorsements import Endorsements, parse_bundle
from attestation.errors import EvidenceFormatError
from attestation.evidence import MAX_EVIDENCE_BYTES, Evidence
from attestation.kinds import Kind
from attestation.sev_snp.claims import SevSnpReferenceValues
from attestation.sev_snp.endorsements import SevSnpEndorsements
from attestation.simulation.amd import Guest, SimulatedAmd
from attestation.simulation.azure import SimulatedAzureMachine, hcl_report, on_chip, quote_message
from attestation.starts import kind_by_start
from attestation.tdx.claims import TdxReferenceValues
from attestation.verification import Verification

VECTORS = Path(__file__).parents[2] / "vectors"
CASES = sorted((VECTORS / "azure_vtpm").glob("*-*"))
TDX_COLLATERAL = VECTORS / "dcap" / "tdx-09-v4-azure-no-sept-ve-disable" / "collateral.json"
DATA = bytes(range(64))
NONCE = sha256(DATA).digest()
BOUND = Bound(DATA, "these bytes")
CHALLENGE = Bound(b"challenge".ljust(64, b"\0"), "the word 'challenge'")
MEASUREMENT = bytes([0x77]) * 48
SEED = 20261125


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def verify_case(make: Callable[..., AzureVtpmVerifier], folder: Path, raw: bytes | None = None) -> Verification:
    files = files_of(folder)
    facts = json.loads(files["case.json"])
    verifier = make(SevSnpEndorsements.from_files(files), parse_bundle(TDX_COLLATERAL.read_bytes()))
    evidence = Evidence(Kind.AZURE_VTPM, container_of_files(files) if raw is None else raw)
    return verifier.verify(evidence, Unbound(), now=datetime.fromisoformat(facts["verify_at"].split(" (")[0]))


def problems(verification: Verification) -> set[str]:
    return {c.name for c in verification.checks if c.status is not Status.PASSED and c.name != "sev-snp.crl"}


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_recorded_machine_says_what_is_known_of_it(folder: Path, genuine_verifier: Callable) -> None:
    files = files_of(folder)
    known = json.loads(files["case.json"])["measurements"]

    verification = verify_case(genuine_verifier, folder)

    claims = verification.claims
    assert verification.genuine
    assert verification.complete
    assert not verification.simulated
    assert known["pcrs"] == [claims.measurements[f"pcr{number}"].hex() for number in range(24)]
    inner = "mrtd" if "tdx" in folder.name else "measurement"
    assert known[inner] == claims.measurements[inner].hex()
    assert known["report_data"] == claims.details["hardware_report_data"]
    assert claims.details["secure_boot"] is True
    assert kind_by_start(container_of_files(files)) is Kind.AZURE_VTPM


def test_recorded_machines_are_judged_by_their_hardware(genuine_verifier: Callable) -> None:
    outcomes = [judge(verify_case(genuine_verifier, folder), DefaultPolicy()).outcome for folder in CASES]

    assert [Outcome.AFFIRMING, Outcome.AFFIRMING, Outcome.CONTRAINDICATED] == outcomes


def test_a_recorded_nonce_is_the_binding(genuine_verifier: Callable) -> None:
    folder = CASES[0]
    verifier = genuine_verifier(SevSnpEndorsements.from_files(files_of(folder)), Endorsements.none())
    evidence = Evidence(Kind.AZURE_VTPM, container_of_files(files_of(folder)))
    at = datetime(2025, 3, 1, tzinfo=UTC)

    assert verifier.verify(evidence, CHALLENGE, now=at).genuine
    assert not verifier.verify(evidence, Bound(b"another".ljust(64, b"\0"), "x"), now=at).genuine


@pytest.mark.parametrize(
    ("part", "start", "end"), [("hcl_report.bin", 32, 2346), ("tpm_quote.msg", 0, 122), ("tpm_quote.sig", 0, 256)]
)
def test_a_flipped_bit_in_a_signed_part_is_found(part: str, start: int, end: int, genuine_verifier: Callable) -> None:
    """The report up to its signature's end and the runtime data; the 20 bytes between only say how to read these."""
    chosen = random.Random(f"{SEED} {part}")
    for _ in range(25):
        files = files_of(CASES[0])
        changed = bytearray(files[part])
        at = chosen.randrange(start, end)
        if part == "hcl_report.bin" and 1216 <= at < 1236:
            continue
        changed[at] ^= 1 << chosen.randrange(8)

        assert not verify_case(genuine_verifier, CASES[0], container_of_files({**files, part: bytes(changed)})).genuine


@pytest.mark.parametrize("kind", [Kind.SEV_SNP, Kind.TDX])
def test_a_simulated_machine_passes(
    kind: Kind, machines: Mapping[Kind, SimulatedAzureMachine], check_azure: Callable[..., Verification]
) -> None:
    verification = check_azure(machines[kind].evidence(NONCE), BOUND)

    assert set() == problems(verification)
    assert verification.genuine
    assert verification.simulated
    assert kind == verification.claims.details["hardware"]
    assert len(verification.evidence.raw) < MAX_EVIDENCE_BYTES
    assert Outcome.AFFIRMING is judge(verification, DefaultPolicy()).outcome


@pytest.mark.parametrize("kind", [Kind.SEV_SNP, Kind.TDX])
def test_a_simulated_machine_is_refused_under_the_vendors_roots(
    kind: Kind, machines: Mapping[Kind, SimulatedAzureMachine], genuine_verifier: Callable, now: datetime
) -> None:
    verifier = genuine_verifier(SevSnpEndorsements.none(), Endorsements.none())

    verification = verifier.verify(machines[kind].evidence(NONCE), BOUND, now=now)

    assert not verification.genuine
    assert verification.simulated


def test_a_recorded_machine_is_refused_under_a_simulated_root(azure_verifier: AzureVtpmVerifier) -> None:
    evidence = Evidence(Kind.AZURE_VTPM, container_of_files(files_of(CASES[0])))

    assert not azure_verifier.verify(evidence, CHALLENGE, now=datetime(2025, 3, 1, tzinfo=UTC)).genuine


def repacked(machine: SimulatedAzureMachine, **changes: Any) -> Evidence:
    """The evidence of a machine with some of its parts exchanged."""
    parsed = json.loads(machine.evidence(NONCE).raw)
    for name, value in changes.items():
        if name in ("message", "signature"):
            parsed["tpm_quote"][name] = base64.b64encode(value).decode()
        elif name == "pcrs":
            parsed["pcrs"] = {str(number): pcr.hex() for number, pcr in value.items()}
        else:
            parsed[name] = base64.b64encode(value).decode()
    return Evidence(Kind.AZURE_VTPM, json.dumps(parsed).encode())


def signed(machine: SimulatedAzureMachine, message: bytes, key: rsa.RSAPrivateKey | None = None) -> dict[str, bytes]:
    signature = (key or machine.attestation_key).sign(message, padding.PKCS1v15(), SHA256())
    return {"message": message, "signature": signature}


def forge_runtime_data(machine: SimulatedAzureMachine, amd: SimulatedAmd) -> Evidence:
    hardware = parse_evidence(machine.evidence(NONCE).raw).hcl.hardware_report
    other = replace(machine, secure_boot=False).runtime_data()
    return repacked(machine, hcl_report=hcl_report(Kind.SEV_SNP, hardware, other))


def forge_privilege(machine: SimulatedAzureMachine, amd: SimulatedAmd) -> Evidence:
    guest = on_chip(amd.chip, Guest(MEASUREMENT, vmpl=2))
    return replace(guest, pcrs=machine.pcrs).evidence(NONCE)


def forge_weak_key(machine: SimulatedAzureMachine, amd: SimulatedAmd) -> Evidence:
    return replace(machine, attestation_key=rsa.generate_private_key(65537, 1024)).evidence(NONCE)


def forge_signature(machine: SimulatedAzureMachine, amd: SimulatedAmd) -> Evidence:
    message = parse_evidence(machine.evidence(NONCE).raw).message
    return repacked(machine, **signed(machine, message, rsa.generate_private_key(65537, 2048)))


def forge_pcrs(machine: SimulatedAzureMachine, amd: SimulatedAmd) -> Evidence:
    return repacked(machine, pcrs={**machine.all_pcrs(), 4: bytes([1]) * 32})


def forge_missing_pcr(machine: SimulatedAzureMachine, amd: SimulatedAmd) -> Evidence:
    return repacked(machine, pcrs={number: value for number, value in machine.all_pcrs().items() if number != 7})


def forge_nonce(machine: SimulatedAzureMachine, amd: SimulatedAmd) -> Evidence:
    return machine.evidence(sha256(b"another").digest())


def forge_hardware(machine: SimulatedAzureMachine, amd: SimulatedAmd) -> Evidence:
    other = on_chip(amd.new_chip(19), Guest(MEASUREMENT))
    return replace(other, pcrs=machine.pcrs, certificate_table=amd.chip.table()).evidence(NONCE)


def forge_format(machine: SimulatedAzureMachine, amd: SimulatedAmd) -> Evidence:
    return repacked(machine, hcl_report=b"HCLB" + bytes(3000))


FORGERIES: dict[Callable[[SimulatedAzureMachine, SimulatedAmd], Evidence], set[str]] = {
    forge_format: {"azure-vtpm.format"},
    forge_runtime_data: {"azure-vtpm.runtime-data"},
    forge_privilege: {"azure-vtpm.vmpl"},
    forge_weak_key: {"azure-vtpm.attestation-key", "azure-vtpm.quote-signature"},
    forge_signature: {"azure-vtpm.quote-signature"},
    forge_pcrs: {"azure-vtpm.pcr-digest"},
    forge_missing_pcr: {"azure-vtpm.pcr-digest"},
    forge_nonce: {"binding.report-data"},
    forge_hardware: {"sev-snp.chip-id", "sev-snp.tcb", "sev-snp.signature"},
}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_the_checks_find_each_forgery_and_say_so(
    forge: Callable,
    amd: SimulatedAmd,
    machines: Mapping[Kind, SimulatedAzureMachine],
    check_azure: Callable[..., Verification],
) -> None:
    verification = check_azure(forge(machines[Kind.SEV_SNP], amd), BOUND)

    assert FORGERIES[forge] == problems(verification)
    assert not verification.genuine
    for check in verification.checks:
        if check.status is Status.FAILED:
            assert check.expected
            assert check.found
            assert check.source
            assert check.hint
            assert check.code


def test_a_machine_without_its_td_quote_is_judged_neither_way(
    machines: Mapping[Kind, SimulatedAzureMachine], check_azure: Callable[..., Verification]
) -> None:
    verdict = judge(check_azure(repacked(machines[Kind.TDX], td_quote=b""), BOUND), DefaultPolicy())

    assert Outcome.NONE is verdict.outcome
    assert "acc/tdquote" in next(c.hint for c in verdict.checks if c.name == "azure-vtpm.hardware")


def test_a_machine_without_its_certificates_is_judged_neither_way(
    machines: Mapping[Kind, SimulatedAzureMachine], check_azure: Callable[..., Verification]
) -> None:
    bare = replace(machines[Kind.SEV_SNP], certificate_table=b"")

    assert Outcome.NONE is judge(check_azure(bare.evidence(NONCE), BOUND), DefaultPolicy()).outcome


def test_only_pcrs_that_the_quote_covers_are_claimed(
    machines: Mapping[Kind, SimulatedAzureMachine], check_azure: Callable[..., Verification]
) -> None:
    verification = check_azure(machines[Kind.SEV_SNP].evidence(NONCE, selection=(0, 4)), BOUND)

    assert verification.genuine
    assert {"pcr0", "pcr4"} == {name for name in verification.claims.measurements if name.startswith("pcr")}


def test_evidence_ends_with_its_certificates(
    machines: Mapping[Kind, SimulatedAzureMachine], check_azure: Callable[..., Verification], now: datetime
) -> None:
    evidence = machines[Kind.SEV_SNP].evidence(NONCE)

    assert not check_azure(evidence, BOUND, now + timedelta(days=8 * 365)).genuine
    assert check_azure(evidence, BOUND).genuine


SNP_VALUES = SevSnpReferenceValues(measurement=MEASUREMENT)
DEMANDED = AzureVtpmReferenceValues(SNP_VALUES, pcrs={7: bytes([0xA7]) * 32})
DEMANDS: Mapping[str, tuple[Any, Any, str]] = {
    "pcrs": ({0: bytes([0xA0]) * 32}, {0: bytes(32)}, "azure-vtpm.pcr0"),
    "secure_boot": (True, False, "azure-vtpm.secure-boot"),
    "vm_id": ("51515151-5151-5151-5151-515151515151", "00", "azure-vtpm.vm-id"),
    "user_data": (bytes(64), bytes([1]) * 64, "azure-vtpm.user-data"),
    "hardware": (SNP_VALUES, replace(SNP_VALUES, measurement=bytes(47) + b"\1"), "sev-snp.measurement"),
}


@pytest.mark.parametrize("field", DEMANDS)
def test_each_demand_refuses_what_misses_it(
    field: str, machines: Mapping[Kind, SimulatedAzureMachine], check_azure: Callable[..., Verification]
) -> None:
    claims = check_azure(machines[Kind.SEV_SNP].evidence(NONCE), BOUND).claims
    met, missed, name = DEMANDS[field]

    assert all(c.status is Status.PASSED for c in replace(DEMANDED, **{field: met}).appraise(claims))
    (failure,) = [c for c in replace(DEMANDED, **{field: missed}).appraise(claims) if c.status is not Status.PASSED]
    assert name == failure.name
    assert failure.hint


def test_values_that_leave_out_the_system_or_the_paravisor_are_met_by_nothing(
    machines: Mapping[Kind, SimulatedAzureMachine], check_azure: Callable[..., Verification]
) -> None:
    attested = check_azure(machines[Kind.SEV_SNP].evidence(NONCE), BOUND).attested()

    assert appraise(attested, (DEMANDED,)).accepted
    assert not appraise(attested, (replace(DEMANDED, pcrs={}),)).accepted
    assert not appraise(attested, (replace(DEMANDED, hardware=SevSnpReferenceValues()),)).accepted


def test_values_for_other_hardware_are_not_met(
    machines: Mapping[Kind, SimulatedAzureMachine], check_azure: Callable[..., Verification]
) -> None:
    tdx = replace(DEMANDED, hardware=TdxReferenceValues(mrtd=bytes([0x88]) * 48))
    on_snp, on_tdx = (
        check_azure(machines[kind].evidence(NONCE), BOUND).attested() for kind in (Kind.SEV_SNP, Kind.TDX)
    )

    assert appraise(on_tdx, (tdx,)).accepted
    assert not appraise(on_snp, (tdx,)).accepted
    assert not appraise(on_tdx, (DEMANDED,)).accepted


def test_a_debug_paravisor_is_not_accepted(amd: SimulatedAmd, check_azure: Callable[..., Verification]) -> None:
    machine = on_chip(amd.chip, Guest(MEASUREMENT).debuggable())

    assert Outcome.CONTRAINDICATED is judge(check_azure(machine.evidence(NONCE), BOUND), DefaultPolicy()).outcome


@given(st.binary(max_size=200))
@settings(max_examples=80, deadline=None)
def test_no_bytes_make_the_quote_parser_fail_in_any_other_way(raw: bytes) -> None:
    for candidate in (raw, bytes.fromhex("ff544347801800000000") + raw):
        try:
            quote = parse_quote(candidate)
        except EvidenceFormatError:
            continue
        assert all(number < 24 for number in quote.selection)


@given(
    nonce=st.binary(max_size=66),
    selection=st.lists(st.integers(min_value=0, max_value=23), unique=True).map(lambda numbers: tuple(sorted(numbers))),
)
@settings(max_examples=40, deadline=None)
def test_a_quote_reads_back_as_it_was_written(nonce: bytes, selection: tuple[int, ...]) -> None:
    quote = parse_quote(quote_message(nonce, selection, bytes(32)))

    assert (nonce, selection, bytes(32)) == (quote.extra_data, quote.selection, quote.pcr_digest)
    with pytest.raises(EvidenceFormatError, match="expected its end"):
        parse_quote(quote_message(nonce, selection, bytes(32)) + b"\0")


@given(st.binary(max_size=120) | st.binary(max_size=60).map(lambda raw: b'{"keys":[' + raw + b"]}"))
@settings(max_examples=80, deadline=None)
def test_no_bytes_make_the_runtime_data_parser_fail_in_any_other_way(raw: bytes) -> None:
    with pytest.raises(EvidenceFormatError):
        parse_runtime_data(raw)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {"format": st.just("enclasp-azure-vtpm/1"), "tpm_quote": _json, "pcrs": _json, "hcl_report": _json},
        optional={"td_quote": _json, "certificate_table": _json},
    )
)
@settings(max_examples=60, deadline=None)
def test_no_container_makes_its_parser_fail_in_any_other_way(document: dict[str, object]) -> None:
    with pytest.raises(EvidenceFormatError):
        parse_evidence(json.dumps(document).encode())


@given(at=st.integers(min_value=0, max_value=6000), value=st.integers(min_value=1, max_value=255))
@settings(max_examples=40, deadline=None)
def test_an_altered_container_ends_in_a_verdict(
    at: int, value: int, azure_raw: bytes, azure_verifier: AzureVtpmVerifier
) -> None:
    changed = bytearray(azure_raw)
    changed[at % len(changed)] ^= value

    verification = azure_verifier.verify(
        Evidence(Kind.AZURE_VTPM, bytes(changed)), BOUND, now=datetime(2026, 11, 25, 12, tzinfo=UTC)
    )

    assert verification.checks


@pytest.fixture(scope="session")
def azure_raw(machines: Mapping[Kind, SimulatedAzureMachine]) -> bytes:
    return machines[Kind.SEV_SNP].evidence(NONCE).raw


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "x"}, "expected an object of format"),
        ({"more": 1}, "expected no other keys, got 'more'"),
        ({"pcrs": []}, "expected objects"),
        ({"pcrs": {"24": "00" * 32}}, "a number from 0 to 23"),
        ({"pcrs": {"01": "00" * 32}}, "a number from 0 to 23"),
        ({"pcrs": {"1": "00"}}, "expected 32 bytes in hex"),
        ({"hcl_report": "!"}, "expected base64 text"),
        ({"hcl_report": base64.b64encode(b"HCLA").decode()}, "at least 1236 bytes"),
    ],
)
def test_a_malformed_container_says_where(change: dict[str, object], words: str, azure_raw: bytes) -> None:
    assert parse_evidence(azure_raw).hcl.kind is Kind.SEV_SNP
    with pytest.raises(EvidenceFormatError, match=words):
        parse_evidence(json.dumps({**json.loads(azure_raw), **change}).encode())


def test_a_key_twice_in_json_is_refused(azure_raw: bytes) -> None:
    with pytest.raises(EvidenceFormatError, match="stands twice"):
        parse_evidence(azure_raw[:-1] + b',"td_quote":"","td_quote":""}')


@pytest.mark.parametrize(
    ("offset", "value", "words"),
    [
        (1224, 3, "report type"),
        (1228, 2, "hash type"),
        (1232, 9, "announced size"),
        (1216, 9, "announced size"),
        (2599, 1, "zeros after"),
    ],
)
def test_a_malformed_hcl_report_says_what_is_wrong(offset: int, value: int, words: str) -> None:
    raw = bytearray((CASES[0] / "hcl_report.bin").read_bytes())
    assert parse_hcl_report(bytes(raw)).kind is Kind.SEV_SNP
    raw[offset] = value

    with pytest.raises(EvidenceFormatError, match=words):
        parse_hcl_report(bytes(raw))


def test_a_folder_without_a_part_says_which() -> None:
    files = files_of(CASES[0])
    for name in ("hcl_report.bin", "tpm_quote.msg", "tpm_quote.sig", "pcrs.json"):
        with pytest.raises(EvidenceFormatError, match=name):
            container_of_files({other: content for other, content in files.items() if other != name})
    assert kind_by_start(encode_container(b"", b"", b"", {})[1:]) is not Kind.AZURE_VTPM
