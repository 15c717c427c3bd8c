"""A visitor verifies a coordinator: every lie of the other side is refused, and named."""

from dataclasses import replace

import pytest
from cryptography import x509

from attestation.anchors import TrustAnchors
from attestation.checks import Status
from attestation.endorsements import Endorsements
from attestation.simulation.issue import TrustDomain
from attestation.simulation.vendor import new_vendor
from attestation.tdx.claims import TdxReferenceValues
from attestation.verify import Verifier
from coordinator.client.client import ActiveManifest, CoordinatorClient
from coordinator.client.errors import InRecovery
from coordinator.client.transport import Answer, Exchange, Request
from coordinator.client.verify import (
    Expectation,
    ManifestDiffers,
    VerificationRefused,
    expect_digest,
    expect_manifest,
    verify_answer,
    verify_coordinator,
    verify_root,
    with_manifest,
)
from pki.certificates import der
from tests.fakes.front_door import MANIFEST, NOON, FrontDoor
from tests.fakes.marble_pki import MarblePki

NONCE = bytes(range(32))


@pytest.fixture(scope="module")
def door() -> FrontDoor:
    return FrontDoor()


def exchange_with(door: FrontDoor, shown: MarblePki | None = None) -> Exchange:
    """Requests go straight to the door; the TLS peer shows the root certificate of `shown`, or the door's own."""

    def exchange(request: Request, *, pin: bytes | None) -> Answer:
        status, body = door.answer(request.method, request.path, request.body)
        return Answer(status, body, der((shown or door.pki).root))

    return exchange


def visit(door: FrontDoor, shown: MarblePki | None = None, expectation: Expectation | None = None) -> None:
    verify_coordinator(exchange_with(door, shown), expectation or door.expectation(), nonce=NONCE, now=NOON)


def test_a_coordinator_that_is_what_it_says_is_verified_with_its_manifest(door: FrontDoor) -> None:
    deployment, client = verify_coordinator(exchange_with(door), door.expectation(), nonce=NONCE, now=NOON)

    assert deployment.root == door.pki.root
    assert deployment.intermediate == door.pki.intermediate
    assert deployment.manifest is not None
    assert deployment.manifest.raw == MANIFEST
    assert deployment.simulated
    assert client.pin is not None
    assert {Status.PASSED} == {check.status for check in deployment.checks}


def test_before_a_manifest_is_set_the_coordinator_is_verified_without_one() -> None:
    door = FrontDoor(manifest=None)
    deployment, _ = verify_coordinator(exchange_with(door), door.expectation(), nonce=NONCE, now=NOON)

    assert deployment.manifest is None
    assert deployment.manifest_digest == b""


def test_a_coordinator_of_marblerun_has_no_evidence_in_its_certificate_and_is_verified_by_its_answer() -> None:
    door = FrontDoor(manifest=None, embedded=False)
    door.manifest = MANIFEST
    deployment, _ = verify_coordinator(exchange_with(door), door.expectation(), nonce=NONCE, now=NOON)

    open_checks = [check.name for check in deployment.checks if check.status is Status.NOT_CHECKED]
    assert open_checks == ["root.evidence", "manifest.digest"]
    assert deployment.manifest is not None


def test_somebody_in_the_middle_with_another_certificate_is_refused(door: FrontDoor) -> None:
    with pytest.raises(
        VerificationRefused, match=r"connection\.certificate: expected sha256 .*, found sha256"
    ) as caught:
        visit(door, shown=MarblePki.create())
    assert caught.value.code == "V131"


def test_an_answer_to_another_nonce_is_refused(door: FrontDoor) -> None:
    answer = CoordinatorClient(exchange_with(door)).quote(bytes(32))
    with pytest.raises(VerificationRefused, match=r"binding\.report-data"):
        verify_answer(answer, NONCE, door.expectation(), now=NOON)


