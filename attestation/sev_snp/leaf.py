"""Whose key is it?  From a VCEK or VLEK to AMD's root, and what AMD says of the machine.

Nothing here depends on the report or on time, so that it can be remembered for each machine.
Source: AMD VCEK certificate and KDS interface specification (57230).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from attestation import codes as shared
from attestation.anchors import Anchor, TrustAnchors, common_name, p384_key
from attestation.chain import Path, Window, build_path
from attestation.checks import Check
from attestation.errors import EndorsementFormatError
from attestation.sev_snp import codes
from attestation.sev_snp.certificate import SPECIFICATION, EndorsedPlatform, parse_platform, quiet, signing_key_of
from attestation.sev_snp.format import SigningKey
from attestation.sev_snp.steps import missing, settled


@dataclass(frozen=True, slots=True)
class LeafFindings:
    """checks: at any time.  serials: (issuer, serial number) of leaf and intermediate.  key: None if it is not P-384.

    anchor, platform: None where they could not be told.
    """

    checks: tuple[Check, ...]
    windows: tuple[Window, ...]
    serials: tuple[tuple[x509.Name, int], ...]
    anchor: Anchor | None
    simulated: bool
    platform: EndorsedPlatform | None
    key: ec.EllipticCurvePublicKey | None


def examine(leaf: x509.Certificate, others: Sequence[x509.Certificate], anchors: TrustAnchors) -> LeafFindings:
    """Chain, roles and AMD's extensions of a leaf.  others: intermediates and roots in any order, none is believed."""
    with quiet():
        path = build_path(leaf, others, anchors)
        windows, serials = path.windows, path.serials
    checks = [_chain_check(path, others), _class_check(path)]
    platform = None
    try:
        platform = parse_platform(leaf)
    except EndorsementFormatError as error:
        checks.append(_extensions_check(str(error)))
    else:
        checks.append(_extensions_check(""))
        if path.anchor is not None:
            checks.append(_roles_check(path, path.anchor, platform))
    return LeafFindings(
        checks=tuple(checks),
        windows=windows,
        serials=serials,
        anchor=path.anchor,
        simulated=path.simulated,
        platform=platform,
        key=p384_key(leaf),
    )


def _chain_check(path: Path, others: Sequence[x509.Certificate]) -> Check:
    """A missing intermediate is something to fetch; a chain that does not hold is a lie."""
    name, expected = "sev-snp.chain", "a chain from the VCEK or VLEK to a trust anchor"
    if path.anchor is not None:
        return settled(True, name, expected, f"a chain to the {path.anchor.words}", SPECIFICATION, shared.CHAIN)
    wanted = path.certificates[-1].issuer
    if len(path.certificates) == 1 and all(other.subject != wanted for other in others):
        found = f"the certificate '{common_name(wanted)}' is not there"
        return missing(name, expected, found, SPECIFICATION, codes.NO_CERTIFICATE)
    return settled(False, name, expected, path.problem, SPECIFICATION, path.code)


def _class_check(path: Path) -> Check:
    """Genuine or simulated, in words."""
    expected = "the vendor's root, or a simulated root that the operator configured"
    if path.anchor is None:
        return missing("anchor.class", expected, path.problem, "trust anchors", path.code)
    return settled(True, "anchor.class", expected, path.anchor.words, "trust anchors", path.code)


def _extensions_check(problem: str) -> Check:
    return settled(
        not problem,
        "sev-snp.extensions",
        "AMD's extensions: product, security versions, chip or provider",
        problem or "all are there",
        SPECIFICATION,
        codes.EXTENSIONS,
    )


def _roles_check(path: Path, anchor: Anchor, platform: EndorsedPlatform) -> Check:
    product = platform.product.value
    vlek = signing_key_of(path.certificates[0]) is SigningKey.VLEK
    wanted = ["SEV-VLEK", f"SEV-VLEK-{product}"] if vlek else ["SEV-VCEK", f"SEV-{product}"]
    wanted.append(f"ARK-{product}")
    names = [common_name(c.subject) for c in (*path.certificates, anchor.certificate)]
    return settled(
        names == wanted,
        "sev-snp.roles",
        " issued by ".join(f"'{name}'" for name in wanted),
        " issued by ".join(f"'{name}'" for name in names),
        SPECIFICATION,
        codes.ROLES,
    )
