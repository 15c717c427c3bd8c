"""Attestation results: ours are read by ourselves, Veraison's too; nothing unsigned, old or replayed is accepted."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.appraisal import DefaultPolicy, Outcome, Verdict, judge
from attestation.binding import Unbound
from attestation.checks import Check, Status
from attestation.claims import TcbStatus
from attestation.ear import (
    CODES,
    PROFILE,
    appraise_ear,
    ear_claims,
    issue_ear,
    parse_ear,
    trustworthiness,
)
from attestation.errors import EndorsementFormatError, EvidenceFormatError
from attestation.jws import Key, encode_key, parse_keys, parse_token, sign_token, to_base64url
from attestation.kinds import Kind
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor
from attestation.verify import Verifier

VERAISON = Path(__file__).parents[2] / "vectors" / "ear" / "02-veraison-ear-es256"
NONCE = "bm9uY2Ugb2YgdGhlIHBlZXI"


@pytest.fixture(scope="module", params=[ec.SECP256R1(), ec.SECP384R1()], ids=["ES256", "ES384"])
def key(request: pytest.FixtureRequest) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(request.param)


def trusted(key: ec.EllipticCurvePrivateKey) -> tuple[Key, ...]:
    return parse_keys(json.dumps(encode_key(key.public_key())).encode())


@pytest.fixture(scope="module")
def verdict(vendor: SimulatedVendor, verifier: Verifier, now: datetime) -> Verdict:
    evidence = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(TrustDomain(b"\1" * 48), bytes(64))
    return judge(verifier.verify(evidence, Unbound(), now=now), DefaultPolicy())


def issued(key, verdict: Verdict, now: datetime, **more) -> str:
    return issue_ear(ear_claims({"td": verdict}, now=now, build="enclasp test", **more), key)


def test_a_result_holds_the_whole_verdict(key, verdict: Verdict, now: datetime) -> None:
    text = issued(key, verdict, now, nonce=NONCE, lifetime=timedelta(minutes=5), policies=("policy:1",))

    appraisal = appraise_ear(text, trusted(key), now=now, nonce=NONCE)

    assert appraisal.accepted
    ear = appraisal.ear
    assert (PROFILE, "Enclasp", "enclasp test") == (ear.profile, ear.developer, ear.build)
    assert now + timedelta(minutes=5) == ear.expires_at
    submodule = ear.submodules["td"]
    assert Outcome.AFFIRMING is submodule.status
    assert ("policy:1",) == submodule.policies
    document = verdict.as_json()
    assert document["claims"] == submodule.attester_claims
    assert document["checks"] == submodule.verifier_claims["checks"]
    assert submodule.verifier_claims["simulated"] is True


def test_the_claims_are_those_of_the_draft(verdict: Verdict, now: datetime) -> None:
    claims = ear_claims({"td": verdict}, now=now, build="b", raw_evidence=b"\xde\xad\xbe\xef")

    assert {"eat_profile", "iat", "ear_verifier_id", "submods", "ear_raw_evidence"} == set(claims)
    assert "3q2-7w" == claims["ear_raw_evidence"]
    assert {"developer", "build"} == set(claims["ear_verifier_id"])
    assert int(now.timestamp()) == claims["iat"]


def test_veraisons_result_is_read_and_its_signature_holds() -> None:
    text = (VERAISON / "token.jwt").read_text().strip()
    keys = parse_keys((VERAISON / "pkey.jwk.json").read_bytes())

    appraisal = appraise_ear(text, keys, now=datetime(2026, 1, 1, tzinfo=UTC))

    assert appraisal.accepted
    assert datetime(2022, 10, 18, 11, 9, 33, tzinfo=UTC) == appraisal.ear.issued_at
    assert 3 == appraisal.ear.submodules["test"].vector["executables"]
    assert ("https://veraison.example/policy/1/60a0068d",) == appraisal.ear.submodules["test"].policies


def check_of(appraisal, name: str) -> Check:
    return next(check for check in appraisal.checks if check.name == name)


def test_a_result_that_another_key_signed_is_refused(key, verdict: Verdict, now: datetime) -> None:
    other = ec.generate_private_key(key.curve)

    appraisal = appraise_ear(issued(other, verdict, now), trusted(key), now=now)

    assert not appraisal.accepted
    assert (Status.FAILED, "V280", "no trusted key signed it") == (
        (found := check_of(appraisal, "ear.signature")).status,
        found.code,
        found.found,
    )
    assert not appraise_ear(issued(key, verdict, now), (), now=now).accepted


@pytest.mark.parametrize(
    ("at", "longest", "accepted"),
    [
        (timedelta(0), None, True),
        (timedelta(minutes=4), None, True),
        (timedelta(minutes=5), None, False),
        (timedelta(seconds=-1), None, False),
        (timedelta(minutes=2), timedelta(minutes=1), False),
        (timedelta(seconds=30), timedelta(minutes=1), True),
    ],
)
def test_a_result_is_accepted_while_it_is_valid(key, verdict, now, at, longest, accepted: bool) -> None:
    text = issued(key, verdict, now, lifetime=timedelta(minutes=5))

    appraisal = appraise_ear(text, trusted(key), now=now + at, longest=longest)

    assert accepted is appraisal.accepted
    assert accepted is not (check_of(appraisal, "ear.validity").code == "V282")


def test_a_result_for_another_nonce_is_refused(key, verdict, now) -> None:
    text = issued(key, verdict, now, nonce=NONCE)

    assert appraise_ear(text, trusted(key), now=now, nonce=NONCE).accepted
    refused = appraise_ear(text, trusted(key), now=now, nonce="another nonce")
    assert not refused.accepted
    assert "V283" == check_of(refused, "ear.nonce").code
    assert Status.NOT_CHECKED is check_of(appraise_ear(text, trusted(key), now=now), "ear.nonce").status


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.AFFIRMING])
def test_a_signed_result_that_does_not_affirm_is_not_accepted(key, verdict, now, outcome: Outcome) -> None:
    claims = ear_claims({"td": verdict, "gpu": replace(verdict, outcome=outcome)}, now=now, build="b")

    appraisal = appraise_ear(issue_ear(claims, key), trusted(key), now=now)

    assert not appraisal.accepted
    assert f"td affirming, gpu {outcome}" == check_of(appraisal, "ear.status").found


def test_a_result_of_another_profile_is_not_accepted(key, verdict, now) -> None:
    claims = ear_claims({"td": verdict}, now=now, build="b") | {"eat_profile": "tag:example.org,2026:other"}

    appraisal = appraise_ear(issue_ear(claims, key), trusted(key), now=now)

    assert not appraisal.accepted
    assert "V281" == check_of(appraisal, "ear.profile").code


def test_the_vector_says_no_more_than_was_found(verdict: Verdict) -> None:
    hardware = replace(verdict, simulated=False)
    debug = replace(hardware, claims=replace(verdict.claims, debuggable=True), outcome=Outcome.CONTRAINDICATED)
    old = replace(hardware, claims=replace(verdict.claims, tcb_status=TcbStatus.OUT_OF_DATE))
    revoked = replace(hardware, claims=replace(verdict.claims, tcb_status=TcbStatus.REVOKED))
    forged = replace(hardware, genuine=False, outcome=Outcome.CONTRAINDICATED)
    unknown = replace(hardware, genuine=False, outcome=Outcome.NONE)

    assert {"instance-identity": 2} == trustworthiness(verdict)
    assert {"instance-identity": 2, "hardware": 2, "runtime-opaque": 2} == trustworthiness(hardware)
    assert 96 == trustworthiness(debug)["runtime-opaque"]
    assert 32 == trustworthiness(old)["hardware"]
    assert 96 == trustworthiness(revoked)["hardware"]
    assert {"instance-identity": 99, "hardware": 99} == trustworthiness(forged)
    assert {} == trustworthiness(unknown)


def test_the_vector_speaks_of_programs_only_where_they_were_appraised(verdict: Verdict) -> None:
    fits = Check("tdx.mrtd", Status.PASSED, "01", "01", "manifest")
    differs = Check("tdx.mrtd", Status.FAILED, "01", "02", "manifest", "hint", "V124")

    appraised = replace(verdict, checks=(fits,))
    refused = replace(verdict, checks=(differs,), outcome=Outcome.CONTRAINDICATED)

    assert 2 == trustworthiness(appraised)["executables"]
    assert 33 == trustworthiness(refused)["executables"]
    assert "executables" not in trustworthiness(verdict)


def test_what_makes_no_result_is_refused(verdict: Verdict, now: datetime) -> None:
    with pytest.raises(ValueError, match="at least one verdict"):
        ear_claims({}, now=now, build="b")
    with pytest.raises(ValueError, match="8 to 88 characters, got 3"):
        ear_claims({"td": verdict}, now=now, build="b", nonce="abc")
    with pytest.raises(ValueError, match="expected one on P-256 or P-384, got secp521r1"):
        issue_ear(ear_claims({"td": verdict}, now=now, build="b"), ec.generate_private_key(ec.SECP521R1()))


@pytest.mark.parametrize(
    "change",
    [
        {"submods": {}},
        {"submods": {"td": []}},
        {"submods": {"td": {"ear_status": "good"}}},
        {"submods": {"td": {"ear_status": "none", "ear_trustworthiness_vector": {"hardware": 300}}}},
        {"submods": {"td": {"ear_status": "none", "ear_trustworthiness_vector": {"hardware": True}}}},
        {"iat": "now"},
        {"iat": True},
        {"exp": -1},
        {"eat_profile": None},
        {"ear_verifier_id": "me"},
    ],
)
def test_claims_that_are_no_result_are_refused(verdict: Verdict, now: datetime, change: dict) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    claims = ear_claims({"td": verdict}, now=now, build="b") | change

    with pytest.raises(EvidenceFormatError, match="attestation result"):
        parse_ear(parse_token(issue_ear(claims, key)))


@given(st.data())
@settings(max_examples=80)
def test_any_change_of_a_token_is_refused(data: st.DataObject) -> None:
    text = (VERAISON / "token.jwt").read_text().strip()
    keys = parse_keys((VERAISON / "pkey.jwk.json").read_bytes())
    position = data.draw(st.integers(0, len(text) - 1))
    changed = text[:position] + data.draw(st.characters()) + text[position + 1 :]

    try:
        appraisal = appraise_ear(changed, keys, now=datetime(2026, 1, 1, tzinfo=UTC))
    except EvidenceFormatError:
        return
    assert changed == text or not appraisal.accepted


def header_of(**members: object) -> str:
    return to_base64url(json.dumps(members).encode())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a.b", "three parts"),
        ("ä.b.c", "ASCII"),
        (f"{header_of(alg='none')}.e30.", "expected alg ES256 or ES384"),
        (f"{header_of(alg='HS256')}.e30.AA", "expected alg ES256 or ES384"),
        (f"{header_of(alg='ES256', crit=['x'])}.e30.AA", "and no crit"),
        (f"{header_of(alg='ES256')}.e31.AA", "another form"),
        (f"{header_of(alg='ES256')}.W10.AA", "expected an object, got list"),
        (f"{header_of(alg='ES256')}.{to_base64url(b'{{')}.AA", "expected JSON"),
        (f"{to_base64url(b'{{}}')}.e30.AA", "expected JSON"),
        ("e30.e30.AA", "got None"),
    ],
)
def test_text_that_is_no_strict_token_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(EvidenceFormatError, match=sentence):
        parse_token(text)


def test_a_member_that_stands_twice_is_refused() -> None:
    twice = to_base64url(b'{"alg":"ES256","alg":"ES384"}')

    with pytest.raises(EvidenceFormatError, match="stands twice"):
        parse_token(f"{twice}.e30.AA")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "expected an object, got list"),
        ({"keys": []}, "1 to 64 keys"),
        ({"keys": {}}, "1 to 64 keys"),
        ({"kty": "EC", "crv": "P-521"}, "expected a public key on P-256 or P-384, got curve 'P-521'"),
        ({"kty": "EC", "crv": "P-256", "d": "AA"}, "with its private part"),
        ({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, "expected a point of P-256"),
        ({"kty": "EC", "crv": "P-256", "x": "A"}, "expected a point of P-256"),
    ],
)
def test_keys_that_cannot_be_read_are_refused(document: object, sentence: str) -> None:
    with pytest.raises(EndorsementFormatError, match=sentence):
        parse_keys(json.dumps(document).encode())


def test_keys_of_other_kinds_are_left_out() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    document = {"keys": [{"kty": "RSA", "n": "AA", "e": "AQAB"}, encode_key(key.public_key(), key_id="one")]}

    [read] = parse_keys(json.dumps(document).encode())

    assert ("one", "ES256") == (read.key_id, read.algorithm.name)


def test_a_named_key_signs_only_tokens_of_its_name(verdict, now) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    keys = parse_keys(json.dumps(encode_key(key.public_key(), key_id="one")).encode())
    claims = ear_claims({"td": verdict}, now=now, build="b")

    assert appraise_ear(sign_token(claims, key, key_id="one"), keys, now=now).accepted
    assert not appraise_ear(sign_token(claims, key, key_id="two"), keys, now=now).accepted
    assert appraise_ear(sign_token(claims, key), keys, now=now).accepted


def test_every_code_has_words() -> None:
    assert ["V280", "V281", "V282", "V283", "V284", "V285"] == sorted(CODES)
    assert all(title and hint for title, hint in CODES.values())
