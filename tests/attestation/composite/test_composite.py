"""A processor and its GPUs together: every part is verified, and that they belong together."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.anchors import TrustAnchors
from attestation.appraisal import DefaultPolicy, Outcome, judge
from attestation.binding import Bound, Unbound, of_certificate, of_device
from attestation.checks import Status
from attestation.claims import Claims, ReferenceValues, TcbStatus
from attestation.composite.claims import CompositeReferenceValues
from attestation.composite.format import Parts, encode_composite, parse_composite
from attestation.endorsements import Endorsements
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence, recognise
from attestation.kinds import Kind
from attestation.nvidia_gpu.claims import NvidiaGpuReferenceValues
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.nvidia import SimulatedNvidia, new_nvidia
from attestation.simulation.nvidia_issue import endorsements, issue
from attestation.simulation.vendor import SimulatedVendor
from attestation.tdx.claims import TdxReferenceValues
from attestation.verification import Verification
from attestation.verify import Verifier

MRTD = bytes([7]) * 48
NONCE = of_certificate(b"a certificate", b"a nonce")
REPORT_DATA = NONCE.report_data
PROGRAM = TdxReferenceValues(mrtd=MRTD)
GPU = NvidiaGpuReferenceValues()


@pytest.fixture(scope="module")
def nvidia(now: datetime) -> SimulatedNvidia:
    return new_nvidia(now)


@pytest.fixture(scope="module")
def verifier(vendor: SimulatedVendor, anchors: TrustAnchors, nvidia: SimulatedNvidia) -> Verifier:
    for pem in nvidia.trust_pems:
        anchors = anchors.with_simulated(pem)
    given_by_nvidia = Endorsements(sections={Kind.NVIDIA_GPU: tuple(endorsements(nvidia).to_json())})
    return Verifier(anchors, vendor.endorsements.and_those(given_by_nvidia))


@pytest.fixture(scope="module")
def cpu(vendor: SimulatedVendor) -> Evidence:
    return QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(TrustDomain(MRTD), REPORT_DATA)


@pytest.fixture(scope="module")
def gpu(nvidia: SimulatedNvidia) -> Evidence:
    return issue(nvidia.gpu, of_device(REPORT_DATA).report_data[:32])


def composite(cpu: Evidence, *devices: Evidence) -> Evidence:
    evidence = encode_composite(Parts(cpu, devices))
    assert evidence == recognise(evidence.raw)
    return evidence


def refused(verification: Verification) -> list[str]:
    return [check.name for check in verification.checks if check.status is Status.FAILED]


def test_a_processor_and_its_gpu_are_verified_together(verifier, cpu, gpu, now) -> None:
    verification = verifier.verify(composite(cpu, gpu), NONCE, now=now)

    assert verification.genuine
    assert verification.simulated
    claims = verification.claims
    assert (Kind.COMPOSITE, REPORT_DATA, MRTD) == (claims.kind, claims.report_data, claims.measurements["tdx.mrtd"])
    assert 48 == len(claims.measurements["nvidia-gpu.measurement_1"])
    assert ("tdx nvidia-gpu", TcbStatus.UP_TO_DATE) == (claims.details["parts"], claims.tcb_status)
    assert claims.details["nvidia-gpu.model"]
    names = {check.name for check in verification.checks}
    assert {"composite.class", "tdx/binding.report-data", "nvidia-gpu/binding.report-data"} <= names
    assert Outcome.AFFIRMING is judge(verification, DefaultPolicy()).outcome


def test_every_part_is_appraised(verifier, cpu, gpu, now) -> None:
    verification = verifier.verify(composite(cpu, gpu), NONCE, now=now)

    def outcome(*values) -> tuple[Outcome, list[str]]:
        verdict = judge(verification, (CompositeReferenceValues(values),))
        return verdict.outcome, [c.name for c in verdict.checks if c.status is Status.FAILED]

    assert (Outcome.AFFIRMING, []) == outcome(PROGRAM, GPU)
    assert (Outcome.CONTRAINDICATED, ["composite.parts"]) == outcome(PROGRAM)
    assert (Outcome.CONTRAINDICATED, ["composite.parts"]) == outcome(GPU)
    assert (Outcome.CONTRAINDICATED, ["composite.identity"]) == outcome()
    other_program = replace(PROGRAM, mrtd=bytes(48))
    assert (Outcome.CONTRAINDICATED, ["tdx/tdx.mrtd", "composite.parts"]) == outcome(other_program, GPU)
    other_gpu = replace(GPU, models=("GB100",))
    assert (Outcome.CONTRAINDICATED, ["nvidia-gpu/gpu.model", "composite.parts"]) == outcome(PROGRAM, other_gpu)


def test_each_demand_has_a_device_of_its_own_in_whichever_order_they_stand(verifier, nvidia, cpu, gpu, now) -> None:
    second = issue(nvidia.new_gpu("GH100"), of_device(REPORT_DATA).report_data[:32])
    one = verifier.verify(composite(cpu, gpu), NONCE, now=now).claims
    two = verifier.verify(composite(cpu, gpu, second), NONCE, now=now).claims
    first_only = replace(GPU, devices=frozenset({two.parts[1].hardware_id}))

    def failed(claims: Claims, *values: ReferenceValues) -> list[str]:
        return [c.name for c in CompositeReferenceValues(values).appraise(claims) if c.status is Status.FAILED]

    assert [] == failed(two, PROGRAM, GPU)
    assert [] == failed(two, PROGRAM, GPU, GPU)
    assert [] == failed(two, PROGRAM, GPU, first_only) == failed(two, PROGRAM, first_only, GPU)
    assert ["composite.parts"] == failed(one, PROGRAM, GPU, GPU)
    assert ["composite.parts"] == failed(two, PROGRAM, GPU, GPU, GPU)
    assert ["composite.parts"] == failed(two, PROGRAM, first_only, first_only, GPU)


def test_values_for_the_processor_alone_do_not_accept_the_composite(verifier, cpu, gpu, now) -> None:
    verification = verifier.verify(composite(cpu, gpu), NONCE, now=now)

    assert Outcome.CONTRAINDICATED is judge(verification, (PROGRAM, GPU)).outcome


def test_a_gpu_that_was_asked_for_another_processor_is_refused(verifier, cpu, nvidia, now) -> None:
    for nonce in (REPORT_DATA[:32], of_device(bytes(64)).report_data[:32], bytes(32)):
        verification = verifier.verify(composite(cpu, issue(nvidia.gpu, nonce)), NONCE, now=now)
        assert ["nvidia-gpu/binding.report-data"] == refused(verification)
        assert not verification.genuine


def test_the_processor_is_bound_to_what_the_peer_wants_and_the_gpu_to_the_processor(verifier, cpu, gpu, now) -> None:
    other = verifier.verify(composite(cpu, gpu), Bound(bytes(64), "zeros"), now=now)
    nobody = verifier.verify(composite(cpu, gpu), Unbound(), now=now)

    assert ["tdx/binding.report-data"] == refused(other)
    assert not other.genuine
    assert nobody.genuine


def test_one_gpu_does_not_stand_for_two(verifier, cpu, gpu, nvidia, now) -> None:
    second = issue(nvidia.new_gpu("GH100"), of_device(REPORT_DATA).report_data[:32])

    twice = verifier.verify(composite(cpu, gpu, gpu), NONCE, now=now)
    again = verifier.verify(
        composite(cpu, gpu, issue(nvidia.gpu, of_device(REPORT_DATA).report_data[:32])), NONCE, now=now
    )
    two = verifier.verify(composite(cpu, gpu, second), NONCE, now=now)

    assert ["composite.devices"] == refused(twice) == refused(again)
    assert not twice.genuine
    assert "composite.devices" not in refused(two)
    assert "nvidia-gpu#2.measurement_1" in two.claims.measurements


def test_a_simulated_gpu_beside_genuine_hardware_is_refused(case: Callable, verifier, anchors, nvidia, now) -> None:
    real = case("tdx-01")
    trust = anchors
    for pem in nvidia.trust_pems:
        trust = trust.with_simulated(pem)
    cpu = recognise(real.quote)
    report_data = Verifier(trust, real.endorsements).verify(cpu, Unbound(), now=real.at).claims.report_data
    gpu = issue(nvidia.gpu, of_device(report_data).report_data[:32])

    verification = Verifier(trust, real.endorsements).verify(composite(cpu, gpu), Unbound(), now=real.at)

    assert "composite.class" in refused(verification)
    assert not verification.genuine


def test_genuine_anchors_refuse_the_simulated_composite(vendor, cpu, gpu, now) -> None:
    verification = Verifier(TrustAnchors.genuine(), vendor.endorsements).verify(composite(cpu, gpu), NONCE, now=now)

    assert not verification.genuine
    assert {"tdx/pck.chain", "nvidia-gpu/gpu.chain"} <= set(refused(verification))


def test_an_sgx_enclave_may_be_the_processors_part(vendor, verifier, gpu, now) -> None:
    enclave = Enclave(bytes(32), bytes(32))
    sgx = QuotingEnclave(vendor.machine, Kind.SGX).quote_enclave(enclave, REPORT_DATA)

    verification = verifier.verify(composite(sgx, gpu), NONCE, now=now)

    assert verification.genuine
    assert "sgx.mrenclave" in verification.claims.measurements


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("cpu"), "one processor and 1 to 16 GPUs, got 0 and 1"),
        (lambda d: d.pop("gpu-0"), "one processor and 1 to 16 GPUs, got 1 and 0"),
        (lambda d: d.update({"another": d["cpu"]}), "got 2 and 1"),
        (lambda d: d.update({f"gpu-{n}": d["gpu-0"] for n in range(17)}), "got 1 and 17"),
        (lambda d: d.update({"__cmwc_t": "2.25.1"}), "expected a CMW collection of type 2.25."),
        (lambda d: d.update({"CPU": d.pop("cpu")}), "expected names of a-z, 0-9 and -"),
        (lambda d: d.update({"cpu": [d["gpu-0"][0], *d["cpu"][1:]]}), "/cpu: CMW: media type says nvidia-gpu"),
        (lambda d: d.update({"cpu": [*d["cpu"][:2], 8]}), "/cpu: CMW: expected [media type, value, 4]"),
        (lambda d: d.update({"cpu": ["text/plain", *d["cpu"][1:]]}), "/cpu: CMW: expected one of"),
        (lambda d: d.update({"cpu": [d["cpu"][0], d["cpu"][1] + "=", 4]}), "/cpu: CMW value: expected base64url"),
        (lambda d: d.update({"cpu": {"__cmwc_t": "2.25.1"}}), "/cpu: CMW: expected [media type, value, 4]"),
    ],
)
def test_a_collection_that_is_not_as_it_must_be_is_refused_with_its_reason(
    verifier, cpu, gpu, now, change, words
) -> None:
    evidence = composite(cpu, gpu)
    document = json.loads(evidence.raw)
    change(document)

    verification = verifier.verify(replace(evidence, raw=json.dumps(document).encode()), NONCE, now=now)

    (check,) = verification.checks
    assert ("composite.format", Status.FAILED) == (check.name, check.status)
    assert words in check.found
    assert not verification.genuine


def test_a_composite_in_a_composite_and_a_name_that_stands_twice_are_refused(cpu, gpu) -> None:
    inner = composite(cpu, gpu)
    with pytest.raises(EvidenceFormatError, match="got a composite"):
        parse_composite(encode_composite(Parts(inner, (gpu,))).raw)
    twice = inner.raw.replace(b'"gpu-0"', b'"cpu"')
    with pytest.raises(EvidenceFormatError, match="stands twice"):
        parse_composite(twice)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(min_value=0, max_value=1 << 20), value=st.binary(max_size=3))
def test_no_change_to_a_composite_makes_the_verifier_fail_or_believe_another(verifier, cpu, gpu, at, value) -> None:
    """Of a chain in PEM some bytes mean nothing; so the claims are compared, and not the bytes."""
    evidence = composite(cpu, gpu)
    at %= len(evidence.raw)
    changed = evidence.raw[:at] + value + evidence.raw[at + len(value) :]
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    verification = verifier.verify(replace(evidence, raw=changed), NONCE, now=now)

    if verification.genuine:
        assert verifier.verify(evidence, NONCE, now=now).claims == verification.claims


@given(raw=st.binary(max_size=300) | st.text(max_size=200).map(lambda text: ('{"__cmwc_t":' + text).encode()))
def test_any_bytes_are_a_composite_or_refused(raw: bytes) -> None:
    try:
        parts = parse_composite(raw)
    except EvidenceFormatError:
        return
    assert parts.devices
