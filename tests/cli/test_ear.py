"""`--ear KEY`: the verdict as a signed attestation result, and `--trust` with the keys of NVIDIA's service."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from attestation.appraisal import Outcome
from attestation.ear import appraise_ear, parse_ear
from attestation.jws import Key, encode_key, parse_keys, parse_token, sign_token
from attestation.kinds import Kind
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor, new_vendor
from tests.cli.conftest import Door, Enclasp
from tests.fakes.front_door import NOON, FrontDoor

AT = ("--at", "2026-06-01T12:00:00Z")
REPORT_DATA = bytes(range(1, 65))
TOKEN = Path(__file__).parents[1] / "vectors" / "ear" / "01-nvidia-nras-detached-eat-v3" / "token.json"


def pem(key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture(scope="module")
def signer() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def key_file(signer: ec.EllipticCurvePrivateKey, tmp_path: Path) -> Path:
    path = tmp_path / "verifier.key"
    path.write_bytes(pem(signer))
    return path


@pytest.fixture
def keys(signer: ec.EllipticCurvePrivateKey) -> tuple[Key, ...]:
    return parse_keys(json.dumps(encode_key(signer.public_key())).encode())


@pytest.fixture(scope="module")
def vendor() -> SimulatedVendor:
    return new_vendor(NOON)


@pytest.fixture
def folder(vendor: SimulatedVendor, tmp_path: Path) -> Path:
    folder = tmp_path / "evidence"
    folder.mkdir()
    quote = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(TrustDomain(bytes([7]) * 48), REPORT_DATA)
    (folder / "quote.bin").write_bytes(quote.raw)
    (folder / "collateral.json").write_bytes(vendor.bundle())
    (tmp_path / "trust.pem").write_bytes(vendor.trust_pem)
    return folder


def test_the_verdict_of_evidence_is_a_result_that_others_can_rely_on(
    enclasp: Enclasp, folder: Path, key_file: Path, keys: tuple[Key, ...]
) -> None:
    policy = folder.parent / "reference.yaml"
    policy.write_text(f"TDX:\n  MRTD: '{'07' * 48}'\n")
    trust, out = folder.parent / "trust.pem", folder.parent / "result.jwt"
    flags = ("--trust", trust, "--policy", policy, "--nonce", REPORT_DATA.hex(), "--ear", key_file)

    ended = enclasp("evidence", "verify", folder, *flags, *AT, "--out", out)

    assert (0, b"") == (ended.code, ended.out)
    nonce = parse_ear(parse_token(out.read_text().strip())).nonce
    appraisal = appraise_ear(out.read_text().strip(), keys, now=NOON, nonce=nonce)
    assert appraisal.accepted
    (submodule,) = appraisal.ear.submodules.values()
    assert (Outcome.AFFIRMING, 86) == (submodule.status, len(nonce))
    assert submodule.policies[0].startswith("ni:///sha-256;")
    assert submodule.verifier_claims["simulated"] is True


def test_evidence_that_is_refused_gets_a_result_that_says_so(
    enclasp: Enclasp, folder: Path, key_file: Path, keys: tuple[Key, ...]
) -> None:
    ended = enclasp("evidence", "verify", folder, "--ear", key_file, *AT, "-o", "json")

    appraisal = appraise_ear(ended.document["ear"], keys, now=NOON)
    assert (4, False) == (ended.code, appraisal.accepted)
    assert [Outcome.CONTRAINDICATED] == [s.status for s in appraisal.ear.submodules.values()]


def test_several_pieces_of_evidence_are_in_one_result_or_in_none(
    enclasp: Enclasp, folder: Path, key_file: Path
) -> None:
    trust = ("--trust", folder.parent / "trust.pem", "--ear", key_file, *AT)

    both = enclasp("evidence", "verify", folder, folder / "quote.bin", *trust)
    one = enclasp("evidence", "verify", folder, folder / "missing.bin", *trust)

    names = set(parse_ear(parse_token(both.text.strip())).submodules)
    assert {str(folder), str(folder / "quote.bin")} == names
    assert (3, b"") == (one.code, one.out)


def test_a_key_that_cannot_sign_a_result_is_refused_before_anything_is_verified(enclasp: Enclasp, folder: Path) -> None:
    odd = folder.parent / "odd.key"
    for raw in (b"text", pem(ed25519.Ed25519PrivateKey.generate()), pem(ec.generate_private_key(ec.SECP521R1()))):
        odd.write_bytes(raw)
        ended = enclasp("evidence", "verify", folder, "--ear", odd, *AT)
        assert (3, b"") == (ended.code, ended.out)
        assert "expected a private key on P-256 or P-384" in ended.err


def test_a_nonce_that_no_result_can_hold_is_a_usage_error(enclasp: Enclasp, folder: Path, key_file: Path) -> None:
    ended = enclasp("evidence", "verify", folder, "--ear", key_file, "--nonce", "0102", *AT)

    assert (2, b"") == (ended.code, ended.out)


def test_a_verified_deployment_gets_a_result_and_a_refused_one_none_that_affirms_it(
    enclasp: Enclasp, open_door: Callable[[FrontDoor], Door], key_file: Path, keys: tuple[Key, ...]
) -> None:
    door = open_door(FrontDoor())
    good = enclasp("verify", door.endpoint, *door.flags, "--ear", key_file)
    other = door.folder / "other.yaml"
    other.write_text(f"TDX:\n  MRTD: '{'00' * 48}'\n")
    bad = enclasp("verify", door.endpoint, *door.flags, "--ear", key_file, "--reference", other)

    assert appraise_ear(good.text.strip(), keys, now=NOON).accepted
    refused = appraise_ear(bad.text.strip(), keys, now=NOON)
    assert (0, 4, False) == (good.code, bad.code, refused.accepted)
    assert [Outcome.CONTRAINDICATED] == [s.status for s in refused.ear.submodules.values()]


def test_a_token_of_nvidias_service_is_believed_with_its_keys_only(enclasp: Enclasp, tmp_path: Path) -> None:
    service = ec.generate_private_key(ec.SECP384R1())
    [_, overall], devices = json.loads(TOKEN.read_bytes())
    text = sign_token(parse_token(devices["GPU-0"]).claims, service)
    claims = dict(parse_token(overall).claims) | {
        "submods": {"GPU-0": ["DIGEST", ["SHA-256", sha256(text.encode()).hexdigest()]]}
    }
    token, jwks = tmp_path / "token.json", tmp_path / "jwks.json"
    token.write_text(json.dumps([["JWT", sign_token(claims, service)], {"GPU-0": text}]))
    jwks.write_text(json.dumps({"keys": [encode_key(service.public_key())]}))
    at = ("--at", "2025-06-11T00:31:00Z", "-o", "json")

    believed = enclasp("evidence", "verify", token, "--trust", jwks, *at)
    unknown = enclasp("evidence", "verify", token, *at)
    real = enclasp("evidence", "verify", TOKEN, "--trust", jwks, *at)

    assert (0, "affirming", "nvidia-gpu") == (
        believed.code,
        believed.document["verdict"],
        believed.document["platform"],
    )
    assert (4, "none") == (unknown.code, unknown.document["verdict"])
    assert (4, "contraindicated") == (real.code, real.document["verdict"])


def test_keys_that_cannot_be_read_are_refused(enclasp: Enclasp, tmp_path: Path) -> None:
    jwks = tmp_path / "jwks.json"
    jwks.write_text('{"keys": 5}')

    ended = enclasp("evidence", "verify", TOKEN, "--trust", jwks)

    assert 3 == ended.code
    assert "JWKS: expected 1 to 64 keys" in ended.err
