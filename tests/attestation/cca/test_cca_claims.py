"""What a manifest may demand of a realm and its platform, each demand with its twin that passes."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from attestation.appraisal import Outcome, appraise, judge
from attestation.binding import Bound
from attestation.cca.claims import CcaReferenceValues, ComponentReference
from attestation.cca.format import SoftwareComponent
from attestation.cca.verify import CcaVerifier
from attestation.checks import Status
from attestation.simulation.arm import DEBUG, IMPLEMENTATION_ID, Platform, Realm, SimulatedArm
from attestation.verification import Attested, Verification

CHALLENGE = bytes(range(64))
PLACE = "manifest.yaml:9 /Packages/web/CCA"
RMM = SoftwareComponent("RMM", b"\x31" * 32, "1.2", b"\x41" * 32, "sha-256")
BOOT = SoftwareComponent("BL2", b"\x32" * 32, "", b"\x42" * 32, "sha-256")


def verify(arm: SimulatedArm, simulated: CcaVerifier, realm: Realm, now: datetime, **changes: Any) -> Verification:
    platform = Platform(components=(RMM, BOOT), **changes)
    return simulated.verify(arm.token(realm, CHALLENGE, platform), Bound(CHALLENGE, "a test"), now=now)


@pytest.fixture
def attested(arm: SimulatedArm, simulated: CcaVerifier, realm: Realm, now: datetime) -> Attested:
    return verify(arm, simulated, realm, now).attested()


@pytest.fixture
def good(arm: SimulatedArm, realm: Realm) -> CcaReferenceValues:
    return CcaReferenceValues(
        rim=realm.rim,
        rems=dict(enumerate(realm.rems)),
        rpv=realm.personalization,
        implementation_id=IMPLEMENTATION_ID,
        instance_ids=frozenset({arm.instance_id, bytes(33)}),
        config=b"simulated",
        components={
            "RMM": ComponentReference(RMM.measurement, RMM.signer_id, "1.2"),
            "BL2": ComponentReference(signer_id=BOOT.signer_id),
        },
        components_only=True,
        sources={"": PLACE},
    )


def test_everything_that_may_be_demanded_is_met_by_the_realm_that_is_meant(
    arm: SimulatedArm, simulated: CcaVerifier, realm: Realm, now: datetime, good: CcaReferenceValues
) -> None:
    verification = verify(arm, simulated, realm, now)
    appraisal = appraise(verification.attested(), (good,))

    assert appraisal.accepted
    assert {PLACE} == {check.source for check in appraisal.checks}
    assert Outcome.AFFIRMING is judge(verification, (good,)).outcome


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("cca.rim", {"rim": bytes(32)}),
        *((f"cca.rem{i}", {"rems": {i: bytes(32)}}) for i in range(4)),
        ("cca.rem4", {"rems": {4: bytes(32)}}),
        ("cca.identity", {"rim": None}),
        ("cca.rpv", {"rpv": bytes(64)}),
        ("cca.implementation-id", {"implementation_id": bytes(32)}),
        ("cca.instance-id", {"instance_ids": frozenset({bytes(33)})}),
        ("cca.instance-id", {"instance_ids": frozenset()}),
        ("cca.config", {"config": b""}),
        ("cca.lifecycle", {"debug": True}),
        ("cca.component.RMM", {"components": {"RMM": ComponentReference(bytes(32)), "BL2": ComponentReference()}}),
        (
            "cca.component.RMM",
            {"components": {"RMM": ComponentReference(signer_id=bytes(32)), "BL2": ComponentReference()}},
        ),
        (
            "cca.component.RMM",
            {"components": {"RMM": ComponentReference(version="1.1"), "BL2": ComponentReference()}},
        ),
        ("cca.component.SCP", {"components": {"SCP": ComponentReference()}, "components_only": False}),
        ("cca.components", {"components": {"RMM": ComponentReference()}}),
    ],
)
def test_a_demand_that_is_missed_is_named_with_what_was_expected_and_found(
    attested: Attested, good: CcaReferenceValues, name: str, changes: dict[str, Any]
) -> None:
    appraisal = appraise(attested, (replace(good, **changes),))

    assert not appraisal.accepted
    (check,) = [c for c in appraisal.checks if c.status is not Status.PASSED]
    assert name == check.name
    assert check.expected != check.found
    assert PLACE == check.source
    assert check.code
    assert check.hint


def test_the_initial_measurement_is_enough(attested: Attested, realm: Realm) -> None:
    assert appraise(attested, (CcaReferenceValues(rim=realm.rim),)).accepted


def test_a_platform_under_debug_is_accepted_only_by_who_says_so(
    arm: SimulatedArm, simulated: CcaVerifier, realm: Realm, now: datetime
) -> None:
    attested = verify(arm, simulated, realm, now, lifecycle=DEBUG).attested()

    assert appraise(attested, (CcaReferenceValues(rim=realm.rim, debug=True),)).accepted
    refused = appraise(attested, (CcaReferenceValues(rim=realm.rim),))
    assert not refused.accepted
    (check,) = [c for c in refused.checks if c.status is Status.FAILED]
    assert "non-cca-platform-rot-debug (0x4000)" == check.found


def test_every_component_of_a_type_must_be_as_demanded(
    arm: SimulatedArm, simulated: CcaVerifier, realm: Realm, now: datetime
) -> None:
    twice = Platform(components=(RMM, replace(RMM, measurement=bytes(32))))
    token = arm.token(realm, CHALLENGE, twice)
    attested = simulated.verify(token, Bound(CHALLENGE, "a test"), now=now).attested()
    values = CcaReferenceValues(rim=realm.rim, components={"RMM": ComponentReference(RMM.measurement)})

    assert not appraise(attested, (values,)).accepted
