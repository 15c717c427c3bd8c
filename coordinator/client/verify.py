"""From an answer of an unknown server to a coordinator that can be trusted, or to all that speaks against it.

The steps are pure; `verify_coordinator` at the end does them in the order in which a visitor needs them:
fresh evidence over the root certificate and our nonce, the connection's own certificate, the evidence inside the
root certificate, and then, over connections pinned to that root, the manifest.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from attestation import binding
from attestation.anchors import MALFORMED
from attestation.appraisal import Outcome, Verdict, judge
from attestation.certificate import evidence_of
from attestation.checks import Check, Status, failed, not_checked, passed
from attestation.claims import ReferenceValues
from attestation.codes import FORMAT
from attestation.errors import EvidenceFormatError
from attestation.evidence import recognise
from attestation.verify import Verifier
from coordinator.client.client import ActiveManifest, CoordinatorClient, QuoteAnswer, refuse_recovery
from coordinator.client.difference import Difference, differing_lines
from coordinator.client.errors import ClientError, Distrusted, WrongState
from coordinator.client.transport import Exchange, key_digest
from pki.certificates import der
from pki.keys import public_of_known_kind, spki_der
from pki.manifest_digest import manifest_digest_of

NONCE_BYTES = 32
_DESIGN = "design.md, 3"
_CONTRACT = "MarbleRun contract, 1.15"
_OWN_CHECKS = ("connection.certificate", "chain.intermediate", "quote.format", "root.signature", "root.evidence")


@dataclass(frozen=True, slots=True)
class Expectation:
    """Whom the visitor believes, and which coordinator he wants.

    verifier: holds the trust anchors and endorsements.  reference: alternatives; one must hold, so never empty.
    What platform states are good enough stands in the reference values too.
    """

    verifier: Verifier
    reference: tuple[ReferenceValues, ...]


@dataclass(frozen=True, slots=True)
class VerifiedDeployment:
    """What one certificate stands for, after verification.

    intermediate: None where only the root certificate was looked at.  manifest_digest: SHA-256 of the active
    manifest, 32 bytes, or empty before one is set.  manifest: None offline, and before one is set.
    verdict: of the fresh evidence (offline: of the embedded one).  checks: everything that was looked at, in order.
    """

    root: x509.Certificate
    intermediate: x509.Certificate | None
    manifest_digest: bytes
    manifest: ActiveManifest | None
    simulated: bool
    verdict: Verdict
    checks: tuple[Check, ...]


class VerificationRefused(Distrusted):
    """Evidence, certificates or manifest do not fit together, or are not the expected ones.

    checks: all of them; at least one has not passed.  verdict: of its evidence, None if it showed none.
    """

    def __init__(self, code: str, message: str, checks: tuple[Check, ...], verdict: Verdict | None) -> None:
        self.checks = checks
        self.verdict = verdict
        super().__init__(code, message)


class ManifestDiffers(ClientError):
    """The coordinator is good, but its manifest is not the expected one."""

    def __init__(self, message: str, difference: Difference | None) -> None:
        self.difference = difference
        super().__init__("V130", message)


def verify_answer(answer: QuoteAnswer, nonce: bytes, expectation: Expectation, *, now: datetime) -> VerifiedDeployment:
    """Judge a coordinator's answer to `nonce`.  Raises VerificationRefused with every check."""
    checks = [
        _connection_check(answer),
        _signature_check("chain.intermediate", answer.intermediate, answer.root, "V132"),
    ]
    verdict: Verdict | None = None
    try:
        evidence = recognise(answer.evidence)
    except EvidenceFormatError as cause:
        found = str(cause) if answer.evidence else "none; a coordinator without hardware and without simulation"
        checks.append(failed("quote.format", "an SGX or TDX quote", found, _CONTRACT, code=FORMAT))
    else:
        bound = binding.of_certificate(der(answer.root), nonce)
        verdict = judge(expectation.verifier.verify(evidence, bound, now=now), expectation.reference)
        checks.extend(verdict.checks)
    embedded = _embedded(answer.root, expectation, now=now)
    checks.extend(embedded.checks)
    _refuse_failed(checks, verdict)
    assert verdict is not None, "a verdict that is absent was refused"
    return VerifiedDeployment(
        answer.root, answer.intermediate, embedded.manifest_digest, None, verdict.simulated, verdict, tuple(checks)
    )


