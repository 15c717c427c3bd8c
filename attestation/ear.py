"""Verdicts as an EAR: a signed attestation result that other verifiers and relying parties understand.

Source: draft-ietf-rats-ear-04 (EAT Attestation Results), draft-ietf-rats-ar4si (trustworthiness vector).  We write
revision 04, and read it, revision 03 and the profile that Veraison had before (labels with dots).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from attestation import codes
from attestation.appraisal import Outcome, Verdict
from attestation.checks import Check, Status, Steps
from attestation.claims import TcbStatus
from attestation.errors import EvidenceFormatError
from attestation.jws import Key, Token, is_signed_by, parse_token, sign_token, to_base64url

PROFILE: Final = "tag:ietf.org,2026:rats/ear#04"
DEVELOPER: Final = "Enclasp"
_PROFILES: Final = (PROFILE, "tag:ietf.org,2026:rats/ear#03", "tag:github.com,2023:veraison/ear")
_SPECIFICATION: Final = "draft-ietf-rats-ear-04, 3"
_NONCE_CHARACTERS: Final = range(8, 89)

SIGNATURE: Final = "V280"
EAR_PROFILE: Final = "V281"
DATES: Final = "V282"
NONCE: Final = "V283"
STATUS: Final = "V284"
NO_NONCE: Final = "V285"

CODES: Final[Mapping[str, tuple[str, str]]] = {
    SIGNATURE: (
        "no trusted key signed the attestation result",
        "name the verifier's key that you trust; if you did, the result was altered or is somebody else's",
    ),
    EAR_PROFILE: ("the attestation result has a profile that we do not read", f"ask the verifier for {PROFILE}"),
    DATES: ("the attestation result is not valid at this time", "ask for a fresh one, or check the clock"),
    NONCE: ("the attestation result was made for another nonce", "it may be replayed: ask for a fresh one"),
    STATUS: ("the verifier did not affirm the attester", "look at the checks in the result for the reason"),
    NO_NONCE: ("nobody said which nonce the result should have", "give the nonce that you sent to the verifier"),
}
_STEPS: Final = Steps(CODES)

# Values of the trustworthiness vector (draft-ietf-rats-ar4si, 2.3).
_AFFIRMED: Final = 2
_HARDWARE_VULNERABLE: Final = 32
_UNRECOGNIZED_PROGRAM: Final = 33
_CONTRAINDICATED: Final = 96
_CRYPTOGRAPHY_FAILED: Final = 99
_VULNERABLE: Final = frozenset(TcbStatus) - {TcbStatus.UP_TO_DATE, TcbStatus.NOT_APPLICABLE}


@dataclass(frozen=True, slots=True)
class Submodule:
    """What a verifier says of one attester.  vector: names and values of AR4SI.  Both claims: for people and policy."""

    status: Outcome
    vector: Mapping[str, int]
    policies: tuple[str, ...] = ()
    attester_claims: Mapping[str, Any] = field(default_factory=dict)
    verifier_claims: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ear:
    """An attestation result, trusted or not.  expires_at: None where the verifier did not say."""

    profile: str
    issued_at: datetime
    expires_at: datetime | None
    developer: str
    build: str
    nonce: str
    submodules: Mapping[str, Submodule]


@dataclass(frozen=True, slots=True)
class EarAppraisal:
    """accepted: every check has passed.  An affirming result that is not signed is not accepted."""

    ear: Ear
    accepted: bool
    checks: tuple[Check, ...]


def ear_claims(
    verdicts: Mapping[str, Verdict],
    *,
    now: datetime,
    build: str,
    lifetime: timedelta | None = None,
    nonce: str = "",
    raw_evidence: bytes = b"",
    policies: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The claims of an EAR.  verdicts: name of each attester to what we found.

    nonce: 8 to 88 characters, or empty.  policies: names of what was appraised against.  ValueError if it cannot be.
    """
    if not verdicts:
        raise ValueError("attestation result: expected at least one verdict, got none")
    if nonce and len(nonce) not in _NONCE_CHARACTERS:
        raise ValueError(f"nonce: expected 8 to 88 characters, got {len(nonce)}")
    issued = int(now.timestamp())
    claims: dict[str, Any] = {
        "eat_profile": PROFILE,
        "iat": issued,
        "ear_verifier_id": {"developer": DEVELOPER, "build": build},
        "submods": {name: _submodule(verdict, policies) for name, verdict in verdicts.items()},
    }
    if lifetime is not None:
        claims["exp"] = issued + int(lifetime.total_seconds())
    if nonce:
        claims["eat_nonce"] = nonce
    if raw_evidence:
        claims["ear_raw_evidence"] = to_base64url(raw_evidence)
    return claims


