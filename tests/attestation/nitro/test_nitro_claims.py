"""What a manifest may demand of a Nitro enclave, each demand with its twin that passes."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from attestation.appraisal import Outcome, appraise, judge
from attestation.binding import Bound
from attestation.checks import Status
from attestation.claims import Claims, TcbStatus
from attestation.kinds import Kind
from attestation.nitro.claims import NitroReferenceValues
from attestation.nitro.verify import NitroVerifier
from attestation.simulation.aws import NitroEnclave, SimulatedAws
from attestation.verification import Verification

REPORT_DATA = bytes(range(64))


@pytest.fixture
def verification(aws: SimulatedAws, simulated: NitroVerifier, enclave: NitroEnclave, now: datetime) -> Verification:
    evidence = aws.document(replace(enclave, nonce=b"nonce", public_key=b"key"), REPORT_DATA, now=now)
    return simulated.verify(evidence, Bound(REPORT_DATA, "a test"), now=now + timedelta(minutes=10))


def good(enclave: NitroEnclave) -> NitroReferenceValues:
    return NitroReferenceValues(
        pcrs=dict(enclave.pcrs),
        user_data=REPORT_DATA,
        nonce=b"nonce",
        public_key=b"key",
        max_age=timedelta(minutes=10),
        sources={"": "manifest.yaml:9 /Packages/web/Nitro"},
    )


def test_everything_that_may_be_demanded_is_met_by_the_enclave_that_is_meant(
    verification: Verification, enclave: NitroEnclave
) -> None:
    appraisal = appraise(verification.attested(), (good(enclave),))

    assert appraisal.accepted
    assert all(check.source == "manifest.yaml:9 /Packages/web/Nitro" for check in appraisal.checks)
    assert Outcome.AFFIRMING is judge(verification, (good(enclave),)).outcome
    assert TcbStatus.NOT_APPLICABLE is verification.claims.tcb_status


OTHER = bytes([0xEE]) * 48


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *((f"nitro.pcr{i}", {"pcrs": {0: bytes([0x10]) * 48, i: OTHER}}) for i in (0, 1, 2, 3, 4, 8)),
        ("nitro.pcr16", {"pcrs": {0: bytes([0x10]) * 48, 16: OTHER}}),
        ("nitro.user-data", {"user_data": bytes(64)}),
        ("nitro.nonce", {"nonce": b""}),
        ("nitro.public-key", {"public_key": b"another"}),
        ("nitro.max-age", {"max_age": timedelta(seconds=599)}),
        ("nitro.debug", {"debug": True}),
        ("nitro.identity", {"pcrs": {}}),
        ("nitro.identity", {"pcrs": {3: bytes([0x13]) * 48, 4: bytes([0x14]) * 48}}),
    ],
)
def test_a_demand_that_is_missed_is_named_with_what_was_expected_and_found(
    verification: Verification, enclave: NitroEnclave, name: str, changes: dict[str, Any]
) -> None:
    appraisal = appraise(verification.attested(), (replace(good(enclave), **changes),))

    assert not appraisal.accepted
    (check,) = [c for c in appraisal.checks if c.status is not Status.PASSED]
    assert name == check.name
    assert check.expected != check.found
    assert check.code
    assert check.hint


def test_one_register_of_the_program_is_enough(verification: Verification, enclave: NitroEnclave) -> None:
    for number in (0, 1, 2, 8):
        values = NitroReferenceValues(pcrs={number: enclave.pcrs[number]})
        assert appraise(verification.attested(), (values,)).accepted


def test_a_debuggable_enclave_is_accepted_only_by_who_says_so_and_names_its_zeros(
    aws: SimulatedAws, simulated: NitroVerifier, enclave: NitroEnclave, now: datetime
) -> None:
    evidence = aws.document(enclave.debuggable(), REPORT_DATA, now=now)
    attested = simulated.verify(evidence, Bound(REPORT_DATA, "a test"), now=now).attested()
    zeros = {i: bytes(48) for i in (0, 1, 2)}

    assert appraise(attested, (NitroReferenceValues(pcrs=zeros, debug=True),)).accepted
    assert not appraise(attested, (NitroReferenceValues(pcrs=zeros),)).accepted
    assert not appraise(attested, (NitroReferenceValues(debug=True),)).accepted


def test_a_signer_of_zeros_names_nobody(
    aws: SimulatedAws, simulated: NitroVerifier, enclave: NitroEnclave, now: datetime
) -> None:
    unsigned = NitroEnclave({**enclave.pcrs, 8: bytes(48)})
    evidence = aws.document(unsigned, REPORT_DATA, now=now)
    attested = simulated.verify(evidence, Bound(REPORT_DATA, "a test"), now=now).attested()

    assert not appraise(attested, (NitroReferenceValues(pcrs={8: bytes(48)}),)).accepted
    assert not appraise(attested, (NitroReferenceValues(pcrs={8: bytes(48)}, debug=True),)).accepted


def test_claims_that_could_not_be_read_meet_nothing() -> None:
    unread = Claims(Kind.NITRO, False, b"", {}, None, (), None, "", {"age_seconds": 0})

    checks = NitroReferenceValues(pcrs={0: bytes(48)}).appraise(unread)

    assert Status.FAILED is checks[0].status
    assert "none" == checks[0].found
