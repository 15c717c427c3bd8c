"""Every step of a CCA verification, each refusal with its twin; tampering; real and simulated apart."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.anchors import Anchor
from attestation.binding import Bound, Unbound
from attestation.cca.endorsements import CcaEndorsements, Cpak
from attestation.cca.format import parse_token
from attestation.cca.verify import CcaVerifier
from attestation.checks import Check, Status
from attestation.cose import sign
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.arm import DEBUG, SECURED, VALIDITY, Platform, Realm, SimulatedArm, new_arm
from attestation.starts import kind_by_start
from attestation.verification import Verification

SEED = 20261125
CHALLENGE = bytes(range(64))
BOUND = Bound(CHALLENGE, "a test")
STRANGER = ec.generate_private_key(ec.SECP384R1())


def failures(verification: Verification) -> dict[str, Check]:
    assert all(c.code and c.hint for c in verification.checks if c.status is not Status.PASSED)
    return {check.name: check for check in verification.checks if check.status is Status.FAILED}


def parts(evidence: Evidence) -> dict[int, bytes]:
    return dict(cbor2.loads(evidence.raw).value)


def joined(platform: bytes, realm: bytes) -> Evidence:
    return Evidence(Kind.CCA, cbor2.dumps(cbor2.CBORTag(399, {44234: platform, 44241: realm})))


def forge(arm: SimulatedArm, platform: dict[int, Any] | None = None, realm: dict[int, Any] | None = None) -> Evidence:
    """A token whose claims were chosen by whoever holds the keys; `...` leaves a claim out."""
    token = parse_token(arm.token(Realm(b"\x11" * 32), CHALLENGE).raw)

    def changed(payload: bytes, changes: dict[int, Any] | None) -> bytes:
        claims = dict(cbor2.loads(payload)) | (changes or {})
        return cbor2.dumps({label: value for label, value in claims.items() if value is not ...})

    return joined(
        sign(arm.cpak, changed(token.platform.envelope.payload, platform), tagged=True),
        sign(arm.rak, changed(token.realm.envelope.payload, realm), tagged=True),
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_a_simulated_token_is_genuine_under_its_own_root_and_says_simulated(
    arm: SimulatedArm, simulated: CcaVerifier, realm: Realm, now: datetime, legacy: bool
) -> None:
    verification = simulated.verify(arm.token(realm, CHALLENGE, Platform(legacy=legacy)), BOUND, now=now)

    assert {} == failures(verification)
    assert (True, True, True) == (verification.genuine, verification.complete, verification.simulated)
    assert realm.rim == verification.claims.measurements["rim"]
    assert arm.instance_id.hex() == verification.claims.hardware_id
    assert "SIMULATED" in next(c.found for c in verification.checks if c.name == "anchor.class")


def test_a_simulated_token_is_refused_where_the_operator_named_no_simulated_root(
    arm: SimulatedArm, realm: Realm, now: datetime
) -> None:
    verification = CcaVerifier((), arm.endorsements).verify(arm.token(realm, CHALLENGE), BOUND, now=now)

    assert ["anchor.class"] == list(failures(verification))
    assert "V105" == failures(verification)["anchor.class"].code
    assert verification.simulated
    assert not verification.genuine


def test_a_simulated_platforms_key_is_not_made_genuine_by_leaving_its_certificate_out(
    arm: SimulatedArm, simulated_root: Anchor, realm: Realm, now: datetime
) -> None:
    bare = CcaEndorsements((Cpak(arm.cpak.public_key()),))

    for anchors in ((), (simulated_root,)):
        verification = CcaVerifier(anchors, bare).verify(arm.token(realm, CHALLENGE), BOUND, now=now)
        assert ["anchor.class"] == list(failures(verification))
        assert verification.simulated


def test_a_key_that_the_operator_vouches_for_is_enough_for_a_platform_that_is_not_simulated(
    arm: SimulatedArm, realm: Realm, now: datetime
) -> None:
    other = Platform(implementation_id=b"\x7fELF" + bytes(28))
    bare = CcaEndorsements((Cpak(arm.cpak.public_key()),))

    verification = CcaVerifier((), bare).verify(arm.token(realm, CHALLENGE, other), BOUND, now=now)

    assert verification.genuine
    assert not verification.simulated


def test_a_key_certified_by_a_root_that_nobody_named_is_refused(
    arm: SimulatedArm, simulated_root: Anchor, realm: Realm, now: datetime
) -> None:
    stranger = new_arm(now)
    token = stranger.token(realm, CHALLENGE, Platform(implementation_id=bytes(32)))
    without_root = CcaEndorsements((Cpak(stranger.cpak.public_key(), certificates=(stranger.cpak_certificate,)),))

    marked = CcaVerifier((simulated_root,), stranger.endorsements).verify(token, BOUND, now=now)
    unmarked = CcaVerifier((simulated_root,), without_root).verify(token, BOUND, now=now)

    assert "V105" == failures(marked)["anchor.class"].code
    assert "V106" == failures(unmarked)["anchor.class"].code


def test_a_real_token_is_not_verified_by_a_simulated_makers_endorsements(
    cca_case: Callable, arm: SimulatedArm, simulated: CcaVerifier, simulated_root: Anchor, now: datetime
) -> None:
    token = cca_case("01").evidence
    for_any_machine = CcaEndorsements((replace(arm.endorsements.cpaks[0], instance_id=None),))

    unknown = simulated.verify(token, Unbound(), now=now)
    refused = CcaVerifier((simulated_root,), for_any_machine).verify(token, Unbound(), now=now)

    assert (False, False) == (unknown.genuine, unknown.complete)
    assert (False, True) == (refused.genuine, refused.complete)
    assert "V241" == failures(refused)["cca.platform-signature"].code


def test_endorsements_for_a_machine_are_for_that_machine_alone(
    arm: SimulatedArm, simulated_root: Anchor, realm: Realm, now: datetime
) -> None:
    (cpak,) = arm.endorsements.cpaks
    token = arm.token(realm, CHALLENGE)

    def genuine(**ids: Any) -> bool:
        endorsements = CcaEndorsements((replace(cpak, **ids),))
        return CcaVerifier((simulated_root,), endorsements).verify(token, BOUND, now=now).genuine

    assert genuine(instance_id=arm.instance_id)
    assert not genuine(instance_id=b"\x01" + bytes(32))
    assert genuine(implementation_id=b"SIM".ljust(32, b"\0"))
    assert not genuine(implementation_id=bytes(32))


def test_the_right_key_is_found_among_others(
    arm: SimulatedArm, simulated_root: Anchor, realm: Realm, now: datetime
) -> None:
    endorsements = CcaEndorsements((Cpak(STRANGER.public_key()), *arm.endorsements.cpaks))

    assert CcaVerifier((simulated_root,), endorsements).verify(arm.token(realm, CHALLENGE), BOUND, now=now).genuine


@pytest.mark.parametrize("lifecycle", [SECURED, 0x30FF, DEBUG, 0x5000, 0x6000, 0x2000, 0x1000, 0x0000, 0x2FFF, 0x3100])
def test_a_platform_that_is_not_secured_is_debuggable(
    arm: SimulatedArm, simulated: CcaVerifier, realm: Realm, now: datetime, lifecycle: int
) -> None:
    claims = simulated.verify(arm.token(realm, CHALLENGE, Platform(lifecycle=lifecycle)), BOUND, now=now).claims

    assert (not 0x3000 <= lifecycle <= 0x30FF) is claims.debuggable
    assert f"0x{lifecycle:04x}" == claims.details["lifecycle"]
    assert (claims.details["lifecycle_state"] == "secured") is not claims.debuggable


def forgeries(arm: SimulatedArm, realm: Realm, now: datetime) -> dict[str, Evidence]:
    """For each check, a token that nothing else speaks against."""
    good = parts(arm.token(realm, CHALLENGE))
    token = parse_token(arm.token(realm, CHALLENGE).raw)
    other = parts(replace(arm, rak=STRANGER).token(realm, CHALLENGE))
    return {
        "cca.format": forge(arm, realm={44239: []}),
        "cca.platform-signature": joined(sign(STRANGER, token.platform.envelope.payload, tagged=True), good[44241]),
        "cca.realm-signature": joined(good[44234], sign(STRANGER, token.realm.envelope.payload, tagged=True)),
        "cca.realm-binding": joined(good[44234], other[44241]),
        "binding.report-data": arm.token(realm, bytes(64)),
    }


def test_each_check_alone_stands_between_some_forgery_and_genuine(
    arm: SimulatedArm, simulated: CcaVerifier, simulated_root: Anchor, realm: Realm, now: datetime
) -> None:
    table = forgeries(arm, realm, now)
    good = simulated.verify(arm.token(realm, CHALLENGE), BOUND, now=now)
    assert good.genuine
    # These two are of the endorsements, not of the token.
    assert {check.name for check in good.checks} == {*table, "anchor.class", "cca.cpak-validity"}

    for name, evidence in table.items():
        verification = simulated.verify(evidence, BOUND, now=now)
        assert [name] == list(failures(verification))
        assert not verification.genuine
    late = simulated.verify(arm.token(realm, CHALLENGE), BOUND, now=now + VALIDITY + timedelta(seconds=1))
    assert ["cca.cpak-validity"] == list(failures(late))
    elsewhere = CcaVerifier((), arm.endorsements).verify(arm.token(realm, CHALLENGE), BOUND, now=now)
    assert ["anchor.class"] == list(failures(elsewhere))


COMPONENT = {1: "RMM", 2: bytes(32), 5: bytes(32)}


def test_forged_claims_are_accepted_as_long_as_they_are_legal(
    arm: SimulatedArm, simulated: CcaVerifier, now: datetime
) -> None:
    legal = forge(arm, platform={2399: [COMPONENT, {2: bytes(64), 5: bytes(48)}], 2400: "https://verifier.example"})

    verification = simulated.verify(legal, BOUND, now=now)

    assert verification.genuine
    assert "https://verifier.example" == verification.claims.details["verification_service"]
    assert "unnamed sha-256:" in str(verification.claims.details["software_components"])


@pytest.mark.parametrize(
    ("sentence", "platform", "realm"),
    [
        ("platform token, profile: expected 'tag:arm.com,2023", {265: "http://arm.com/another"}, {}),
        ("platform token, profile: expected a printable text, got nothing", {265: ...}, {}),
        ("platform token, challenge: expected 32 or 48 or 64 bytes, got 31", {10: bytes(31)}, {}),
        ("platform token, implementation id: expected 32 bytes, got 33", {2396: bytes(33)}, {}),
        ("platform token, instance id: expected 33 bytes, got 32", {256: bytes(32)}, {}),
        ("platform token, instance id: expected a UEID of type 01, got type 02", {256: b"\x02" + bytes(32)}, {}),
        ("platform token, configuration: expected a byte string, got str", {2401: "text"}, {}),
        ("platform token, lifecycle: expected a number, got bool", {2395: True}, {}),
        ("platform token, lifecycle: expected two bytes, got 65536", {2395: 65536}, {}),
        ("platform token, hash algorithm: expected sha-256 or sha-384 or sha-512, got 'md5'", {2402: "md5"}, {}),
        ("platform token, software components: expected a list, got dict", {2399: {}}, {}),
        ("platform token, software components: expected 1 to 64, got 0", {2399: []}, {}),
        ("software component 0: expected a map, got int", {2399: [1]}, {}),
        ("software component 1, measurement: expected 32", {2399: [COMPONENT, {2: b"x", 5: bytes(32)}]}, {}),
        ("software component 0, signer id: expected a byte string", {2399: [{2: bytes(32)}]}, {}),
        ("software component 0, type: expected a printable text", {2399: [COMPONENT | {1: "\x1b[2J"}]}, {}),
        ("realm token, profile: expected 'tag:arm.com,2023:realm", {}, {265: "another"}),
        ("realm token, challenge: expected 64 bytes, got 32", {}, {10: bytes(32)}),
        ("realm token, personalization value: expected 64 bytes", {}, {44235: bytes(63)}),
        ("realm token, hash algorithm: expected sha-256", {}, {44236: "sha-1"}),
        ("realm token, initial measurement: expected 64 bytes, got 32", {}, {44236: "sha-512"}),
        ("realm token, extensible measurements: expected 4, got 3", {}, {44239: [bytes(32)] * 3}),
        ("realm token, REM3: expected 32 bytes, got 31", {}, {44239: [bytes(32)] * 3 + [bytes(31)]}),
        ("realm token, public key: expected CBOR", {}, {44237: b"\xff"}),
        ("realm token, public key: expected a COSE_Key", {}, {44237: cbor2.dumps({1: 1, -1: 2})}),
        ("expected coordinates of 48 bytes, got 1 and 1", {}, {44237: cbor2.dumps({1: 2, -1: 2, -2: b"x", -3: b"y"})}),
        ("expected a point of secp384r1", {}, {44237: cbor2.dumps({1: 2, -1: 2, -2: b"x" * 48, -3: b"y" * 48})}),
        ("expected an uncompressed point of 65, 97, 133 bytes, got 3", {}, {265: ..., 44237: b"\x04xy"}),
        ("expected a point of secp384r1", {}, {265: ..., 44237: b"\x04" + b"x" * 96}),
        ("realm token, public key hash algorithm: expected a printable text", {}, {44240: ...}),
    ],
)
def test_a_claim_that_is_not_as_it_must_be_is_refused_with_its_reason(
    arm: SimulatedArm, simulated: CcaVerifier, now: datetime, sentence: str, platform: dict, realm: dict
) -> None:
    verification = simulated.verify(forge(arm, platform, realm), BOUND, now=now)

    (check,) = verification.checks
    assert ("cca.format", "V101") == (check.name, check.code)
    assert sentence in check.found
    assert not verification.genuine


@pytest.mark.parametrize(
    ("sentence", "value"),
    [
        ("expected tag 399", [1]),
        ("tag 907 has no place here", cbor2.CBORTag(907, {})),
        ("expected a platform token (44234) and a realm token (44241), got 44234", cbor2.CBORTag(399, {44234: b""})),
        ("expected both tokens as byte strings", cbor2.CBORTag(399, {44234: b"", 44241: 1})),
        ("CCA platform token: expected CBOR", cbor2.CBORTag(399, {44234: b"", 44241: b""})),
    ],
)
def test_a_collection_that_is_not_as_it_must_be_is_refused_with_its_reason(
    simulated: CcaVerifier, now: datetime, sentence: str, value: object
) -> None:
    (check,) = simulated.verify(Evidence(Kind.CCA, cbor2.dumps(value)), Unbound(), now=now).checks

    assert sentence in check.found


def test_a_realms_key_may_be_on_any_curve_that_cose_names(
    arm: SimulatedArm, simulated: CcaVerifier, now: datetime
) -> None:
    for label, curve in ((1, ec.SECP256R1()), (2, ec.SECP384R1()), (3, ec.SECP521R1())):
        key = ec.generate_private_key(curve)
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        size = len(point) // 2
        raw = cbor2.dumps({1: 2, -1: label, -2: point[1 : 1 + size], -3: point[1 + size :]})
        whole = forge(arm, platform={10: sha256(raw).digest()}, realm={44237: raw})
        payload = parse_token(whole.raw).realm.envelope.payload
        token = joined(parts(whole)[44234], sign(key, payload, tagged=True))

        assert simulated.verify(token, BOUND, now=now).genuine


@pytest.mark.parametrize("name", ["01", "02"])
def test_a_flipped_bit_of_a_token_is_found(cca_case: Callable, now: datetime, name: str) -> None:
    case = cca_case(name)
    verifier, size = case.verifier, len(case.evidence.raw)
    assert verifier.verify(case.evidence, Unbound(), now=now).genuine
    chosen = random.Random(f"{SEED} {name}")

    for _ in range(120):
        raw = bytearray(case.evidence.raw)
        raw[chosen.randrange(size)] ^= 1 << chosen.randrange(8)
        verification = verifier.verify(Evidence(Kind.CCA, bytes(raw)), Unbound(), now=now)

        assert not verification.genuine


def test_a_flipped_bit_of_an_unprotected_header_is_found(cca_case: Callable, now: datetime) -> None:
    case = cca_case("01")
    start = case.evidence.raw.index(bytes.fromhex("a1013822a0")) + 4

    for bit in range(8):
        raw = bytearray(case.evidence.raw)
        raw[start] ^= 1 << bit
        assert not case.verifier.verify(Evidence(Kind.CCA, bytes(raw)), Unbound(), now=now).genuine


def test_a_cut_token_is_found(cca_case: Callable, now: datetime) -> None:
    case = cca_case("01")
    for size in (0, 1, 3, 100, 1500, len(case.evidence.raw) - 1):
        evidence = Evidence(Kind.CCA, case.evidence.raw[:size])
        assert ["cca.format"] == list(failures(case.verifier.verify(evidence, Unbound(), now=now)))
    longer = Evidence(Kind.CCA, case.evidence.raw + b"\0")
    assert "1 further bytes" in failures(case.verifier.verify(longer, Unbound(), now=now))["cca.format"].found


def test_what_is_remembered_of_a_platform_never_turns_a_refusal_into_an_acceptance(
    arm: SimulatedArm, simulated_root: Anchor, realm: Realm, now: datetime
) -> None:
    verifier = CcaVerifier((simulated_root,), arm.endorsements)
    token = arm.token(realm, CHALLENGE)
    tampered = bytearray(parts(token)[44234])
    tampered[-1] ^= 1

    for _ in range(2):
        assert verifier.verify(token, BOUND, now=now).genuine
        assert not verifier.verify(joined(bytes(tampered), parts(token)[44241]), BOUND, now=now).genuine
        assert not verifier.verify(token, BOUND, now=now + VALIDITY + timedelta(seconds=1)).genuine


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_no_bytes_make_the_parser_fail_in_any_other_way(raw: bytes) -> None:
    for whole in (raw, bytes.fromhex("d9018fa2") + raw, cbor2.dumps(cbor2.CBORTag(399, {44234: raw, 44241: raw}))):
        with suppress(EvidenceFormatError):
            parse_token(whole)


VALUES = st.none() | st.integers(-(2**63), 2**63) | st.binary(max_size=66) | st.text(max_size=9) | st.lists(st.none())


@given(st.dictionaries(st.sampled_from([265, 10, 2396, 256, 2401, 2395, 2402, 2399, 2400]), VALUES))
@settings(max_examples=60, deadline=None)
def test_no_claims_make_the_verifier_fail(claims: dict) -> None:
    token = sign(STRANGER, cbor2.dumps(claims), tagged=True)
    now = datetime.fromisoformat("2026-11-25T00:00:00+00:00")

    assert not CcaVerifier((), CcaEndorsements()).verify(joined(token, token), Unbound(), now=now).genuine


def test_tokens_are_recognised(cca_case: Callable, arm: SimulatedArm) -> None:
    assert kind_by_start(cca_case("01").evidence.raw) is Kind.CCA
    assert kind_by_start(arm.token(Realm(bytes(32)), bytes(64)).raw) is Kind.CCA
    assert kind_by_start(b"") is not Kind.CCA
    assert kind_by_start(bytes.fromhex("8444a1013822")) is not Kind.CCA
