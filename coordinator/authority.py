"""What we sign, and for how long: root with the Evidence inside, intermediate, marble root, marble leaf (contract 4).

Keys, time, serial numbers and Evidence are arguments; nothing here draws or asks for any.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from attestation.certificate import evidence_extension
from attestation.evidence import Evidence
from coordinator.state.model import Authority, Retired
from pki import oids
from pki.certificates import (
    CertificateTemplate,
    CsrData,
    ExtraExtension,
    KeyUsage,
    build,
    common_name,
)
from pki.keys import PublicKey
from pki.manifest_digest import manifest_digest_extension
from pki.manifest_history import HistoryMark, history_extension

ROOT_NAME: Final = "MarbleRun Coordinator"
INTERMEDIATE_NAME: Final = "MarbleRun Coordinator - Intermediate CA"
MOST_RETIRED: Final = 4
"""More updates than that within one overlap, and the oldest intermediate is trusted no more."""
_BOTH_SIDES: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
_LOOPBACK: Final = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))


@dataclass(frozen=True, slots=True)
class AuthorityKeys:
    """The two P-384 keys of the hierarchy."""

    root: EllipticCurvePrivateKey
    intermediate: EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class RootContent:
    """What the root certificate says besides its name.

    manifest_digest: 32 bytes, or empty before a manifest.  history: of manifests until this one; None before it.
    """

    manifest_digest: bytes
    evidence: Evidence
    history: HistoryMark | None = None


def issue_authority(
    keys: AuthorityKeys,
    names: tuple[str, ...],
    content: RootContent,
    *,
    now: datetime,
    serials: tuple[int, int, int],
    retired: tuple[Retired, ...] = (),
) -> Authority:
    """The whole hierarchy.  names: DNS names and IP addresses of the Coordinator, beside loopback; serials: root,
    intermediate, marble root.  retired: see Authority."""
    root_name, intermediate_name = common_name(ROOT_NAME), common_name(INTERMEDIATE_NAME)
    digest, evidence = content.manifest_digest, content.evidence
    extra = [ExtraExtension(manifest_digest_extension(digest))] if digest else []
    if content.history is not None:
        extra.append(ExtraExtension(history_extension(content.history)))
    extra.append(ExtraExtension(evidence_extension(evidence)))
    root = build(
        _ca(root_name, names, tuple(extra)),
        public_key=keys.root.public_key(),
        issuer_name=root_name,
        issuer_key=keys.root,
        not_before=now,
        serial=serials[0],
    )
    intermediate_template = _ca(intermediate_name, names)
    intermediate_public = keys.intermediate.public_key()
    intermediate = build(
        intermediate_template,
        public_key=intermediate_public,
        issuer_name=root_name,
        issuer_key=keys.root,
        not_before=now,
        serial=serials[1],
    )
    marble_root = build(
        intermediate_template,
        public_key=intermediate_public,
        issuer_name=intermediate_name,
        issuer_key=keys.intermediate,
        not_before=now,
        serial=serials[2],
    )
    return Authority(keys.root, root, keys.intermediate, intermediate, marble_root, names, retired)


def retire(
    authority: Authority,
    successor: EllipticCurvePublicKey,
    *,
    now: datetime,
    overlap: timedelta,
    number: int,
    serials: tuple[int, int],
) -> tuple[Retired, ...]:
    """What is trusted beside a new intermediate with the key `successor`: this authority's, and what overlaps still.

    number: of this authority (Retired).  serials: of the two certificates that are made.  Without an overlap nothing is
    trusted, and what was is so no more.
    """
    if not overlap:
        return ()
    name = authority.marble_root.subject
    made = [
        build(
            _ca(name, authority.names),
            public_key=key,
            issuer_name=name,
            issuer_key=authority.intermediate_key,
            not_before=now,
            serial=serial,
            not_after=now + overlap,
        )
        for key, serial in zip((authority.intermediate_key.public_key(), successor), serials, strict=True)
    ]
    return (Retired(made[0], made[1], authority.intermediate, number), *authority.overlapping(now))[:MOST_RETIRED]


def issue_marble_leaf(
    authority: Authority,
    csr: CsrData,
    marble: str,
    uuid: str,
    *,
    public_key: PublicKey,
    now: datetime,
    serial: int,
    lifetime: timedelta | None,
) -> x509.Certificate:
    """A marble's certificate (contract 2.6): CN is the UUID, O is left out, the rest of the CSR's subject stays.

    lifetime: None lasts as long as the hierarchy.
    """
    kept = [a for a in csr.subject if a.oid not in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)]
    template = CertificateTemplate(
        subject=x509.Name([*kept, x509.NameAttribute(NameOID.COMMON_NAME, uuid)]),
        dns_names=csr.dns_names,
        ip_addresses=csr.ip_addresses,
        key_usage=KeyUsage.DIGITAL_SIGNATURE | KeyUsage.KEY_AGREEMENT,
        extended_key_usage=_BOTH_SIDES,
        extra=(ExtraExtension(x509.UnrecognizedExtension(oids.MARBLE_TYPE, marble.encode())),),
    )
    not_after = None if lifetime is None else now + lifetime
    return issue_below(authority, template, public_key=public_key, now=now, serial=serial, not_after=not_after)


def issue_below(
    authority: Authority,
    template: CertificateTemplate,
    *,
    public_key: PublicKey,
    now: datetime,
    serial: int,
    not_after: datetime | None,
) -> x509.Certificate:
    """A certificate signed by the intermediate's key; not_after None lasts as long as the hierarchy."""
    return build(
        template,
        public_key=public_key,
        issuer_name=authority.marble_root.subject,
        issuer_key=authority.intermediate_key,
        not_before=now,
        serial=serial,
        not_after=not_after,
    )


def _ca(name: x509.Name, names: tuple[str, ...], extra: tuple[ExtraExtension, ...] = ()) -> CertificateTemplate:
    addresses = [address for text in names if (address := _address(text)) is not None]
    return CertificateTemplate(
        subject=name,
        dns_names=tuple(text for text in names if _address(text) is None),
        ip_addresses=(*addresses, *(address for address in _LOOPBACK if address not in addresses)),
        key_usage=KeyUsage.DIGITAL_SIGNATURE | KeyUsage.CERT_SIGN,
        extended_key_usage=_BOTH_SIDES,
        is_ca=True,
        subject_key_identifier=True,
        extra=extra,
    )


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