def test_an_intermediate_certificate_of_somebody_else_is_refused() -> None:
    door = FrontDoor()
    door.intermediate = MarblePki.create().intermediate
    with pytest.raises(VerificationRefused, match=r"chain\.intermediate") as caught:
        visit(door)
    assert caught.value.code == "V132"


def test_another_program_than_the_expected_one_is_refused() -> None:
    with pytest.raises(VerificationRefused, match=r"tdx\.mrtd: expected 0707.*, found 0808"):
        visit(FrontDoor(running=TrustDomain(mrtd=bytes([8]) * 48)))


def test_a_debuggable_coordinator_is_refused() -> None:
    with pytest.raises(VerificationRefused, match=r"debug"):
        visit(FrontDoor(running=TrustDomain(mrtd=bytes([7]) * 48).debuggable()))


def test_a_simulated_coordinator_is_refused_by_who_did_not_configure_the_simulated_vendor(door: FrontDoor) -> None:
    genuine = Verifier(TrustAnchors.genuine(), door.vendor.endorsements)
    with pytest.raises(VerificationRefused, match="simulated vendor"):
        visit(door, expectation=replace(door.expectation(), verifier=genuine))


def test_a_simulated_coordinator_of_another_vendor_is_refused(door: FrontDoor) -> None:
    other = new_vendor(NOON)
    anchors = TrustAnchors.genuine().with_simulated(other.trust_pem)
    expectation = replace(door.expectation(), verifier=Verifier(anchors, door.vendor.endorsements))
    with pytest.raises(VerificationRefused):
        visit(door, expectation=expectation)


def test_without_endorsements_nothing_is_verified(door: FrontDoor) -> None:
    anchors = TrustAnchors.genuine().with_simulated(door.vendor.trust_pem)
    expectation = replace(door.expectation(), verifier=Verifier(anchors, Endorsements.none()))
    with pytest.raises(VerificationRefused) as caught:
        visit(door, expectation=expectation)
    assert caught.value.verdict is not None
    assert caught.value.verdict.outcome == "none"


def test_reference_values_of_another_kind_accept_nothing(door: FrontDoor) -> None:
    with pytest.raises(VerificationRefused):
        visit(door, expectation=replace(door.expectation(), reference=()))


def test_a_coordinator_without_evidence_is_refused(door: FrontDoor) -> None:
    answer = replace(CoordinatorClient(exchange_with(door)).quote(NONCE), evidence=b"")
    with pytest.raises(VerificationRefused, match="without hardware and without simulation"):
        verify_answer(answer, NONCE, door.expectation(), now=NOON)


def test_evidence_inside_the_certificate_over_another_manifest_is_refused() -> None:
    door = FrontDoor()
    stolen = FrontDoor(vendor=door.vendor, manifest=b"another\n", root_key=door.root_key)
    extra = [extension.value for extension in stolen.pki.root.extensions if "2.25" in extension.oid.dotted_string]
    evidence = [e.value for e in door.pki.root.extensions if e.oid.dotted_string == "1.3.6.1.5.5.7.1.35"]
    door.pki = MarblePki.create(door.root_key, [*extra, *evidence])
    door.intermediate = door.pki.intermediate
    with pytest.raises(VerificationRefused, match=r"root\.binding\.report-data"):
        visit(door)


def test_another_manifest_than_the_certificate_names_is_refused() -> None:
    door = FrontDoor()
    door.manifest = MANIFEST.replace(b"2", b"5")
    with pytest.raises(VerificationRefused, match=r"manifest\.digest") as caught:
        visit(door)
    assert caught.value.code == "V134"


def test_a_manifest_that_is_named_but_not_handed_out_is_refused() -> None:
    door = FrontDoor()
    door.manifest = None
    door.phase = 2
    with pytest.raises(VerificationRefused, match="found none"):
        visit(door)


def test_a_manifest_that_a_certificate_with_evidence_does_not_name_is_refused() -> None:
    door = FrontDoor(manifest=None)
    door.manifest = MANIFEST
    with pytest.raises(VerificationRefused) as caught:
        visit(door)
    assert caught.value.code == "V134"