def verify_root(root: x509.Certificate, expectation: Expectation, *, now: datetime) -> VerifiedDeployment:
    """Judge a root certificate alone, offline, by the evidence inside it.  Raises VerificationRefused."""
    embedded = _embedded(root, expectation, now=now)
    if embedded.verdict is None:
        code = "V133" if embedded.checks[0].status is Status.NOT_CHECKED else "V135"
        raise VerificationRefused(code, embedded.checks[0].found, embedded.checks, None)
    verdict = embedded.verdict
    _refuse_failed(embedded.checks, verdict)
    return VerifiedDeployment(root, None, embedded.manifest_digest, None, verdict.simulated, verdict, embedded.checks)


def with_manifest(deployment: VerifiedDeployment, active: ActiveManifest | None) -> VerifiedDeployment:
    """Join the manifest that the coordinator handed out, if it is the one that its root certificate names.

    Raises VerificationRefused.  A root certificate without a digest and without evidence (MarbleRun's) leaves this
    check open: then the manifest is vouched for by the pinned connection alone.
    """
    named = deployment.manifest_digest
    found = active.digest.hex() if active is not None else "none"
    if named and (active is None or active.digest != named):
        check = failed("manifest.digest", named.hex(), found, _DESIGN, code="V134")
    elif named:
        check = passed("manifest.digest", named.hex(), found, _DESIGN)
    elif active is None:
        check = passed("manifest.digest", "none", "none", _DESIGN)
    elif any(c.name == "root.evidence" and c.status is Status.PASSED for c in deployment.checks):
        check = failed("manifest.digest", "none", found, _DESIGN, code="V134")
    else:
        check = not_checked("manifest.digest", "in the root certificate", found, _DESIGN, code="V134")
    checks = (*deployment.checks, check)
    if check.status is Status.FAILED:
        raise VerificationRefused("V134", check.sentence, checks, deployment.verdict)
    digest = active.digest if active is not None else b""
    return replace(deployment, manifest=active, manifest_digest=digest, checks=checks)


def expect_digest(deployment: VerifiedDeployment, expected: bytes) -> VerifiedDeployment:
    """The manifest in force must have this SHA-256.  Raises ManifestDiffers."""
    if not deployment.manifest_digest:
        raise ManifestDiffers(f"expected the manifest {expected.hex()}, but no manifest is set", None)
    if deployment.manifest_digest != expected:
        raise ManifestDiffers(f"expected {expected.hex()}, active is {deployment.manifest_digest.hex()}", None)
    check = passed("manifest.expected", expected.hex(), deployment.manifest_digest.hex(), "--manifest")
    return replace(deployment, checks=(*deployment.checks, check))


def expect_manifest(deployment: VerifiedDeployment, expected: bytes, *, name: str) -> VerifiedDeployment:
    """The manifest in force must be these bytes.  name: of the visitor's file.

    Raises ManifestDiffers; with the lines that differ, where the active manifest is at hand.
    """
    try:
        return expect_digest(deployment, hashlib.sha256(expected).digest())
    except ManifestDiffers as cause:
        if deployment.manifest is None:
            raise
        difference = differing_lines(expected, deployment.manifest.raw, name=name)
        raise ManifestDiffers(f"the active manifest differs from {name}; {cause}", difference) from cause


def verify_coordinator(
    exchange: Exchange, expectation: Expectation, *, nonce: bytes, now: datetime
) -> tuple[VerifiedDeployment, CoordinatorClient]:
    """Verify a running coordinator, and return what it is with a client that is pinned to it.

    nonce: 32 fresh random bytes.  Raises VerificationRefused, InRecovery, Unreachable, AnswerInvalid, NotPinned.
    """
    deployment, pinned = verify_in_any_state(exchange, expectation, nonce=nonce, now=now)
    try:
        active: ActiveManifest | None = pinned.manifest_get()
    except WrongState:
        refuse_recovery(pinned.status())
        active = None
    return with_manifest(deployment, active), pinned


