"""Was this machine started with the init-data that the host gives us now?  Our own Evidence says so, or nobody does.

What the host mounts into a container it can exchange; what it gave to the hardware at launch it cannot.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from attestation.anchors import TrustAnchors
from attestation.binding import REPORT_DATA_BYTES, Bound
from attestation.checks import Status
from attestation.endorsements import Endorsements
from attestation.errors import AttestationError
from attestation.init_data import FIELDS, LARGEST_ANNOTATION, InitData, InitDataInvalid, from_annotation
from attestation.issue import SIMULATION, Issuer
from attestation.kinds import Kind
from attestation.simulation.folder import TRUST_FILE
from attestation.told import as_told
from attestation.verify import Verifier
from marble.bootstrap import Bootstrap, read_bootstrap
from marble.errors import SettingsInvalid
from marble.settings import INIT_DATA


def measured_bootstrap(
    environ: Mapping[str, str], issuer: Issuer, *, now: datetime, entropy: Callable[[int], bytes]
) -> Bootstrap | None:
    """What the init-data in the file that ENCLASP_INIT_DATA names tells this marble; None if it tells marbles nothing.

    Raises SettingsInvalid unless this machine was started with exactly that document.
    """
    init_data = _read(environ[INIT_DATA])
    found = _held_by(issuer, environ, now, entropy(REPORT_DATA_BYTES))
    expected = init_data.digest(FIELDS[issuer.kind].length)
    if found != expected:
        raise SettingsInvalid(
            "K695",
            f"{environ[INIT_DATA]}: this machine was not started with this init-data: {FIELDS[issuer.kind].key}: "
            f"expected {expected.hex()}, got {found.hex()}",
            "somebody changed the pod's annotation or the runtime ignores it; Kata must allow cc_init_data",
        )
    try:
        return read_bootstrap(init_data)
    except InitDataInvalid as cause:
        raise SettingsInvalid("K694", f"{environ[INIT_DATA]}: {cause}") from cause


def pinned(environ: Mapping[str, str], issuer: Issuer) -> Issuer:
    """The issuer, of which no evidence leaves but with the digest of that document: a host that had the question of
    `measured_bootstrap` answered by another machine gains nothing.

    Raises SettingsInvalid.
    """
    try:
        return as_told(issuer, _read(environ[INIT_DATA]))
    except AttestationError as cause:
        raise SettingsInvalid("K695", f"{environ[INIT_DATA]}: {cause}") from cause


def _read(path: str) -> InitData:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(LARGEST_ANNOTATION + 1)
        return from_annotation(raw.decode("ascii").strip())
    except (OSError, UnicodeDecodeError, InitDataInvalid) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else cause
        raise SettingsInvalid("K694", f"{INIT_DATA}: '{path}' cannot be used: {reason}") from cause


def _held_by(issuer: Issuer, environ: Mapping[str, str], now: datetime, challenge: bytes) -> bytes:
    """The digest in fresh Evidence of our own.

    A TDX quote comes through the host, so Intel's chain must have signed it; an SEV-SNP report comes from the
    processor itself over an encrypted channel.  How new the machine's firmware is, is for others to judge.
    """
    if issuer.kind not in _CLAIMS:
        kinds = " or ".join(_CLAIMS)
        raise SettingsInvalid(
            "K696", f"{INIT_DATA}: expected {kinds}, whose evidence holds init-data, got {issuer.kind}"
        )
    anchors = TrustAnchors.genuine()
    try:
        if issuer.simulated:
            anchors = anchors.with_simulated((Path(environ[SIMULATION]) / TRUST_FILE).read_bytes())
        evidence = issuer.issue(challenge)
    except (AttestationError, OSError) as cause:
        raise SettingsInvalid("K696", f"{INIT_DATA}: no evidence can be made to compare it with: {cause}") from cause
    bound = Bound(challenge, "the launcher's challenge")
    verification = Verifier(anchors, Endorsements.none()).verify(evidence, bound, now=now)
    claim, may_be_unchecked = _CLAIMS[issuer.kind]
    wrong = [
        check.sentence
        for check in verification.checks
        if check.status is Status.FAILED or (check.status is Status.NOT_CHECKED and check.name not in may_be_unchecked)
    ]
    if wrong:
        raise SettingsInvalid("K696", f"{INIT_DATA}: this machine's own evidence is not genuine: {'; '.join(wrong)}")
    return verification.claims.measurements[claim]


_CLAIMS: Final[Mapping[Kind, tuple[str, frozenset[str]]]] = {
    Kind.TDX: ("mrconfigid", frozenset({"collateral"})),
    Kind.SEV_SNP: ("host_data", frozenset({"sev-snp.chain", "sev-snp.crl"})),
}
"""Of the kinds that we can ask: the claim, and the checks that may be open here."""
