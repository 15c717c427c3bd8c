"""Further extensions of a generated certificate, under the names of Go's x509.Certificate (contract, 3.6)."""

import base64
import binascii
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, TypeAlias, TypeVar

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from coordinator.manifest.document import ListNode, Node, Place, ScalarNode
from coordinator.manifest.reading import Reading
from coordinator.manifest.view import View

_Made = TypeVar("_Made")
Further: TypeAlias = tuple[x509.ExtensionType, bool]
"""An extension, and whether it is critical."""


def read_extensions(reading: Reading, view: View) -> tuple[Further, ...]:
    """What the fields of a `Cert` add to the usual extensions; a finding for what no certificate can hold."""
    return tuple(_Extensions(reading, view).all())


def octets(reading: Reading, view: View, field: str) -> bytes:
    """Bytes as Go's JSON has them: base64, or a list of numbers; empty, with a finding, where it is neither."""
    if isinstance(view.node(field), ListNode):
        return bytes(numbers(view.items(field)))
    try:
        return base64.b64decode(view.text(field), validate=True)
    except (binascii.Error, ValueError):
        reading.refuse("E025", view.place(field), f"{field} is no base64", "use the standard alphabet with padding")
        return b""


def numbers(items: tuple[Node, ...]) -> list[int]:
    """The whole numbers of a list."""
    return [item.value for item in items if isinstance(item, ScalarNode) and isinstance(item.value, int)]


class _Extensions:
    def __init__(self, reading: Reading, view: View) -> None:
        self._reading = reading
        self._view = view

    def all(self) -> Iterator[Further]:
        if self._view.has("SubjectKeyId") and (key_id := octets(self._reading, self._view, "SubjectKeyId")):
            yield x509.SubjectKeyIdentifier(key_id), False
        if access := [*self._access("OCSPServer", _OCSP), *self._access("IssuingCertificateURL", _ISSUERS)]:
            yield x509.AuthorityInformationAccess(access), False
        if policies := [*self._policies()]:
            yield x509.CertificatePolicies(policies), False
        permitted, excluded = ([*self._subtrees(side)] for side in ("Permitted", "Excluded"))
        if permitted or excluded:
            critical = self._view.flag("PermittedDNSDomainsCritical")
            yield x509.NameConstraints(permitted or None, excluded or None), critical
        if points := [*self._uris("CRLDistributionPoints")]:
            yield x509.CRLDistributionPoints([x509.DistributionPoint([uri], None, None, None) for uri in points]), False
        yield from self._extra()

    def _extra(self) -> Iterator[Further]:
        """Extensions by their object identifiers, but those that other fields make."""
        for item in self._view.items("ExtraExtensions"):
            part = View(item, item.place)
            identifier = self._identifier(part.items("Id"), item.place)
            if identifier is not None and identifier.dotted_string in _MADE:
                message = f"ExtraExtensions: {identifier.dotted_string} is made from other fields"
                self._reading.refuse("E025", item.place, message, "use KeyUsage, DNSNames and so on")
            elif identifier is not None:
                value = octets(self._reading, part, "Value")
                yield x509.UnrecognizedExtension(identifier, value), part.flag("Critical")

    def _access(self, field: str, method: x509.ObjectIdentifier) -> Iterator[x509.AccessDescription]:
        return (x509.AccessDescription(method, uri) for uri in self._uris(field))

    def _uris(self, field: str) -> Iterator[x509.UniformResourceIdentifier]:
        return self._made(field, x509.UniformResourceIdentifier)

    def _policies(self) -> Iterator[x509.PolicyInformation]:
        for item in self._view.items("PolicyIdentifiers"):
            identifier = self._identifier(item.items if isinstance(item, ListNode) else (), item.place)
            if identifier is not None:
                yield x509.PolicyInformation(identifier, None)
        for oid in self._made("Policies", x509.ObjectIdentifier):
            yield x509.PolicyInformation(oid, None)

    def _subtrees(self, side: str) -> Iterator[x509.GeneralName]:
        yield from self._made(f"{side}DNSDomains", x509.DNSName)
        yield from map(x509.IPAddress, self._networks(f"{side}IPRanges"))
        yield from self._made(f"{side}EmailAddresses", x509.RFC822Name)
        yield from self._made(f"{side}URIDomains", x509.UniformResourceIdentifier)

    def _networks(self, field: str) -> Iterator[IPv4Network | IPv6Network]:
        """Go's net.IPNet: an address as text, and a mask as base64."""
        for item in self._view.items(field):
            part = View(item, item.place)
            mask = octets(self._reading, part, "Mask")
            try:
                bits = f"{int.from_bytes(mask, 'big'):0{len(mask) * 8}b}"
                if len(mask) not in (4, 16) or "01" in bits:
                    raise ValueError("no mask")
                network = ip_network(f"{part.text('IP')}/{bits.count('1')}")
                if network.max_prefixlen != len(mask) * 8:
                    raise ValueError("mask of another kind of address")
            except ValueError:
                hint = "IP is the first address of the range, Mask its mask of 4 or 16 bytes in base64"
                self._reading.refuse("E025", item.place, f"{field}: this is no range of IP addresses", hint)
                continue
            yield network

    def _made(self, field: str, make: Callable[[str], _Made]) -> Iterator[_Made]:
        for item, text in zip(self._view.items(field), self._view.texts(field), strict=True):
            try:
                if not text.isascii() or not text:
                    raise ValueError(text)
                yield make(text)
            except ValueError:
                message = f'{field}: "{text[:60]}" cannot be in a certificate'
                self._reading.refuse("E025", item.place, message, "write it in ASCII, as its standard has it")

    def _identifier(self, items: tuple[Node, ...], place: Place) -> x509.ObjectIdentifier | None:
        dotted = ".".join(map(str, numbers(items)))
        try:
            return x509.ObjectIdentifier(dotted)
        except ValueError:
            message = f'"{dotted}" is no object identifier'
            self._reading.refuse("E025", place, message, "write it as a list such as [1, 3, 6, 1, 5, 5, 7, 3, 1]")
            return None


_MADE: Final = frozenset(
    kind.oid.dotted_string
    for kind in (
        *(x509.KeyUsage, x509.ExtendedKeyUsage, x509.BasicConstraints, x509.SubjectKeyIdentifier),
        *(x509.AuthorityKeyIdentifier, x509.SubjectAlternativeName, x509.AuthorityInformationAccess),
        *(x509.CertificatePolicies, x509.NameConstraints, x509.CRLDistributionPoints),
    )
)
_OCSP: Final = AuthorityInformationAccessOID.OCSP
_ISSUERS: Final = AuthorityInformationAccessOID.CA_ISSUERS
