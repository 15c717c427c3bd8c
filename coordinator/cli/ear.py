"""`--ear KEY`: the verdict as a signed attestation result (EAR), for others who trust this verifier's key."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from attestation.appraisal import Verdict

_NONCE_BYTES = range(6, 65)

ear_option = click.option(
    "--ear",
    "ear_key",
    type=FILE,
    metavar="KEY",
    help="Write the verdict as a signed EAR (JWT) instead; KEY: P-256 or P-384 in PEM.",
)


def read_ear_key(path: Path) -> "EllipticCurvePrivateKey":
    """The key that signs results.  Raises Problem, OSError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    problem = Problem(
        f"{path}: expected a private key on P-256 or P-384 in PEM, not encrypted", exit_codes.INVALID, "U503"
    )
    try:
        key = load_pem_private_key(read_input(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise problem from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1)):
        raise problem
    return key


def sign_ear(
    verdicts: Mapping[str, "Verdict"],
    key: "EllipticCurvePrivateKey",
    *,
    at: datetime,
    nonce: bytes = b"",
    policy: Path | None = None,
) -> str:
    """The result.  verdicts: name of each attester to what was found at `at`, which is when the result is issued.

    nonce: that the evidence was asked with, as base64url in the result.  policy: the reference values' file, which the
    result names by digest (RFC 6920).
    """
    from importlib.metadata import version

    from attestation.ear import ear_claims, issue_ear
    from attestation.jws import to_base64url

    if nonce and len(nonce) not in _NONCE_BYTES:
        raise click.UsageError(f"an EAR holds a nonce of {_NONCE_BYTES[0]} to {_NONCE_BYTES[-1]} bytes")
    policies = () if policy is None else (_named_information(read_input(policy)),)
    claims = ear_claims(
        verdicts, now=at, build=f"enclasp {version('enclasp')}", nonce=to_base64url(nonce), policies=policies
    )
    return issue_ear(claims, key)


def _named_information(raw: bytes) -> str:
    from attestation.jws import to_base64url

    return f"ni:///sha-256;{to_base64url(hashlib.sha256(raw).digest())}"
