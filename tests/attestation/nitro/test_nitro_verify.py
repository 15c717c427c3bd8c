"""Every step of a Nitro verification, each refusal with its twin; tampering; both vendors apart."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.anchors import Anchor, key_digest
from attestation.binding import Bound, Unbound
from attestation.checks import Check, Status
from attestation.cose import sign
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.nitro.endorsements import NitroEndorsements
from attestation.nitro.format import parse_document
from attestation.nitro.roots import GENUINE_ROOTS
from attestation.nitro.verify import NitroVerifier
from attestation.simulation.aws import Authority, NitroEnclave, SimulatedAws, aws_name, issue_certificate, new_aws
from attestation.starts import kind_by_start
from attestation.verification import Verification

SEED = 20261125
REPORT_DATA = bytes(range(64))
BOUND = Bound(REPORT_DATA, "a test")
FORGER = ec.generate_private_key(ec.SECP384R1())


def failures(verification: Verification) -> dict[str, Check]:
    assert all(c.code and c.hint for c in verification.checks if c.status is not Status.PASSED)
    return {check.name: check for check in verification.checks if check.status is Status.FAILED}


def forge(aws: SimulatedAws, now: datetime, **changes: Any) -> Evidence:
    """A document whose fields were chosen by whoever holds the key of its certificate; `...` leaves a field out."""
    base = parse_document(aws.document(NitroEnclave({}), REPORT_DATA, now=now).raw)
    leaf = leaf_of(aws, FORGER, now)
    fields: dict[str, Any] = cbor2.loads(base.envelope.payload) | {"certificate": leaf} | changes
    payload = cbor2.dumps({name: value for name, value in fields.items() if value is not ...})
    return Evidence(Kind.NITRO, sign(FORGER, payload, tagged=False))


def leaf_of(aws: SimulatedAws, key: ec.EllipticCurvePrivateKey, now: datetime, **options: Any) -> bytes:
    issued = issue_certificate(
        aws_name("forged"),
        key,
        aws.authorities[-1],
        now - timedelta(minutes=1),
        now + timedelta(hours=3),
        **options,
    )
    return issued.public_bytes(Encoding.DER)


def test_a_simulated_document_is_genuine_under_its_own_root_and_says_simulated(
    aws: SimulatedAws, simulated: NitroVerifier, enclave: NitroEnclave, now: datetime
) -> None:
    verification = simulated.verify(aws.document(enclave, REPORT_DATA, now=now), BOUND, now=now)

    assert {} == failures(verification)
    assert (True, True, True) == (verification.genuine, verification.complete, verification.simulated)
    assert enclave.pcrs[8] == verification.claims.measurements["pcr8"]
    assert "SIMULATED" in next(c.found for c in verification.checks if c.name == "anchor.class")


def test_a_simulated_document_is_refused_by_who_believes_aws_alone(
    aws: SimulatedAws, genuine: NitroVerifier, enclave: NitroEnclave, now: datetime
) -> None:
    verification = genuine.verify(aws.document(enclave, REPORT_DATA, now=now), BOUND, now=now)

    assert not verification.genuine
    assert verification.simulated
    assert ["anchor.class"] == list(failures(verification))
    assert "V105" == failures(verification)["anchor.class"].code


def test_a_simulated_root_bears_the_name_of_aws_and_not_its_key(aws: SimulatedAws) -> None:
    real, ours = (x509.load_pem_x509_certificate(pem) for pem in (GENUINE_ROOTS[0], aws.trust_pem))

    assert real.subject == ours.subject
    assert key_digest(real) != key_digest(ours)


def test_a_real_document_is_refused_by_who_believes_a_simulated_vendor_alone(
    nitro_case: Callable, simulated: NitroVerifier
) -> None:
    case = nitro_case("07")
    verification = simulated.verify(case.evidence, Unbound(), now=case.at)

    assert not verification.genuine
    assert not verification.simulated
    assert "V106" == failures(verification)["anchor.class"].code


def test_a_chain_without_its_root_leads_nowhere(aws: SimulatedAws, simulated: NitroVerifier, now: datetime) -> None:
    bundle = [authority.certificate.public_bytes(Encoding.DER) for authority in aws.authorities]

    verification = simulated.verify(forge(aws, now, cabundle=bundle[1:]), BOUND, now=now)

    assert ["anchor.class"] == list(failures(verification))
    assert "that is not among the trust anchors" in failures(verification)["anchor.class"].found


def test_a_certificate_that_the_library_warns_of_is_refused_like_any_other_that_does_not_hold(
    aws: SimulatedAws, simulated: NitroVerifier, now: datetime
) -> None:
    instance = aws.authorities[-1].certificate
    serial = instance.serial_number.to_bytes(instance.serial_number.bit_length() // 8 + 1, "big")  # as in DER
    negative = bytes([serial[0] | 0x80]) + serial[1:]
    bundle = [authority.certificate.public_bytes(Encoding.DER) for authority in aws.authorities]
    bundle[-1] = bundle[-1].replace(serial, negative, 1)

    verification = simulated.verify(forge(aws, now, cabundle=bundle), BOUND, now=now)

    assert "nitro.chain" in failures(verification)


def test_a_document_of_another_simulated_vendor_is_refused(
    simulated: NitroVerifier, enclave: NitroEnclave, now: datetime
) -> None:
    verification = simulated.verify(new_aws(now).document(enclave, REPORT_DATA, now=now), BOUND, now=now)

    assert "V105" == failures(verification)["anchor.class"].code


def test_a_debuggable_enclave_says_so(
    aws: SimulatedAws, simulated: NitroVerifier, enclave: NitroEnclave, now: datetime
) -> None:
    debug = simulated.verify(aws.document(enclave.debuggable(), REPORT_DATA, now=now), BOUND, now=now)
    one_zero = NitroEnclave({**enclave.pcrs, 2: bytes(48)})

    assert debug.genuine
    assert debug.claims.debuggable
    assert simulated.verify(aws.document(one_zero, REPORT_DATA, now=now), BOUND, now=now).claims.debuggable
    assert not simulated.verify(aws.document(enclave, REPORT_DATA, now=now), BOUND, now=now).claims.debuggable


def test_a_document_bound_to_something_else_is_refused(
    aws: SimulatedAws, simulated: NitroVerifier, enclave: NitroEnclave, now: datetime
) -> None:
    for user_data in (None, b"", bytes(64), REPORT_DATA[:32], REPORT_DATA + b"\0"):
        verification = simulated.verify(aws.document(enclave, user_data, now=now), BOUND, now=now)
        assert ["binding.report-data"] == list(failures(verification))
        assert not verification.genuine
        assert REPORT_DATA.hex() in failures(verification)["binding.report-data"].expected


def test_an_old_document_is_refused_unless_something_else_stands_for_freshness(
    aws: SimulatedAws, simulated: NitroVerifier, enclave: NitroEnclave, now: datetime
) -> None:
    evidence = aws.document(enclave, REPORT_DATA, now=now)

    in_time = simulated.verify(evidence, Unbound(), now=now + timedelta(hours=3))
    late = simulated.verify(evidence, Unbound(), now=now + timedelta(hours=4))
    late_and_bound = simulated.verify(evidence, BOUND, now=now + timedelta(hours=4))

    assert in_time.genuine
    assert ["nitro.age"] == list(failures(late))
    assert "V233" == failures(late)["nitro.age"].code
    assert not late.genuine
    assert late_and_bound.genuine
    (age,) = [c for c in late_and_bound.checks if c.name == "nitro.age"]
    assert Status.NOT_CHECKED is age.status
    assert 4 * 3600 == late_and_bound.claims.details["age_seconds"]


def test_a_document_from_the_future_is_refused_whatever_it_is_bound_to(
    aws: SimulatedAws, simulated: NitroVerifier, enclave: NitroEnclave, now: datetime
) -> None:
    evidence = aws.document(enclave, REPORT_DATA, now=now)

    assert simulated.verify(evidence, BOUND, now=now - timedelta(minutes=4)).genuine
    for binding in (BOUND, Unbound()):
        early = simulated.verify(evidence, binding, now=now - timedelta(minutes=6))
        assert ["nitro.age"] == list(failures(early))
        assert not early.genuine


def test_certificates_must_have_been_valid_when_the_document_was_made(
    aws: SimulatedAws, simulated: NitroVerifier, enclave: NitroEnclave, now: datetime
) -> None:
    evidence = aws.document(enclave, REPORT_DATA, now=now, validity=timedelta(seconds=-1))

    verification = simulated.verify(evidence, BOUND, now=now)

    assert "V108" == failures(verification)["nitro.validity"].code
    assert not verification.genuine


def test_forged_fields_are_accepted_as_long_as_they_are_legal(
    aws: SimulatedAws, simulated: NitroVerifier, now: datetime
) -> None:
    verification = simulated.verify(forge(aws, now, new_field=1), BOUND, now=now)

    assert verification.genuine
    assert "new_field" == verification.claims.details["unknown_fields"]


@pytest.mark.parametrize(
    ("sentence", "changes"),
    [
        ("digest: expected 'SHA384', got 'SHA256'", {"digest": "SHA256"}),
        ("digest: expected str, got nothing", {"digest": ...}),
        ("module_id: expected a short printable name", {"module_id": ""}),
        ("module_id: expected a short printable name", {"module_id": "i-1\x1b[2J"}),
        ("timestamp: expected milliseconds", {"timestamp": 0}),
        ("timestamp: expected milliseconds", {"timestamp": 2**64 - 1}),
        ("timestamp: expected int, got bool", {"timestamp": True}),
        ("pcrs: expected a map", {"pcrs": []}),
        ("pcrs: expected PCR0, PCR1 and PCR2, got none for PCR1", {"pcrs": {0: bytes(48), 2: bytes(48)}}),
        ("pcrs: expected numbers from 0 to 31, got 32", {"pcrs": {32: bytes(48)}}),
        ("PCR0: expected 48 bytes, got 32", {"pcrs": {0: bytes(32)}}),
        ("certificate: expected bytes, got nothing", {"certificate": ...}),
        ("certificate: expected 1 to 1024 bytes of DER, got 1025", {"certificate": bytes(1025)}),
        ("cabundle: expected 1 to 8 certificates, got 0", {"cabundle": []}),
        ("cabundle: expected 1 to 8 certificates, got 9", {"cabundle": [b"\x30"] * 9}),
        ("cabundle 0: expected 1 to 1024 bytes of DER, got 0", {"cabundle": [b""]}),
        ("user_data: expected at most 512 bytes, got 513", {"user_data": bytes(513)}),
        ("nonce: expected at most 512 bytes, got str", {"nonce": "text"}),
        ("public_key: expected at most 1024 bytes, got 1025", {"public_key": bytes(1025)}),
    ],
)
def test_a_field_that_is_not_as_it_must_be_is_refused_with_its_reason(
    aws: SimulatedAws, simulated: NitroVerifier, now: datetime, sentence: str, changes: dict
) -> None:
    verification = simulated.verify(forge(aws, now, **changes), BOUND, now=now)

    (check,) = verification.checks
    assert ("nitro.format", "V101") == (check.name, check.code)
    assert sentence in check.found
    assert not verification.genuine


def test_an_algorithm_other_than_es384_is_refused(simulated: NitroVerifier, now: datetime) -> None:
    raw = sign(ec.generate_private_key(ec.SECP256R1()), cbor2.dumps({}), tagged=False)

    (check,) = simulated.verify(Evidence(Kind.NITRO, raw), Unbound(), now=now).checks

    assert "expected algorithm ES384, got ES256" in check.found


def test_a_document_signed_by_another_key_is_refused(
    aws: SimulatedAws, simulated: NitroVerifier, enclave: NitroEnclave, now: datetime
) -> None:
    payload = parse_document(aws.document(enclave, REPORT_DATA, now=now).raw).envelope.payload
    raw = sign(ec.generate_private_key(ec.SECP384R1()), payload, tagged=False)

    verification = simulated.verify(Evidence(Kind.NITRO, raw), BOUND, now=now)

    assert ["nitro.signature"] == list(failures(verification))
    assert "V231" == failures(verification)["nitro.signature"].code


def chain_faults(aws: SimulatedAws, now: datetime) -> dict[str, tuple[str, dict[str, Any]]]:
    """What may be wrong with a chain: the sentence, and the fields that make it so."""
    bundle = [authority.certificate.public_bytes(Encoding.DER) for authority in aws.authorities]
    zone, key = aws.authorities[2], FORGER
    starts, ends = now - timedelta(days=1), now + timedelta(days=1)

    def issued(issuer: Authority, **options: Any) -> tuple[bytes, Authority]:
        made = issue_certificate(aws_name("odd"), key, issuer, starts, ends, **options)
        return made.public_bytes(Encoding.DER), Authority(key, made)

    no_ca, as_no_ca = issued(zone, is_ca=False)
    too_deep, as_too_deep = issued(aws.authorities[-1], is_ca=True, path_length=0)
    return {
        "an authority left out": ("is not signed by", {"cabundle": [*bundle[:2], bundle[3]]}),
        "another order": ("is not signed by", {"cabundle": [bundle[0], bundle[2], bundle[1], bundle[3]]}),
        "no certificate": ("a certificate that cannot be read", {"cabundle": [b"\x30\x00", *bundle[1:]]}),
        "an issuer that is no authority": (
            "is no certification authority",
            {"cabundle": [*bundle[:3], no_ca], "certificate": leaf_of(replace(aws, authorities=(as_no_ca,)), key, now)},
        ),
        "more authorities than allowed": (
            "may have 2 authorities below it, got 3",
            {
                "cabundle": [*bundle, too_deep],
                "certificate": leaf_of(replace(aws, authorities=(as_too_deep,)), key, now),
            },
        ),
        "a leaf of another issuer": (
            "is not signed by",
            {"certificate": leaf_of(new_aws(now), key, now)},
        ),
    }


FAULTS = (
    "an authority left out",
    "another order",
    "no certificate",
    "an issuer that is no authority",
    "more authorities than allowed",
    "a leaf of another issuer",
)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_chain_that_does_not_hold_is_refused_with_its_reason(
    aws: SimulatedAws, simulated: NitroVerifier, now: datetime, fault: str
) -> None:
    faults = chain_faults(aws, now)
    assert set(FAULTS) == set(faults)
    sentence, changes = faults[fault]

    verification = simulated.verify(forge(aws, now, **changes), BOUND, now=now)

    assert sentence in failures(verification)["nitro.chain"].found
    assert not verification.genuine


def forgeries(aws: SimulatedAws, enclave: NitroEnclave, now: datetime) -> dict[str, Evidence]:
    """For each check, a document that nothing else speaks against."""
    good = aws.document(enclave, REPORT_DATA, now=now)
    payload = parse_document(good.raw).envelope.payload
    strangers_key = ec.generate_private_key(ec.SECP384R1())
    return {
        "nitro.format": forge(aws, now, digest="SHA256"),
        "nitro.signature": Evidence(Kind.NITRO, sign(strangers_key, payload, tagged=False)),
        "nitro.chain": forge(aws, now, **chain_faults(aws, now)["an issuer that is no authority"][1]),
        "anchor.class": new_aws(now).document(enclave, REPORT_DATA, now=now),
        "nitro.leaf": leaf_that_is_an_authority(aws, now),
        "nitro.validity": aws.document(enclave, REPORT_DATA, now=now, validity=timedelta(seconds=-1)),
        "nitro.age": aws.document(enclave, REPORT_DATA, now=now + timedelta(hours=1)),
        "binding.report-data": aws.document(enclave, bytes(64), now=now),
    }


def leaf_that_is_an_authority(aws: SimulatedAws, now: datetime) -> Evidence:
    key = ec.generate_private_key(ec.SECP384R1())
    base = parse_document(aws.document(NitroEnclave({}), REPORT_DATA, now=now).raw)
    leaf = odd_leaf(aws, key, now, (x509.BasicConstraints(True, None), True), FOR_SIGNATURES)
    payload = cbor2.dumps(cbor2.loads(base.envelope.payload) | {"certificate": leaf})
    return Evidence(Kind.NITRO, sign(key, payload, tagged=False))


def test_each_check_alone_stands_between_some_forgery_and_genuine(
    aws: SimulatedAws, simulated: NitroVerifier, enclave: NitroEnclave, now: datetime
) -> None:
    table = forgeries(aws, enclave, now)
    good = simulated.verify(aws.document(enclave, REPORT_DATA, now=now), BOUND, now=now)
    assert good.genuine
    assert {check.name for check in good.checks} == set(table)

    for name, evidence in table.items():
        verification = simulated.verify(evidence, BOUND, now=now)
        # An expired certificate is also old: whoever makes one, makes both.
        allowed = {name, "nitro.age"} if name == "nitro.validity" else {name}
        assert {name} <= set(failures(verification)) <= allowed
        assert not verification.genuine


def odd_leaf(aws: SimulatedAws, key: Any, now: datetime, *extensions: tuple[x509.ExtensionType, bool]) -> bytes:
    issuer = aws.authorities[-1]
    builder = (
        x509.CertificateBuilder()
        .subject_name(aws_name("odd"))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer.key, hashes.SHA384()).public_bytes(Encoding.DER)


NO_CA = (x509.BasicConstraints(False, None), True)
FOR_SIGNATURES = (x509.KeyUsage(True, False, False, False, False, False, False, False, False), True)
FOR_OTHERS = (x509.KeyUsage(False, False, True, False, False, False, False, False, False), True)


@pytest.mark.parametrize(
    ("sentence", "curve", "extensions"),
    [
        ("", ec.SECP384R1(), (NO_CA, FOR_SIGNATURES)),
        ("a key that is not on P-384", ec.SECP256R1(), (NO_CA, FOR_SIGNATURES)),
        ("a certification authority", ec.SECP384R1(), ((x509.BasicConstraints(True, None), True), FOR_SIGNATURES)),
        ("a certificate that is not for signatures", ec.SECP384R1(), (NO_CA, FOR_OTHERS)),
        ("a certificate without keyUsage", ec.SECP384R1(), (NO_CA,)),
        ("a certificate without basicConstraints", ec.SECP384R1(), (FOR_SIGNATURES,)),
    ],
)
def test_the_certificate_of_an_enclave_is_for_signatures_on_p384(
    aws: SimulatedAws,
    simulated: NitroVerifier,
    now: datetime,
    sentence: str,
    curve: ec.EllipticCurve,
    extensions: tuple,
) -> None:
    key = ec.generate_private_key(curve)
    base = parse_document(aws.document(NitroEnclave({}), REPORT_DATA, now=now).raw)
    payload = cbor2.dumps(cbor2.loads(base.envelope.payload) | {"certificate": odd_leaf(aws, key, now, *extensions)})
    signer = key if curve.name == "secp384r1" else ec.generate_private_key(ec.SECP384R1())
    verification = simulated.verify(Evidence(Kind.NITRO, sign(signer, payload, tagged=False)), BOUND, now=now)

    assert (not sentence) is verification.genuine
    if sentence:
        assert sentence in failures(verification)["nitro.leaf"].found


@pytest.mark.parametrize("name", ["01", "02", "03", "07"])
def test_a_flipped_bit_of_a_real_document_is_found(nitro_case: Callable, genuine: NitroVerifier, name: str) -> None:
    case = nitro_case(name)
    assert genuine.verify(case.evidence, Unbound(), now=case.at).genuine
    chosen, size = random.Random(f"{SEED} {name}"), len(case.evidence.raw)

    for _ in range(60):
        raw = bytearray(case.evidence.raw)
        raw[chosen.randrange(size)] ^= 1 << chosen.randrange(8)
        verification = genuine.verify(Evidence(Kind.NITRO, bytes(raw)), Unbound(), now=case.at)

        assert not verification.genuine
        assert failures(verification)


def test_a_cut_document_is_found(nitro_case: Callable, genuine: NitroVerifier) -> None:
    case = nitro_case("07")
    for size in (0, 1, 7, 100, 2000, len(case.evidence.raw) - 1):
        evidence = Evidence(Kind.NITRO, case.evidence.raw[:size])
        assert ["nitro.format"] == list(failures(genuine.verify(evidence, Unbound(), now=case.at)))
    longer = Evidence(Kind.NITRO, case.evidence.raw + b"\0")
    assert "1 further bytes" in failures(genuine.verify(longer, Unbound(), now=case.at))["nitro.format"].found


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_no_bytes_make_the_parser_fail_in_any_other_way(raw: bytes) -> None:
    for whole in (raw, bytes.fromhex("8444a1013822a0") + raw):
        with suppress(EvidenceFormatError):
            parse_document(whole)


PAYLOADS = st.dictionaries(
    st.sampled_from(["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "user_data", "nonce"]),
    st.none() | st.integers() | st.binary(max_size=60) | st.just("SHA384") | st.lists(st.binary(max_size=9)),
)


@given(PAYLOADS)
@settings(max_examples=60, deadline=None)
def test_no_payload_makes_the_verifier_fail(payload: dict) -> None:
    legal = {name: value for name, value in payload.items() if not isinstance(value, int) or abs(value) < 2**64}
    raw = sign(FORGER, cbor2.dumps(legal), tagged=False)

    verification = NitroVerifier((), NitroEndorsements()).verify(
        Evidence(Kind.NITRO, raw), Unbound(), now=datetime.fromisoformat("2026-11-25T00:00:00+00:00")
    )

    assert not verification.genuine


def test_what_is_remembered_of_a_chain_never_turns_a_refusal_into_an_acceptance(
    aws: SimulatedAws, enclave: NitroEnclave, now: datetime
) -> None:
    anchor = Anchor(x509.load_pem_x509_certificate(aws.trust_pem), simulated=True)
    verifier = NitroVerifier((anchor,), NitroEndorsements())
    evidence = aws.document(enclave, REPORT_DATA, now=now)
    tampered = bytearray(evidence.raw)
    tampered[-1] ^= 1

    for _ in range(2):
        assert verifier.verify(evidence, BOUND, now=now).genuine
        assert not verifier.verify(Evidence(Kind.NITRO, bytes(tampered)), BOUND, now=now).genuine
        assert not verifier.verify(evidence, Unbound(), now=now + timedelta(days=1)).genuine


def test_documents_are_recognised(nitro_case: Callable, aws: SimulatedAws, now: datetime) -> None:
    assert kind_by_start(nitro_case("07").evidence.raw) is Kind.NITRO
    assert kind_by_start(aws.document(NitroEnclave({}), None, now=now).raw) is Kind.NITRO
    assert kind_by_start(b"") is not Kind.NITRO
    assert kind_by_start(bytes.fromhex("d9018fa2")) is not Kind.NITRO