def verify_in_any_state(
    exchange: Exchange, expectation: Expectation, *, nonce: bytes, now: datetime
) -> tuple[VerifiedDeployment, CoordinatorClient]:
    """As `verify_coordinator`, without asking for the manifest: also for a coordinator that waits for recovery.

    Its certificates are temporary ones then, and its evidence says which program will get the shares.
    Raises VerificationRefused, Unreachable, AnswerInvalid, NotPinned.
    """
    answer = CoordinatorClient(exchange).quote(nonce)
    deployment = verify_answer(answer, nonce, expectation, now=now)
    return deployment, CoordinatorClient(exchange, pin=key_digest(der(deployment.root)))


@dataclass(frozen=True, slots=True)
class _Embedded:
    """What a root certificate says of itself.  checks: `root.evidence` first."""

    manifest_digest: bytes
    verdict: Verdict | None
    checks: tuple[Check, ...]


def _embedded(root: x509.Certificate, expectation: Expectation, *, now: datetime) -> _Embedded:
    wanted = "evidence over the root key and the manifest's digest"
    own_signature = _signature_check("root.signature", root, root, "V137")
    try:
        digest = manifest_digest_of(root)
        evidence = evidence_of(root)
        spki = spki_der(public_of_known_kind(root.public_key()))
    except (*MALFORMED, EvidenceFormatError) as cause:
        refused = failed("root.evidence", wanted, str(cause), _DESIGN, code="V135")
        return _Embedded(b"", None, (refused, own_signature))
    if evidence is None:
        absent = not_checked("root.evidence", wanted, "no evidence in the certificate", _DESIGN, code="V133")
        return _Embedded(digest, None, (absent, own_signature))
    verification = expectation.verifier.verify(evidence, binding.of_root_key(spki, digest), now=now)
    verdict = judge(verification, expectation.reference)
    found = f"{verdict.platform} evidence, {verdict.outcome}"
    if verdict.outcome is Outcome.AFFIRMING:
        summary = passed("root.evidence", wanted, found, _DESIGN)
    else:
        summary = failed("root.evidence", wanted, found, _DESIGN, code="V135")
    details = (replace(check, name=f"root.{check.name}") for check in verdict.checks)
    return _Embedded(digest, verdict, (summary, own_signature, *details))


def _connection_check(answer: QuoteAnswer) -> Check:
    expected, found = _fingerprint(der(answer.root)), _fingerprint(answer.peer_leaf_der)
    name, source = "connection.certificate", _CONTRACT
    if der(answer.root) == answer.peer_leaf_der:
        return passed(name, expected, found, source)
    return failed(name, expected, found, source, "the TLS peer is not the coordinator of the answer", code="V131")


def _signature_check(name: str, certificate: x509.Certificate, issuer: x509.Certificate, code: str) -> Check:
    expected, source = f"signed by the root certificate {_fingerprint(der(issuer))}", "MarbleRun contract, 4"
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*MALFORMED, InvalidSignature) as cause:
        return failed(name, expected, str(cause) or "another signature", source, code=code)
    return passed(name, expected, "it is", source)


def _refuse_failed(checks: Iterable[Check], verdict: Verdict | None) -> None:
    """Raises VerificationRefused unless the verdict is affirming and no check of our own has failed."""
    everything = tuple(checks)
    own = [check for check in everything if check.name in _OWN_CHECKS and check.status is Status.FAILED]
    if own or verdict is None or verdict.outcome is not Outcome.AFFIRMING:
        raise VerificationRefused(*_reason(everything), everything, verdict)


def _reason(checks: tuple[Check, ...]) -> tuple[str, str]:
    """Code and sentence of the check that says best why: a failed one before an open one, details before sums."""
    missed = [check for check in checks if check.status is not Status.PASSED]
    missed.sort(key=lambda check: (check.status is Status.NOT_CHECKED, check.name == "root.evidence"))
    return missed[0].code or "V135", missed[0].sentence


def _fingerprint(certificate_der: bytes) -> str:
    return f"sha256 {hashlib.sha256(certificate_der).hexdigest()}"