def test_a_coordinator_that_waits_for_recovery_is_told_apart() -> None:
    with pytest.raises(InRecovery):
        visit(FrontDoor(manifest=None, phase=1))


def test_the_root_certificate_alone_verifies_offline(door: FrontDoor) -> None:
    deployment = verify_root(door.pki.root, door.expectation(), now=NOON)

    expect_manifest(deployment, MANIFEST, name="mine.yaml")
    assert deployment.intermediate is None
    assert deployment.simulated


def test_offline_a_certificate_without_evidence_is_refused() -> None:
    door = FrontDoor(embedded=False)
    with pytest.raises(VerificationRefused, match="no evidence in the certificate") as caught:
        verify_root(door.pki.root, door.expectation(), now=NOON)
    assert caught.value.code == "V133"


def test_offline_a_certificate_for_another_key_is_refused(door: FrontDoor) -> None:
    extensions = [e.value for e in door.pki.root.extensions if not isinstance(e.oid, type(None))]
    foreign = [value for value in extensions if value.oid.dotted_string.startswith(("2.25", "1.3.6.1.5.5.7.1.35"))]
    with pytest.raises(VerificationRefused, match=r"root\.binding\.report-data"):
        verify_root(MarblePki.create(None, foreign).root, door.expectation(), now=NOON)


def test_offline_another_measurement_is_refused(door: FrontDoor) -> None:
    other = replace(door.expectation(), reference=(TdxReferenceValues(mrtd=bytes(48)),))
    with pytest.raises(VerificationRefused, match=r"root\.tdx\.mrtd"):
        verify_root(door.pki.root, other, now=NOON)


def test_another_manifest_than_expected_is_shown_with_its_first_differing_line(door: FrontDoor) -> None:
    deployment, _ = verify_coordinator(exchange_with(door), door.expectation(), nonce=NONCE, now=NOON)
    mine = MANIFEST.replace(b"MaxActivations: 2", b"MaxActivations: 1")
    with pytest.raises(ManifestDiffers, match=r"the active manifest differs from mine\.yaml") as caught:
        expect_manifest(deployment, mine, name="mine.yaml")

    difference = caught.value.difference
    assert difference is not None
    assert (8, "    MaxActivations: 1", "    MaxActivations: 2") == (
        difference.line,
        difference.yours,
        difference.active,
    )
    assert "-    MaxActivations: 1" in difference.unified


def test_a_fingerprint_is_compared_in_full(door: FrontDoor) -> None:
    deployment = verify_root(door.pki.root, door.expectation(), now=NOON)
    expect_digest(deployment, deployment.manifest_digest)
    with pytest.raises(ManifestDiffers):
        expect_digest(deployment, deployment.manifest_digest[:-1] + b"\0")


def test_an_expected_manifest_is_not_met_by_none() -> None:
    door = FrontDoor(manifest=None)
    with pytest.raises(ManifestDiffers, match="no manifest is set"):
        expect_manifest(verify_root(door.pki.root, door.expectation(), now=NOON), MANIFEST, name="mine.yaml")


def test_joining_a_manifest_recomputes_its_digest(door: FrontDoor) -> None:
    deployment = verify_root(door.pki.root, door.expectation(), now=NOON)
    assert with_manifest(deployment, ActiveManifest(MANIFEST, b"")).manifest_digest == deployment.manifest_digest
    with pytest.raises(VerificationRefused):
        with_manifest(deployment, ActiveManifest(MANIFEST + b"\n", b""))


def test_offline_a_certificate_that_somebody_changed_is_refused(door: FrontDoor) -> None:
    changed = x509.load_der_x509_certificate(der(door.pki.root).replace(b"localhost", b"localhosu"))
    with pytest.raises(VerificationRefused, match=r"root\.signature") as caught:
        verify_root(changed, door.expectation(), now=NOON)
    assert caught.value.code == "V137"
