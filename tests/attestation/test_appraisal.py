"""Wanted?  Every demand has its twin that passes, one field apart; a refusal says what, where and what next."""

from dataclasses import replace

import pytest

from attestation.anchors import TrustAnchors
from attestation.appraisal import DefaultPolicy, Outcome, appraise, judge
from attestation.binding import Bound, Unbound
from attestation.checks import Check, Status
from attestation.claims import TcbPolicy, TcbStatus
from attestation.codes import CODES
from attestation.evidence import recognise
from attestation.kinds import Kind
from attestation.sgx.claims import SgxReferenceValues
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor
from attestation.tdx.claims import TdxReferenceValues
from attestation.verification import Attested, NotGenuine
from attestation.verify import Verifier

ENCLAVE = Enclave(mrenclave=b"\1" * 32, mrsigner=b"\2" * 32, product_id=7, svn=3)
DOMAIN = TrustDomain(b"\3" * 48, rtmrs=(b"\4" * 48, bytes(48), bytes(48), b"\5" * 48), mrconfigid=b"\6" * 48)
SGX = SgxReferenceValues(mrenclave=b"\1" * 32, mrsigner=b"\2" * 32, isvprodid=7, isvsvn=3)
TDX = TdxReferenceValues(mrtd=b"\3" * 48, rtmrs={0: b"\4" * 48, 3: b"\5" * 48}, mrconfigid=b"\6" * 48)
MIGRATABLE = bytes.fromhex("0000003000000000")


@pytest.fixture(scope="session")
def attest(vendor: SimulatedVendor, verifier: Verifier, now):
    """Attested Claims of a simulated enclave or trust domain, on a machine of some patch level."""

    def attested(program: Enclave | TrustDomain, status: TcbStatus = TcbStatus.UP_TO_DATE) -> Attested:
        machine = vendor.new_machine(status)
        if isinstance(program, Enclave):
            evidence = QuotingEnclave(machine, Kind.SGX).quote_enclave(program, bytes(64))
        else:
            evidence = QuotingEnclave(machine, Kind.TDX).quote_trust_domain(program, bytes(64), version=5)
        return verifier.verify(evidence, Unbound(), now=now).attested()

    return attested


def failed(checks: tuple[Check, ...]) -> list[str]:
    return [check.name for check in checks if check.status is not Status.PASSED]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({}, []),
        ({"mrenclave": bytes(32)}, ["sgx.mrenclave"]),
        ({"mrsigner": bytes(32)}, ["sgx.mrsigner"]),
        ({"isvprodid": 8}, ["sgx.isvprodid"]),
        ({"isvprodid": None}, []),
        ({"isvsvn": 2}, []),
        ({"isvsvn": 4}, ["sgx.isvsvn"]),
        ({"debug": True}, ["sgx.debug"]),
        ({"mrenclave": None}, []),
        ({"mrenclave": None, "mrsigner": None}, ["sgx.identity"]),
        ({"mrsigner": bytes(32), "isvsvn": 9, "debug": True}, ["sgx.mrsigner", "sgx.isvsvn", "sgx.debug"]),
    ],
)
def test_an_enclave_is_accepted_exactly_as_demanded(attest, change: dict, names: list[str]) -> None:
    appraisal = appraise(attest(ENCLAVE), (replace(SGX, **change),))

    assert names == failed(appraisal.checks)
    assert (not names) is appraisal.accepted


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({}, []),
        ({"mrtd": bytes(48)}, ["tdx.mrtd"]),
        ({"rtmrs": {0: b"\4" * 48, 1: b"\1" * 48}}, ["tdx.rtmr1"]),
        ({"mrconfigid": bytes(48)}, ["tdx.mrconfigid"]),
        ({"mrowner": b"\1" * 48, "mrownerconfig": b"\1" * 48}, ["tdx.mrowner", "tdx.mrownerconfig"]),
        ({"debug": True}, ["tdx.debug"]),
        ({"mrtd": None, "rtmrs": {}, "mrconfigid": None}, ["tdx.identity"]),
        ({"mrservicetd": b"\1" * 48}, ["tdx.service-td"]),
    ],
)
def test_a_trust_domain_is_accepted_exactly_as_demanded(attest, change: dict, names: list[str]) -> None:
    appraisal = appraise(attest(DOMAIN), (replace(TDX, **change),))

    assert names == failed(appraisal.checks)
    assert (not names) is appraisal.accepted