def issue_ear(claims: Mapping[str, Any], key: ec.EllipticCurvePrivateKey, *, key_id: str = "") -> str:
    """The claims as a signed JWT: ES256 or ES384 by the key's curve (ValueError for another)."""
    return sign_token(claims, key, key_id=key_id)


def parse_ear(token: Token) -> Ear:
    """Read the claims of a result.  Raises EvidenceFormatError."""
    claims = token.claims
    verifier = _member(claims, ("ear_verifier_id", "ear.verifier-id"), dict)
    submodules = _member(claims, ("submods",), dict)
    if not submodules:
        raise EvidenceFormatError("attestation result submods: expected at least one, got none")
    expires = claims.get("exp")
    return Ear(
        profile=_member(claims, ("eat_profile",), str),
        issued_at=_time(claims.get("iat"), "iat"),
        expires_at=None if expires is None else _time(expires, "exp"),
        developer=str(verifier.get("developer", "")),
        build=str(verifier.get("build", "")),
        nonce=str(claims.get("eat_nonce", "")),
        submodules={name: _read_submodule(name, item) for name, item in submodules.items()},
    )


def appraise_ear(
    text: str, keys: tuple[Key, ...], *, now: datetime, nonce: str | None = None, longest: timedelta | None = None
) -> EarAppraisal:
    """Is this result signed by a verifier that we trust, fresh, and does it affirm all attesters?

    keys: of the verifiers.  nonce: the one that we sent; None where none was.  longest: how old it may be.
    Raises EvidenceFormatError for anything but a result.
    """
    token = parse_token(text)
    ear = parse_ear(token)
    checks = (
        _settled(
            is_signed_by(token, keys),
            "ear.signature",
            f"a signature by one of {len(keys)} trusted keys",
            "it holds" if is_signed_by(token, keys) else "no trusted key signed it",
            SIGNATURE,
        ),
        _settled(ear.profile in _PROFILES, "ear.profile", " or ".join(_PROFILES), ear.profile, EAR_PROFILE),
        _dates_check(ear, now, longest),
        _nonce_check(ear, nonce),
        _status_check(ear),
    )
    needed = checks if nonce is not None else tuple(c for c in checks if c.name != "ear.nonce")
    return EarAppraisal(ear, all(check.status is Status.PASSED for check in needed), checks)


def _submodule(verdict: Verdict, policies: tuple[str, ...]) -> dict[str, Any]:
    document = verdict.as_json()
    submodule: dict[str, Any] = {"ear_status": verdict.outcome.value}
    if vector := trustworthiness(verdict):
        submodule["ear_trustworthiness_vector"] = vector
    if policies:
        submodule["ear_appraisal_policy_ids"] = list(policies)
    submodule["ear_attester_claims"] = document["claims"]
    submodule["ear_verifier_claims"] = {k: document[k] for k in ("platform", "genuine", "simulated", "checks")}
    return submodule


