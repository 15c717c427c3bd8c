"""`Secrets.<name>.Cert`: Go's certificate fields to ours (contract, 3.6)."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from coordinator.manifest.certificate_extensions import numbers, read_extensions
from coordinator.manifest.document import ListNode, ScalarNode
from coordinator.manifest.model import CertificateTemplate, SecretType
from coordinator.manifest.reading import Reading
from coordinator.manifest.view import View
from pki.malformed import MALFORMED


def read_certificate(reading: Reading, secret: View, kind: SecretType) -> CertificateTemplate:
    """The template of a generated certificate; findings for what cannot be in one."""
    if isinstance(secret.node("Cert"), ScalarNode):
        _read_preset(reading, secret)
        return CertificateTemplate()
    view = secret.view("Cert")
    if not kind.is_certificate and view.keys():
        reading.remark("E025", view.owner, f"a secret of type {kind} has no certificate", "remove Cert")
    if view.number("SignatureAlgorithm") in _OTHER_HASHES:
        message = "certificates are signed with ECDSA and SHA-384 here, which is algorithm 11"
        reading.remark("E025", view.place("SignatureAlgorithm"), message, "write 11, or remove it")
    is_ca, path_length = view.flag("IsCA"), view.number("MaxPathLen") or 0
    zero = path_length == 0 and view.flag("MaxPathLenZero")
    if (path_length > 0 or zero) and not is_ca:
        reading.refuse(
            "E025", view.place("MaxPathLen"), "MaxPathLen needs IsCA", "add IsCA: true, or remove MaxPathLen"
        )
    return CertificateTemplate(
        subject=_subject(reading, view.view("Subject")),
        dns_names=_names(reading, view, "DNSNames", x509.DNSName),
        ip_addresses=_addresses(reading, view),
        email_addresses=_names(reading, view, "EmailAddresses", x509.RFC822Name) or (),
        uris=_uris(reading, view),
        key_usage=_key_usage(reading, view),
        extended_key_usage=_usages(reading, view),
        is_ca=is_ca,
        max_path_length=path_length if path_length > 0 or zero else None,
        not_after=_not_after(reading, view),
        further=read_extensions(reading, view),
    )


def _read_preset(reading: Reading, secret: View) -> None:
    """A certificate as base64 belongs to user-defined secrets only."""
    place = secret.place("Cert")
    try:
        x509.load_der_x509_certificate(base64.b64decode(secret.text("Cert"), validate=True))
    except MALFORMED:
        message = "Cert is text, but no certificate in base64 DER"
        reading.refuse("E025", place, message, "write the fields of the certificate, such as DNSNames")
        return
    if not secret.flag("UserDefined"):
        reading.refuse("E025", place, "a generated secret gets a new certificate", "write its fields instead")


def _subject(reading: Reading, view: View) -> x509.Name:
    """RDNs in the order in which Go's pkix.Name encodes them; a list is one RDN of several values."""
    extra = [*_extra_names(reading, view)]
    overridden = {name.oid for name in extra}
    parts: list[x509.RelativeDistinguishedName] = []
    for field, oid in _SUBJECT:
        values = view.texts(field) or ((view.text(field),) if view.text(field) else ())
        try:
            if values and oid not in overridden:
                unique = dict.fromkeys(values)
                parts.append(x509.RelativeDistinguishedName([x509.NameAttribute(oid, value) for value in unique]))
        except ValueError as cause:
            message = f"Subject.{field} cannot be encoded: {str(cause).lower().rstrip('.')}"
            reading.refuse("E025", view.place(field), message, "see RFC 5280, appendix A, for the limits")
    return x509.Name([*parts, *(x509.RelativeDistinguishedName([name]) for name in extra)])


def _extra_names(reading: Reading, subject: View) -> Iterator[x509.NameAttribute[str]]:
    """Further attributes by their object identifiers; they override the others of their kind, as in Go."""
    for item in subject.items("ExtraNames"):
        part = View(item, item.place)
        dotted = ".".join(map(str, numbers(part.items("Type"))))
        try:
            yield x509.NameAttribute(x509.ObjectIdentifier(dotted), part.text("Value"))
        except ValueError:
            message = f'ExtraNames: a value of type "{dotted}" cannot be encoded'
            reading.refuse("E025", item.place, message, "see RFC 5280, appendix A, for the limits")


def _names(
    reading: Reading, view: View, field: str, kind: type[x509.DNSName] | type[x509.RFC822Name]
) -> tuple[str, ...] | None:
    if not view.has(field):
        return None
    for item, text in zip(view.items(field), view.texts(field), strict=True):
        if not text.isascii():
            hint = "write its ASCII form (punycode)"
            reading.refuse("E025", item.place, f'{field}: "{text}" has characters outside ASCII', hint)
            continue
        try:
            kind(text)
        except ValueError:
            reading.refuse("E025", item.place, f'{field}: "{text}" cannot be in a certificate', "correct it")
    return view.texts(field)