def test_debug_must_equal_the_evidence_both_ways(attest) -> None:
    for values, program in ((SGX, replace(ENCLAVE, debug=True)), (TDX, DOMAIN.debuggable())):
        debuggable = attest(program)
        assert not appraise(debuggable, (values,)).accepted
        assert appraise(debuggable, (replace(values, debug=True),)).accepted


def test_a_trust_domain_that_could_move_is_refused_unless_its_mover_is_named(attest) -> None:
    movable = replace(DOMAIN, attributes=MIGRATABLE, mrservicetd=b"\7" * 48)

    assert ["tdx.migratable", "tdx.service-td"] == failed(appraise(attest(movable), (TDX,)).checks)
    assert appraise(attest(movable), (replace(TDX, mrservicetd=b"\7" * 48),)).accepted


@pytest.mark.parametrize("status", [s for s in TcbStatus if s not in (TcbStatus.UP_TO_DATE, TcbStatus.NOT_APPLICABLE)])
def test_a_status_passes_only_when_it_is_listed(attest, status: TcbStatus) -> None:
    attested = attest(DOMAIN, status)

    assert ["tcb.status"] == failed(appraise(attested, (TDX,)).checks)
    listed = replace(TDX, tcb=TcbPolicy(frozenset({status})))
    assert appraise(attested, (listed,)).accepted


def test_an_advisory_passes_only_when_it_is_listed_in_any_case(attest) -> None:
    attested = attest(DOMAIN, TcbStatus.SW_HARDENING_NEEDED)
    statuses = frozenset({TcbStatus.SW_HARDENING_NEEDED})

    other = replace(TDX, tcb=TcbPolicy(statuses, frozenset({"INTEL-SA-00001"})))
    assert ["tcb.advisories"] == failed(appraise(attested, (other,)).checks)
    listed = replace(TDX, tcb=TcbPolicy(statuses, frozenset({"sim-sa-00001"})))
    assert appraise(attested, (listed,)).accepted


def test_one_alternative_is_enough_and_every_tried_one_keeps_its_reasons(attest) -> None:
    wrong, right = replace(TDX, mrtd=bytes(48)), TDX

    assert appraise(attest(DOMAIN), (wrong, SGX, right)).accepted
    refused = appraise(attest(DOMAIN), (wrong, replace(TDX, debug=True), SGX))
    assert ["tdx.mrtd", "tdx.debug"] == failed(refused.checks)


def test_no_alternative_of_the_kind_accepts_nothing(attest) -> None:
    for alternatives, words in (((SGX,), "sgx"), ((), "no kind: no reference values are given")):
        appraisal = appraise(attest(DOMAIN), alternatives)
        assert not appraisal.accepted
        assert [(words, "tdx")] == [(c.expected, c.found) for c in appraisal.checks]


def test_a_refusal_says_what_was_expected_found_where_and_what_next(attest) -> None:
    values = replace(TDX, mrtd=bytes(48), sources={"mrtd": "manifest.yaml:12 /Packages/web/TDX/MRTD", "": "whole"})

    checks = {c.name: c for c in appraise(attest(DOMAIN), (values,)).checks}

    mrtd = checks["tdx.mrtd"]
    assert ("00" * 48, "03" * 48, "manifest.yaml:12 /Packages/web/TDX/MRTD") == (mrtd.expected, mrtd.found, mrtd.source)
    assert (mrtd.code, mrtd.hint) == ("V124", CODES["V124"][1])
    assert "whole" == checks["tdx.rtmr0"].source


def test_the_verdict_follows_the_default_policy(vendor: SimulatedVendor, verifier: Verifier, now) -> None:
    outcomes: dict[TcbStatus, Outcome] = {}
    for status in (s for s in TcbStatus if s is not TcbStatus.NOT_APPLICABLE):
        evidence = QuotingEnclave(vendor.new_machine(status), Kind.TDX).quote_trust_domain(DOMAIN, bytes(64))
        verdict = judge(verifier.verify(evidence, Unbound(), now=now), DefaultPolicy())
        assert verdict.genuine
        assert verdict.simulated
        outcomes[status] = verdict.outcome

    warned = (
        TcbStatus.SW_HARDENING_NEEDED,
        TcbStatus.CONFIGURATION_NEEDED,
        TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED,
    )
    assert Outcome.AFFIRMING is outcomes.pop(TcbStatus.UP_TO_DATE)
    assert [Outcome.WARNING] * 3 == [outcomes.pop(status) for status in warned]
    assert {Outcome.CONTRAINDICATED} == set(outcomes.values())


