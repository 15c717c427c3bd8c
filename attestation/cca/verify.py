"""Did a realm on an Arm CCA platform say it?  From a token's bytes to checks and Claims.

The steps, each with its own check: format; the platform token's signature by a CPAK; who vouches for that CPAK; the
realm token's signature by its own key; that key's hash in the platform token; binding.
Source: draft-ffm-rats-cca-token, 4.8 and 5; Arm Realm Management Monitor specification (DEN0137), A7.2.

A token has no time of its own: freshness comes from what its challenge is bound to.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Final

from attestation import codes as common
from attestation.anchors import Anchor, TrustAnchors, is_marked_simulated
from attestation.binding import REPORT_DATA_BYTES, Binding, Bound
from attestation.cca.claims import CcaClaims, claims_of
from attestation.cca.codes import NO_CPAK, PLATFORM_SIGNATURE, REALM_BINDING, REALM_SIGNATURE
from attestation.cca.endorsements import CcaEndorsements, Cpak
from attestation.cca.format import PlatformToken, RealmToken, Token, parse_token
from attestation.cca.steps import missing, settled
from attestation.chain import Window, build_path, window_of
from attestation.checks import Check, Status, passed
from attestation.cose import Sign1, is_signed_by
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.verification import Verification

SIMULATED_IMPLEMENTATION: Final = b"SIM"
"""An implementation id that starts so is a simulated platform's, whoever vouches for its key."""