def _addresses(reading: Reading, view: View) -> tuple[str, ...] | None:
    if not view.has("IPAddresses"):
        return None
    addresses = []
    for item, text in zip(view.items("IPAddresses"), view.texts("IPAddresses"), strict=True):
        try:
            addresses.append(str(ip_address(text)))
        except ValueError:
            reading.refuse("E025", item.place, f'IPAddresses: "{text}" is no IP address', "use DNSNames for names")
    return tuple(addresses)


def _uris(reading: Reading, view: View) -> tuple[str, ...]:
    uris = []
    for item in view.items("URIs"):
        part = View(item, item.place)
        host = f"//{part.text('Host')}" if part.text("Host") else ""
        uri = f"{part.text('Scheme')}:{host}{part.text('Path')}"
        uri += f"?{part.text('RawQuery')}" if part.text("RawQuery") else ""
        uri += f"#{part.text('Fragment')}" if part.text("Fragment") else ""
        if not part.text("Scheme") or not uri.isascii() or not uri.isprintable() or " " in uri:
            hint = "give Scheme and Host, percent-encode what is not ASCII"
            reading.refuse("E025", item.place, "URIs: this is no absolute URI in ASCII", hint)
        uris.append(uri)
    return tuple(uris)


def _key_usage(reading: Reading, view: View) -> int | None:
    """Go's bits.  encipherOnly and decipherOnly mean something only beside keyAgreement (RFC 5280, 4.2.1.3)."""
    usage = view.number("KeyUsage") or 0
    if usage & 0x180 and not usage & 0x10:
        message = f"KeyUsage {usage} has encipherOnly or decipherOnly without keyAgreement"
        reading.refuse("E025", view.place("KeyUsage"), message, "add 16, or remove them")
    return usage or None


def _usages(reading: Reading, view: View) -> tuple[str, ...] | None:
    """Extended key usages as dotted object identifiers."""
    if not view.has("ExtKeyUsage") and not view.has("UnknownExtKeyUsage"):
        return None
    usages = [_EXTENDED[number] for number in numbers(view.items("ExtKeyUsage"))]
    for item in view.items("UnknownExtKeyUsage"):
        dotted = ".".join(str(number) for number in numbers(item.items)) if isinstance(item, ListNode) else ""
        try:
            usages.append(x509.ObjectIdentifier(dotted).dotted_string)
        except ValueError:
            message = f'UnknownExtKeyUsage: "{dotted}" is no object identifier'
            reading.refuse("E025", item.place, message, "write it as a list such as [1, 3, 6, 1, 5, 5, 7, 3, 1]")
    return tuple(usages)


def _not_after(reading: Reading, view: View) -> str | None:
    text = view.text("NotAfter")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or "T" not in text.upper():
            raise ValueError(text)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        if text.startswith("0001-01-01T00:00:00Z"):
            return None
        reading.refuse(
            "E025", view.place("NotAfter"), f'NotAfter: "{text[:40]}" is no RFC 3339 time', "2031-05-06T07:08:09Z"
        )
        return None
    return None if moment.year == 1 else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# ECDSA with SHA-256 and with SHA-512, in Go's numbers.
_OTHER_HASHES: Final = frozenset({10, 12})
_SUBJECT: Final = (
    ("Country", NameOID.COUNTRY_NAME),
    ("Organization", NameOID.ORGANIZATION_NAME),
    ("OrganizationalUnit", NameOID.ORGANIZATIONAL_UNIT_NAME),
    ("Locality", NameOID.LOCALITY_NAME),
    ("Province", NameOID.STATE_OR_PROVINCE_NAME),
    ("StreetAddress", NameOID.STREET_ADDRESS),
    ("PostalCode", NameOID.POSTAL_CODE),
    ("CommonName", NameOID.COMMON_NAME),
    ("SerialNumber", NameOID.SERIAL_NUMBER),
)
# Go's ExtKeyUsage numbers (crypto/x509).
_EXTENDED: Final = (
    "2.5.29.37.0",
    "1.3.6.1.5.5.7.3.1",
    "1.3.6.1.5.5.7.3.2",
    "1.3.6.1.5.5.7.3.3",
    "1.3.6.1.5.5.7.3.4",
    "1.3.6.1.5.5.7.3.5",
    "1.3.6.1.5.5.7.3.6",
    "1.3.6.1.5.5.7.3.7",
    "1.3.6.1.5.5.7.3.8",
    "1.3.6.1.5.5.7.3.9",
    "1.3.6.1.4.1.311.10.3.3",
    "2.16.840.1.113730.4.1",
    "1.3.6.1.4.1.311.2.1.22",
    "1.3.6.1.4.1.311.61.1.1",
)
