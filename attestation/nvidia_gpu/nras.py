"""What does NVIDIA's attestation service (NRAS) say?  A detached EAT: its word in place of the device's evidence.

The token is a JSON list: `["JWT", overall]` and an object of one JWT for each device, which `overall` names by digest.
Trust is in the service's keys, which only whoever appraises can give; without them every claim is readable and none is
checked.  A token proves what the service saw, not what the device says now.
Source: RFC 9711 (EAT), 4.2.18.2 (detached submodules); claims as NVIDIA documents them.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from attestation.binding import REPORT_DATA_BYTES
from attestation.checks import Check, Status
from attestation.claims import Claims, TcbStatus
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence
from attestation.jws import Token, is_signed_by, parse_keys, parse_token
from attestation.kinds import Kind
from attestation.nvidia_gpu import codes
from attestation.nvidia_gpu.claims import Compared, Revocation
from attestation.nvidia_gpu.steps import missing, settled
from attestation.verification import Verification

ISSUER: Final = "https://nras.attestation.nvidia.com"
_SPECIFICATION: Final = "NVIDIA Remote Attestation Service, detached EAT"
_MAX_DEVICES: Final = 64
_SUCCESS: Final = frozenset({"success", "comparison-successful"})


@dataclass(frozen=True, slots=True)
class DetachedToken:
    """overall: the outer token.  devices: name to token; digests: name to SHA-256 of its text."""

    overall: Token
    devices: Mapping[str, Token]
    digests: Mapping[str, bytes]


def parse_detached(raw: bytes) -> DetachedToken:
    """Read the token.  Raises EvidenceFormatError."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise EvidenceFormatError(f"detached EAT: expected JSON, got {error}") from error
    match document:
        case [["JWT", str(overall)], dict(devices)] if 1 <= len(devices) <= _MAX_DEVICES:
            texts = {name: text for name, text in devices.items() if isinstance(text, str)}
        case _:
            raise EvidenceFormatError('detached EAT: expected [["JWT", token], {name: token, …}]')
    if len(texts) != len(devices):
        raise EvidenceFormatError("detached EAT: expected a token as text for each device")
    return DetachedToken(
        parse_token(overall),
        {name: parse_token(text) for name, text in texts.items()},
        {name: sha256(text.encode()).digest() for name, text in texts.items()},
    )


class NrasVerifier:
    """Verifies tokens against the keys that somebody decided to trust."""

    def __init__(self, keys: bytes) -> None:
        """keys: JWKS, empty for none.  Raises EndorsementFormatError."""
        self._keys = parse_keys(keys) if keys else ()

    def verify(self, evidence: Evidence, bind: Callable[[bytes], Check], now: datetime) -> Verification:
        """Every check of a token.  bind: checks the nonce against the peer's binding."""
        try:
            detached = parse_detached(evidence.raw)
            nonce = bytes.fromhex(str(detached.overall.claims.get("eat_nonce", "")))
            if len(nonce) > REPORT_DATA_BYTES:
                raise ValueError(f"a nonce of {len(nonce)} bytes")
        except (EvidenceFormatError, ValueError) as error:
            claims = Claims(Kind.NVIDIA_GPU, False, b"", {}, None, (), None, "")
            return Verification(evidence, claims, False, True, False, (_format_check(str(error)),))
        bound = bind(nonce)
        needed = [
            _format_check(""),
            self._signature_check(detached),
            _digest_check(detached),
            _issuer_check(detached),
            _validity_check(detached, now),
            _nonce_check(detached),
            _result_check(detached),
        ]
        checks = (*needed, bound)
        if bound.status is not Status.NOT_CHECKED:
            needed.append(bound)
        return Verification(
            evidence=evidence,
            claims=_claims_of(detached, nonce),
            genuine=all(check.status is Status.PASSED for check in needed),
            complete=all(check.status is not Status.NOT_CHECKED for check in needed),
            simulated=False,
            checks=checks,
        )

    def _signature_check(self, detached: DetachedToken) -> Check:
        name, expected = "nras.signature", "tokens that the service signed"
        if not self._keys:
            return missing(name, expected, "no key of the service to check with", _SPECIFICATION, codes.NRAS_KEYS)
        wrong = [n for n, token in _all(detached).items() if not is_signed_by(token, self._keys)]
        found = f"no trusted key signed: {', '.join(wrong)}" if wrong else "all signed"
        return settled(not wrong, name, expected, found, _SPECIFICATION, codes.NRAS_SIGNATURE)


def _all(detached: DetachedToken) -> Mapping[str, Token]:
    return {"overall": detached.overall, **detached.devices}


def _format_check(problem: str) -> Check:
    expected, found = "a detached EAT of NVIDIA's service", problem or "a whole one"
    return settled(not problem, "nras.format", expected, found, _SPECIFICATION, codes.FORMAT)