def trustworthiness(verdict: Verdict) -> dict[str, int]:
    """The trustworthiness vector of a verdict; what was not looked at is left out, which means "none".

    A simulated vendor's hardware is no hardware: nothing is said of it.
    """
    claims = verdict.claims
    if not verdict.genuine:
        if verdict.outcome is Outcome.CONTRAINDICATED:
            return {"instance-identity": _CRYPTOGRAPHY_FAILED, "hardware": _CRYPTOGRAPHY_FAILED}
        return {}
    vector = {"instance-identity": _AFFIRMED}
    if not verdict.simulated:
        if claims.tcb_status is TcbStatus.REVOKED:
            vector["hardware"] = _CONTRAINDICATED
        elif claims.tcb_status is not None:
            vector["hardware"] = _HARDWARE_VULNERABLE if claims.tcb_status in _VULNERABLE else _AFFIRMED
        vector["runtime-opaque"] = _CONTRAINDICATED if claims.debuggable else _AFFIRMED
    if any(check.code == codes.MEASUREMENT for check in verdict.checks):
        vector["executables"] = _UNRECOGNIZED_PROGRAM
    elif verdict.outcome is Outcome.AFFIRMING and not any(c.name.startswith("policy.") for c in verdict.checks):
        vector["executables"] = _AFFIRMED
    return vector


def _dates_check(ear: Ear, now: datetime, longest: timedelta | None) -> Check:
    ends = [at for at in (ear.expires_at, ear.issued_at + longest if longest else None) if at is not None]
    end = min(ends, default=None)
    holds = ear.issued_at <= now and (end is None or now < end)
    found = f"issued {ear.issued_at:%Y-%m-%dT%H:%M:%SZ}, " + (f"until {end:%Y-%m-%dT%H:%M:%SZ}" if end else "no end")
    return _settled(holds, "ear.validity", f"valid at {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", found, DATES)


def _nonce_check(ear: Ear, nonce: str | None) -> Check:
    if nonce is None:
        expected = "a nonce that somebody names"
        return _STEPS.missing("ear.nonce", expected, ear.nonce or "none", "nobody", NO_NONCE)
    return _settled(ear.nonce == nonce, "ear.nonce", nonce, ear.nonce or "none", NONCE)


def _status_check(ear: Ear) -> Check:
    found = ", ".join(f"{name} {submodule.status.value}" for name, submodule in ear.submodules.items())
    holds = all(submodule.status is Outcome.AFFIRMING for submodule in ear.submodules.values())
    return _settled(holds, "ear.status", "affirming for every attester", found, STATUS)


def _settled(holds: bool, name: str, expected: str, found: str, code: str) -> Check:
    return _STEPS.settled(holds, name, expected, found, _SPECIFICATION, code)


def _read_submodule(name: str, item: object) -> Submodule:
    if not isinstance(item, dict):
        raise EvidenceFormatError(f"attestation result submods/{name:.60}: expected an object")
    vector = _optional(item, ("ear_trustworthiness_vector", "ear.trustworthiness-vector"))
    if not all(type(value) is int and -128 <= value <= 127 for value in vector.values()):
        raise EvidenceFormatError(f"attestation result submods/{name:.60}: expected a vector of numbers of one byte")
    policies = item.get("ear_appraisal_policy_ids", item.get("ear.appraisal-policy-id", []))
    return Submodule(
        status=_status(item.get("ear_status", item.get("ear.status")), name),
        vector=vector,
        policies=tuple(map(str, policies if isinstance(policies, list) else [policies])),
        attester_claims=_optional(item, ("ear_attester_claims",)),
        verifier_claims=_optional(item, ("ear_verifier_claims",)),
    )


def _status(value: object, name: str) -> Outcome:
    try:
        return Outcome(str(value))
    except ValueError as error:
        raise EvidenceFormatError(
            f"attestation result submods/{name:.60}: expected a status, got {value!r:.40}"
        ) from error


def _optional(item: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any]:
    return _member(item, names, dict) if any(name in item for name in names) else {}


def _member(claims: Mapping[str, Any], names: tuple[str, ...], kind: type) -> Any:
    """The first of these members that is there; Any, since `kind` was looked at here."""
    value = next((claims[name] for name in names if name in claims), None)
    if not isinstance(value, kind):
        raise EvidenceFormatError(
            f"attestation result {names[0]}: expected {kind.__name__}, got {type(value).__name__}"
        )
    return value


def _time(value: object, name: str) -> datetime:
    """Seconds since 1970."""
    if type(value) is not int or not 0 <= value < 1 << 36:
        raise EvidenceFormatError(f"attestation result {name}: expected seconds since 1970, got {value!r:.40}")
    return datetime.fromtimestamp(value, UTC)