_SPECIFICATION: Final = "draft-ffm-rats-cca-token"
_PLATFORMS_KEPT: Final = 256
_HASHES: Final = {"sha-256": hashlib.sha256, "sha-384": hashlib.sha384, "sha-512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class PlatformFindings:
    """What holds of a platform token at any time.  windows: of the certificates of its key, if it has any."""

    checks: tuple[Check, ...]
    simulated: bool
    windows: tuple[Window, ...] = ()


class CcaVerifier:
    """Verifies CCA tokens; remembers platform tokens, which stay the same from start to start (bounded, thread-safe).

    A token of a platform that is known costs one signature verification.
    """

    def __init__(self, anchors: tuple[Anchor, ...], endorsements: CcaEndorsements) -> None:
        """anchors: simulated vendors' roots, if any; CCA has no others."""
        self._platform: Callable[[Sign1, bytes, bytes], PlatformFindings] = lru_cache(_PLATFORMS_KEPT)(
            partial(verify_platform, anchors=anchors, endorsements=endorsements)
        )

    def verify(self, evidence: Evidence, binding: Binding, *, now: datetime) -> Verification:
        """Every check of a token.  Never raises.  now: aware.

        `genuine` needs all of them, but the binding where it is Unbound; without a CPAK it is not `complete`.
        """
        try:
            token = parse_token(evidence.raw)
        except EvidenceFormatError as error:
            claims = CcaClaims(Kind.CCA, False, b"", {}, None, (), None, "")
            return Verification(evidence, claims, False, True, False, (_format_check(str(error)),))
        platform = token.platform
        findings = self._platform(platform.envelope, platform.instance_id, platform.implementation_id)
        needed = [
            _format_check(""),
            *findings.checks,
            *_validity_checks(findings.windows, now),
            _realm_signature_check(token.realm),
            _realm_binding_check(platform, token.realm),
        ]
        bound = _binding_check(token, binding)
        if bound.status is not Status.NOT_CHECKED:
            needed.append(bound)
        return Verification(
            evidence=evidence,
            claims=claims_of(token),
            genuine=all(check.status is Status.PASSED for check in needed),
            complete=not any(check.status is Status.NOT_CHECKED for check in needed),
            simulated=findings.simulated,
            checks=tuple(needed) if bound in needed else (*needed, bound),
        )


def verify_platform(
    envelope: Sign1,
    instance_id: bytes,
    implementation_id: bytes,
    *,
    anchors: tuple[Anchor, ...],
    endorsements: CcaEndorsements,
) -> PlatformFindings:
    """Signature of a platform token, and who vouches for the key that made it.  Never raises."""
    simulated = implementation_id.startswith(SIMULATED_IMPLEMENTATION)
    name, source = "cca.platform-signature", f"{_SPECIFICATION}, 5 (CPAK as trust anchor)"
    expected = "a signature by the CPAK of the platform"
    candidates = endorsements.of_platform(instance_id, implementation_id)
    if not candidates:
        found = f"no CPAK for instance {instance_id.hex()}; there are {len(endorsements.cpaks)} of others"
        return PlatformFindings((missing(name, expected, found, source, NO_CPAK),), simulated)
    cpak = next((cpak for cpak in candidates if is_signed_by(cpak.key, envelope)), None)
    if cpak is None:
        found = f"it holds for none of {len(candidates)} CPAKs"
        check = settled(False, name, expected, found, source, PLATFORM_SIGNATURE)
        return PlatformFindings((check,), simulated)
    voucher, by_simulated = _voucher_check(cpak, simulated, anchors)
    return PlatformFindings(
        (passed(name, expected, "it holds", source), voucher),
        simulated or by_simulated,
        tuple(map(window_of, cpak.certificates)),
    )


def _voucher_check(cpak: Cpak, simulated: bool, anchors: tuple[Anchor, ...]) -> tuple[Check, bool]:
    """Who says that this is a platform's key: the operator, or a simulated vendor that the operator configured.

    The second: whether a simulated vendor says it, or would.
    """
    name, expected = "anchor.class", "a CPAK that the operator vouches for, or by a root that is a trust anchor"
    if cpak.certificates:
        leaf, above = cpak.certificates[0], cpak.certificates[1:]
        path = build_path(leaf, above, TrustAnchors(anchors))
        if path.anchor is not None:
            found = f"a CPAK certified by the {path.anchor.words}"
            return passed(name, expected, found, "trust anchors"), path.simulated
        marked = any(map(is_marked_simulated, above))
        found = f"a certified CPAK: {path.problem}"
        code = common.SIMULATED if marked or simulated else common.UNKNOWN_ROOT
        return settled(False, name, expected, found, "trust anchors", code), marked
    if simulated:
        found = "a simulated platform, whose CPAK no simulated vendor has certified"
        return settled(False, name, expected, found, "trust anchors", common.SIMULATED), True
    return passed(name, expected, "a CPAK that the operator vouches for", "trust anchors"), False


def _validity_checks(windows: tuple[Window, ...], now: datetime) -> tuple[Check, ...]:
    if not windows:
        return ()
    wrong = next((window for window in windows if not window.holds(now)), None)
    expected = f"every certificate of the CPAK valid at {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    found = str(wrong) if wrong else "all are valid"
    return (settled(wrong is None, "cca.cpak-validity", expected, found, "RFC 5280, 6.1", common.VALIDITY),)


def _format_check(problem: str) -> Check:
    expected = "a platform token and a realm token with every claim of their profiles"
    found = problem or "both, whole"
    return settled(not problem, "cca.format", expected, found, f"{_SPECIFICATION}, 4", common.FORMAT)


def _realm_signature_check(realm: RealmToken) -> Check:
    name, expected = "cca.realm-signature", "a signature by the realm attestation key in the token"
    source = f"{_SPECIFICATION}, 4.8"
    holds = is_signed_by(realm.key, realm.envelope)
    return settled(holds, name, expected, "it holds" if holds else "it does not hold", source, REALM_SIGNATURE)


def _realm_binding_check(platform: PlatformToken, realm: RealmToken) -> Check:
    """The platform vouches for the realm's key by its hash, and for nothing else of the realm."""
    digest = _HASHES[realm.key_hash_algorithm](realm.raw_key).digest()
    name, source = "cca.realm-binding", f"{_SPECIFICATION}, 4.4.1 (platform challenge)"
    expected = f"platform challenge {digest.hex()} ({realm.key_hash_algorithm} of the realm's key)"
    found = platform.challenge.hex()
    return settled(digest == platform.challenge, name, expected, found, source, REALM_BINDING)


def _binding_check(token: Token, binding: Binding) -> Check:
    name, found = "binding.report-data", token.realm.challenge.hex()
    if not isinstance(binding, Bound):
        expected = f"{REPORT_DATA_BYTES} bytes of realm challenge that somebody names"
        return missing(name, expected, found, "nobody", common.NOT_BOUND)
    expected = f"realm challenge {binding.report_data.hex()} ({binding.what})"
    holds = token.realm.challenge == binding.report_data
    return settled(holds, name, expected, found, "the peer's binding", common.REPORT_DATA)