def _digest_check(detached: DetachedToken) -> Check:
    """The overall token names exactly these devices' tokens."""
    named = detached.overall.claims.get("submods")
    wanted = {name: ["DIGEST", ["SHA-256", digest.hex()]] for name, digest in detached.digests.items()}
    expected = "the digest of each device's token in the overall one"
    found = "as they are" if named == wanted else "others"
    return settled(named == wanted, "nras.digests", expected, found, "RFC 9711, 4.2.18.2", codes.NRAS_SIGNATURE)


def _issuer_check(detached: DetachedToken) -> Check:
    found = sorted({str(token.claims.get("iss", "")) for token in _all(detached).values()})
    holds = found == [ISSUER]
    return settled(holds, "nras.issuer", ISSUER, ", ".join(found), _SPECIFICATION, codes.NRAS_SIGNATURE)


def _validity_check(detached: DetachedToken, now: datetime) -> Check:
    wrong = []
    for name, token in _all(detached).items():
        start, end = token.claims.get("nbf"), token.claims.get("exp")
        if not isinstance(start, int) or not isinstance(end, int):
            wrong.append(f"{name} does not say when it is valid")
        elif not start <= now.timestamp() < end:
            wrong.append(f"{name} is valid from {start} to {end} (seconds since 1970)")
    expected = f"tokens that are valid at {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    found = "; ".join(wrong) or "all valid"
    return settled(not wrong, "nras.validity", expected, found, "RFC 7519, 4.1", codes.NRAS_DATES)


def _nonce_check(detached: DetachedToken) -> Check:
    """One nonce for all, so that no device's token comes from another request."""
    found = sorted({str(token.claims.get("eat_nonce", "")) for token in _all(detached).values()})
    holds = len(found) == 1 and bool(found[0])
    return settled(holds, "nras.nonce", "one nonce in all tokens", ", ".join(found), "RFC 9711, 4.1", codes.NONCE)


def _result_check(detached: DetachedToken) -> Check:
    """The service accepted all, and no claim of any device says otherwise."""
    wrong = []
    if detached.overall.claims.get("x-nvidia-overall-att-result") is not True:
        wrong.append("overall result")
    for name, token in detached.devices.items():
        if token.claims.get("measres") not in _SUCCESS:
            wrong.append(f"{name} measres")
        if token.claims.get("dbgstat") != "disabled":
            wrong.append(f"{name} dbgstat")
        wrong += [f"{name} {claim}" for claim, value in token.claims.items() if value is False]
    found = f"not so: {', '.join(wrong[:8])}" if wrong else "all of it"
    expected = "overall result, measurements, no debug, and every single claim true"
    return settled(not wrong, "nras.result", expected, found, _SPECIFICATION, codes.NRAS_RESULT)


def _claims_of(detached: DetachedToken, nonce: bytes) -> Claims:
    """The first device's claims; the digests of all tokens stand for measurements."""
    first: Mapping[str, Any] = next(iter(detached.devices.values())).claims
    compared = all(token.claims.get("measres") in _SUCCESS for token in detached.devices.values())
    good = all(_chains_good(token.claims) for token in detached.devices.values())
    model = str(first.get("hwmodel", ""))
    details: dict[str, str | int | bool] = {
        "device": "gpu" if all("GPU" in name for name in detached.devices) else "several",
        "devices": len(detached.devices),
        "model": model.split(" ")[0],
        "serial": "",
        "hwmodel": model,
        "ueid": f"{int(str(first.get('ueid', '0'))):x}" if str(first.get("ueid", "")).isdecimal() else "",
        "nonce": nonce.hex(),
        "driver": str(first.get("x-nvidia-gpu-driver-version", "")),
        "vbios_version": str(first.get("x-nvidia-gpu-vbios-version", "")),
        "cc_mode": str(first.get("x-nvidia-gpu-mode", "not reported")),
        "protected_pcie": "not reported",
        "rims": (Compared.MATCH if compared else Compared.DIFFER).value,
        "debug_status": "disabled" if first.get("dbgstat") == "disabled" else "unknown",
        "revocation": (Revocation.GOOD if good else Revocation.UNKNOWN).value,
        "nras": True,
    }
    return Claims(
        kind=Kind.NVIDIA_GPU,
        debuggable=any(token.claims.get("dbgstat") != "disabled" for token in detached.devices.values()),
        report_data=nonce + bytes(REPORT_DATA_BYTES - len(nonce)),
        measurements={f"nras_token_{name}": digest for name, digest in detached.digests.items()},
        tcb_status=TcbStatus.NOT_APPLICABLE if compared else TcbStatus.NOT_SUPPORTED,
        advisories=(),
        tcb_date=None,
        hardware_id="",
        details=details,
    )


def _chains_good(claims: Mapping[str, Any]) -> bool:
    chains = [value for name, value in claims.items() if name.endswith("cert-chain") and isinstance(value, dict)]
    return bool(chains) and all(chain.get("x-nvidia-cert-ocsp-status") == "good" for chain in chains)