def test_a_debuggable_domain_is_genuine_and_contraindicated(vendor: SimulatedVendor, verifier: Verifier, now) -> None:
    evidence = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(DOMAIN.debuggable(), bytes(64))

    verdict = judge(verifier.verify(evidence, Unbound(), now=now), DefaultPolicy())

    assert (Outcome.CONTRAINDICATED, True) == (verdict.outcome, verdict.genuine)
    assert ["binding.report-data", "policy.debug"] == failed(verdict.checks)


def test_the_json_of_a_verdict_has_its_stable_keys(vendor: SimulatedVendor, verifier: Verifier, now) -> None:
    evidence = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(DOMAIN, bytes(64))

    document = judge(verifier.verify(evidence, Bound(bytes(64), "zeros"), now=now), (TDX,)).as_json()

    assert ["verdict", "genuine", "platform", "simulated", "claims", "checks"] == list(document)
    assert ("affirming", True, "tdx", True) == tuple(list(document.values())[:4])
    claims = document["claims"]
    assert (False, "UpToDate", [], "00" * 64) == tuple(
        claims[name] for name in ("debuggable", "tcb_status", "advisories", "report_data")
    )
    assert "03" * 48 == claims["measurements"]["mrtd"]
    assert {"name", "status", "expected", "found", "source", "hint", "code"} == set(document["checks"][0])
    assert {"passed"} == {check["status"] for check in document["checks"]}


def test_evidence_for_another_key_is_not_genuine_and_gives_no_proof(
    vendor: SimulatedVendor, verifier: Verifier, now
) -> None:
    evidence = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(DOMAIN, b"\1" * 64)

    assert verifier.verify(evidence, Bound(b"\1" * 64, "the key"), now=now).attested().simulated
    verification = verifier.verify(evidence, Bound(b"\2" * 64, "the key"), now=now)
    with pytest.raises(NotGenuine) as refused:
        verification.attested()
    assert ["binding.report-data"] == [c.name for c in refused.value.checks]
    assert Outcome.CONTRAINDICATED is judge(verification, DefaultPolicy()).outcome


def test_simulated_evidence_is_refused_in_words_where_nobody_configured_its_root(
    vendor: SimulatedVendor, anchors: TrustAnchors, now
) -> None:
    evidence = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(DOMAIN, bytes(64))

    verdict = judge(
        Verifier(TrustAnchors.genuine(), vendor.endorsements).verify(evidence, Unbound(), now=now), DefaultPolicy()
    )

    assert (Outcome.CONTRAINDICATED, False, True) == (verdict.outcome, verdict.genuine, verdict.simulated)
    (check,) = [c for c in verdict.checks if c.name == "anchor.class"]
    assert check.found.startswith("signed by a simulated vendor; its root (key ")
    assert "--trust" in check.hint
    configured = Verifier(anchors, vendor.endorsements).verify(evidence, Unbound(), now=now)
    assert (True, True) == (configured.genuine, configured.simulated)


@pytest.mark.parametrize(
    ("kind", "version"), [(Kind.SGX, 3), (Kind.SGX, 4), (Kind.SGX, 5), (Kind.TDX, 4), (Kind.TDX, 5)]
)
def test_every_version_of_quote_gives_the_same_claims(
    vendor: SimulatedVendor, verifier: Verifier, now, kind: Kind, version: int
) -> None:
    quoting_enclave = QuotingEnclave(vendor.machine, kind)
    if kind is Kind.SGX:
        evidence = quoting_enclave.quote_enclave(ENCLAVE, b"\1" * 64, version)
    else:
        evidence = quoting_enclave.quote_trust_domain(DOMAIN, b"\1" * 64, version)

    attested = verifier.verify(recognise(evidence.raw), Bound(b"\1" * 64, "ones"), now=now).attested()

    assert appraise(attested, (SGX, TDX)).accepted
    assert "f0f1f2f3f4f5" == attested.claims.details["fmspc"]


def test_every_code_of_a_check_is_explained() -> None:
    assert all(title and hint for title, hint in CODES.values())
    assert {"V1", "V2", "V3"} == {code[:2] for code in CODES}
