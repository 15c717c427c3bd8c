"""Tokens of NVIDIA's attestation service: a real one without its keys, and ones of a simulated service."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.appraisal import DefaultPolicy, Outcome, appraise, judge
from attestation.binding import Bound, Unbound
from attestation.checks import Status
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence
from attestation.jws import encode_key, parse_token, sign_token
from attestation.kinds import Kind
from attestation.nvidia_gpu.claims import NvidiaGpuReferenceValues
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.nras import ISSUER, parse_detached
from attestation.nvidia_gpu.verify import NvidiaGpuVerifier
from attestation.starts import kind_by_start

TOKEN = Path(__file__).parents[2] / "vectors" / "ear" / "01-nvidia-nras-detached-eat-v3" / "token.json"
ISSUED = datetime(2025, 6, 11, 0, 31, tzinfo=UTC)
NONCE = bytes.fromhex("931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb")
BINDING = Bound(NONCE + bytes(32), "our nonce")


@pytest.fixture(scope="module")
def service() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


@pytest.fixture(scope="module")
def verifier(service: ec.EllipticCurvePrivateKey) -> NvidiaGpuVerifier:
    keys = json.dumps({"keys": [encode_key(service.public_key(), key_id="simulated")]}).encode()
    return NvidiaGpuVerifier((), NvidiaGpuEndorsements.none(), keys)


def signed_anew(
    service: ec.EllipticCurvePrivateKey,
    device: Callable[[dict[str, Any]], object] = lambda claims: None,
    overall: Callable[[dict[str, Any]], object] = lambda claims: None,
) -> Evidence:
    """The real token's claims, with changes, signed by a simulated service."""
    [_, real_overall], real_devices = json.loads(TOKEN.read_bytes())
    device_claims = dict(parse_token(real_devices["GPU-0"]).claims)
    device(device_claims)
    text = sign_token(device_claims, service, key_id="simulated")
    claims = dict(parse_token(real_overall).claims)
    claims["submods"] = {"GPU-0": ["DIGEST", ["SHA-256", sha256(text.encode()).hexdigest()]]}
    overall(claims)
    document = [["JWT", sign_token(claims, service, key_id="simulated")], {"GPU-0": text}]
    return Evidence(Kind.NVIDIA_GPU, json.dumps(document).encode())


def test_a_real_token_is_read_and_not_believed_without_keys() -> None:
    evidence = Evidence(Kind.NVIDIA_GPU, TOKEN.read_bytes())

    verification = NvidiaGpuVerifier((), NvidiaGpuEndorsements.none()).verify(evidence, BINDING, now=ISSUED)

    assert not verification.genuine
    assert Outcome.NONE is judge(verification, DefaultPolicy()).outcome
    assert ["nras.signature"] == [c.name for c in verification.checks if c.status is not Status.PASSED]
    details = verification.claims.details
    assert ("550.90.07", "96.00.9F.00.01", "GH100") == (details["driver"], details["vbios_version"], details["model"])
    assert ("match", "disabled", "good", True) == tuple(
        details[name] for name in ("rims", "debug_status", "revocation", "nras")
    )
    assert NONCE + bytes(32) == verification.claims.report_data


def test_a_token_of_a_trusted_service_is_accepted_where_that_is_allowed(service, verifier) -> None:
    verification = verifier.verify(signed_anew(service), BINDING, now=ISSUED)

    assert Outcome.AFFIRMING is judge(verification, DefaultPolicy()).outcome
    assert appraise(verification.attested(), (NvidiaGpuReferenceValues(nras=True),)).accepted
    refusal = appraise(verification.attested(), (NvidiaGpuReferenceValues(),))
    assert not refusal.accepted
    assert ["V249"] == [check.code for check in refusal.checks if check.code]


FAULTS = [
    ("nras.result", "V269", "GPU-0 measres", {"device": lambda c: c.update(measres="fail")}, ISSUED),
    ("nras.result", "V269", "GPU-0 dbgstat", {"device": lambda c: c.update(dbgstat="enabled")}, ISSUED),
    (
        "nras.result",
        "V269",
        "GPU-0 x-nvidia-gpu-arch-check",
        {"device": lambda c: c.update({"x-nvidia-gpu-arch-check": False})},
        ISSUED,
    ),
    (
        "nras.result",
        "V269",
        "overall result",
        {"overall": lambda c: c.update({"x-nvidia-overall-att-result": False})},
        ISSUED,
    ),
    (
        "nras.issuer",
        "V267",
        "https://other.example",
        {"device": lambda c: c.update(iss="https://other.example")},
        ISSUED,
    ),
    ("nras.digests", "V267", "others", {"overall": lambda c: c.update(submods={})}, ISSUED),
    ("nras.nonce", "V254", "00", {"device": lambda c: c.update(eat_nonce="00" * 32)}, ISSUED),
    ("nras.validity", "V268", "is valid from", {}, datetime(2025, 6, 12, tzinfo=UTC)),
    ("nras.validity", "V268", "is valid from", {}, datetime(2025, 6, 10, tzinfo=UTC)),
    ("nras.validity", "V268", "does not say", {"device": lambda c: c.pop("exp")}, ISSUED),
    (
        "binding.report-data",
        "V254",
        "11" * 32,
        {"device": lambda c: c.update(eat_nonce="11" * 32), "overall": lambda c: c.update(eat_nonce="11" * 32)},
        ISSUED,
    ),
]


@pytest.mark.parametrize(("name", "code", "sentence", "changes", "at"), FAULTS)
def test_each_fault_of_a_token_is_found(
    service, verifier, name: str, code: str, sentence: str, changes: dict, at: datetime
) -> None:
    verification = verifier.verify(signed_anew(service, **changes), BINDING, now=at)

    [refusal] = [check for check in verification.checks if check.status is not Status.PASSED]
    assert (name, code) == (refusal.name, refusal.code)
    assert sentence in refusal.found
    assert refusal.hint
    assert not verification.genuine


def test_a_token_of_another_service_is_refused(verifier) -> None:
    other = ec.generate_private_key(ec.SECP384R1())

    verification = verifier.verify(signed_anew(other), BINDING, now=ISSUED)

    [refusal] = [check for check in verification.checks if check.status is not Status.PASSED]
    assert ("nras.signature", "V267") == (refusal.name, refusal.code)
    assert "no trusted key signed: overall, GPU-0" == refusal.found


def test_one_device_of_another_request_is_refused(service, verifier) -> None:
    """Its token is signed and valid, but the overall token names another."""
    first, second = signed_anew(service), signed_anew(service)
    mixed = json.dumps([json.loads(first.raw)[0], json.loads(second.raw)[1]]).encode()

    verification = verifier.verify(Evidence(Kind.NVIDIA_GPU, mixed), BINDING, now=ISSUED)

    assert ["nras.digests"] == [check.name for check in verification.checks if check.status is not Status.PASSED]


@given(st.data())
@settings(max_examples=60)
def test_any_change_of_a_token_is_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(TOKEN.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with suppress(EvidenceFormatError):
        parse_detached(bytes(raw))
    verification = NvidiaGpuVerifier((), NvidiaGpuEndorsements.none()).verify(
        Evidence(Kind.NVIDIA_GPU, bytes(raw)), Unbound(), now=ISSUED
    )
    assert not verification.genuine


@pytest.mark.parametrize("raw", [b'[["JWT", 1], {}]', b'[["JWT","a.b.c"],{}]', b'[["JWT","a.b.c"],{"G":1}]', b"[["])
def test_other_json_is_no_token(raw: bytes) -> None:
    with pytest.raises(EvidenceFormatError):
        parse_detached(raw)


def test_a_token_is_recognised_by_how_it_begins() -> None:
    assert kind_by_start(TOKEN.read_bytes()) is Kind.NVIDIA_GPU
    assert kind_by_start(b'["JWT"]') is not Kind.NVIDIA_GPU
    assert ISSUER in str(parse_detached(TOKEN.read_bytes()).overall.claims)
