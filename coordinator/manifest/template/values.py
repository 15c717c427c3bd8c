"""What a template can look at: Go's view of secrets and certificates (contract, 3.10).

Other values are plain Python: bool, int, float, str (bytes outside UTF-8 as lone surrogates), bytes (`[]byte`),
tuple (slice), Mapping (map with text keys), and None for "no value".
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from coordinator.manifest.template.errors import FunctionError
from coordinator.manifest.template.time_format import MONTHS, WEEKDAYS, format_time

Value: TypeAlias = "bool | int | float | str | bytes | tuple[Value, ...] | Mapping[str, Value] | Struct | None"


Method: TypeAlias = "Callable[[tuple[Value, ...]], Value]"


class NoSuchField(KeyError):
    """This kind of value has no field of that name (or none that templates can read here)."""


class NotPrintable(TypeError):
    """This value has no text of its own; a field of it has."""


class Struct(ABC):
    """A value with named fields.  type_name: what people call it."""

    type_name: str

    @abstractmethod
    def field(self, name: str) -> Value:
        """The field's value.  Raises NoSuchField."""

    def method(self, name: str) -> "Method | None":
        """A method that takes arguments, if there is one of that name."""
        return None

    def text(self) -> str:
        """What `{{ . }}` prints.  Raises NotPrintable."""
        raise NotPrintable(self.type_name)


class Uint(int):
    """A whole number without sign, such as a secret's size."""


class Byte(int):
    """One byte of a text or of a value."""


class NamedNumber(int):
    """A number that Go prints by its name, such as a month."""

    text: str

    def __new__(cls, number: int, text: str) -> "NamedNumber":
        """text: what it prints."""
        made = super().__new__(cls, number)
        made.text = text
        return made


class PublicBytes(bytes):
    """A secret's public part; `pem` labels it PUBLIC KEY."""


class PrivateBytes(bytes):
    """A secret's private part; `pem` labels it PRIVATE KEY."""


class Group(Struct):
    """A structure that only groups others, such as `.MarbleRun`."""

    def __init__(self, type_name: str, fields: Mapping[str, Value]) -> None:
        self.type_name = type_name
        self._fields = fields

    def field(self, name: str) -> Value:
        """The member; unknown names are errors, unlike those of a map."""
        if name not in self._fields:
            raise NoSuchField(name)
        return self._fields[name]


class Shown(Struct):
    """A value that templates can only print."""

    def __init__(self, type_name: str, text: str) -> None:
        self.type_name = type_name
        self._text = text

    def field(self, name: str) -> Value:
        """It has none."""
        raise NoSuchField(name)

    def text(self) -> str:
        """As Go's String method gives it."""
        return self._text


class BigNumber(Struct):
    """A whole number of any size."""

    type_name = "a number"

    def __init__(self, number: int) -> None:
        self.number = number

    def field(self, name: str) -> Value:
        """Its text."""
        if name == "String":
            return self.text()
        raise NoSuchField(name)

    def text(self) -> str:
        """In decimal."""
        return str(self.number)


@dataclass(frozen=True)
class SecretValue(Struct):
    """A secret of the manifest, or one of `.MarbleRun`.

    size: bits.  cert_der: the certificate, or None.  public: key or certificate's SubjectPublicKeyInfo;
    private: PKCS#8 DER, or the key itself for symmetric and plain secrets.  `hex` of the whole is its public part.
    along: further certificates (DER) that `pem` puts behind this one, while two hierarchies are trusted side by side.
    """

    type: str
    size: int = 0
    shared: bool = False
    user_defined: bool = False
    valid_days: int = 0
    cert_der: bytes | None = None
    public: bytes = b""
    private: bytes = b""
    along: tuple[bytes, ...] = ()

    type_name = "a secret"

    def field(self, name: str) -> Value:
        """Type, Size, Shared, UserDefined, ValidFor, Cert, Public or Private."""
        match name:
            case "Type":
                return self.type
            case "Size":
                return Uint(self.size)
            case "Shared":
                return self.shared
            case "UserDefined":
                return self.user_defined
            case "ValidFor":
                return Uint(self.valid_days)
            case "Cert":
                return CertificateValue(self.cert_der or b"", self.along)
            case "Public":
                return PublicBytes(self.public)
            case "Private":
                return PrivateBytes(self.private)
        raise NoSuchField(name)

    def __repr__(self) -> str:
        """Without the key."""
        return f"SecretValue(type={self.type!r})"


@dataclass(frozen=True)
class CertificateValue(Struct):
    """`.Cert`: a certificate by its DER; empty where the secret has none.  along: see SecretValue."""

    der: bytes
    along: tuple[bytes, ...] = ()

    type_name = "a certificate"

    def field(self, name: str) -> Value:
        """A field of Go's x509.Certificate.  Raises NoSuchField also for those that only Go can show."""
        reader = _CERTIFICATE_FIELDS.get(name)
        if reader is None or not self.der:
            raise NoSuchField(name)
        return reader(self)

    @cached_property
    def parsed(self) -> x509.Certificate:
        """The certificate itself."""
        return x509.load_der_x509_certificate(self.der)

    def alternative_names(self, kind: type[x509.GeneralName]) -> tuple[Value, ...]:
        """The subject alternative names of one kind, in order."""
        try:
            names = self.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return ()
        values = (name.value for name in names if isinstance(name, kind))
        return tuple(_address(v) if isinstance(v, IPv4Address | IPv6Address) else str(v) for v in values)

    def basic_constraints(self) -> x509.BasicConstraints | None:
        """The extension, if it is there."""
        try:
            return self.parsed.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            return None


class _Time(Struct):
    """Go's time.Time in UTC."""

    type_name = "a time"

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def field(self, name: str) -> Value:
        """Its methods without arguments."""
        moment = self._moment
        match name:
            case "Year" | "Day" | "Hour" | "Minute" | "Second":
                return int(getattr(moment, name.lower()))
            case "Month":
                return NamedNumber(moment.month, MONTHS[moment.month - 1])
            case "Weekday":
                return NamedNumber(moment.isoweekday() % 7, WEEKDAYS[moment.weekday()])
            case "YearDay":
                return moment.timetuple().tm_yday
            case "Unix":
                return int(moment.timestamp())
            case "UnixMilli":
                return int(moment.timestamp()) * 1000
            case "Nanosecond":
                return 0
            case "IsZero":
                return False
            case "UTC":
                return self
            case "String":
                return self.text()
        raise NoSuchField(name)

    def method(self, name: str) -> "Method | None":
        """Format, with a layout of Go's, and comparisons with another time."""
        if name == "Format":
            return self._format
        if name in _COMPARISONS:
            return lambda arguments: _COMPARISONS[name](self._difference(arguments))
        return None

    def _format(self, arguments: tuple[Value, ...]) -> Value:
        if len(arguments) != 1 or not isinstance(arguments[0], str):
            raise FunctionError('Format takes a layout, such as "2006-01-02"')
        return format_time(self._moment, arguments[0])

    def _difference(self, arguments: tuple[Value, ...]) -> float:
        if len(arguments) != 1 or not isinstance(arguments[0], _Time):
            raise FunctionError("a time is compared with one other time")
        return (self._moment - arguments[0]._moment).total_seconds()

    def text(self) -> str:
        """As Go prints it: certificates have whole seconds."""
        return f"{self._moment:%Y-%m-%d %H:%M:%S} +0000 UTC"


class _DistinguishedName(Struct):
    """Go's pkix.Name."""

    type_name = "a distinguished name"

    def __init__(self, name: x509.Name) -> None:
        self._name = name

    def field(self, name: str) -> Value:
        """CommonName and SerialNumber as text, the others as lists."""
        if name == "String":
            return self.text()
        if name not in _NAME_FIELDS:
            raise NoSuchField(name)
        values = tuple(str(a.value) for a in self._name.get_attributes_for_oid(_NAME_FIELDS[name][0]))
        if name in ("CommonName", "SerialNumber"):
            return values[-1] if values else ""
        return values

    def text(self) -> str:
        """RFC 2253 text as Go's pkix.Name.String makes it: the last part first, known parts in Go's order."""
        known = {oid for oid, _ in _NAME_FIELDS.values()}
        if any(attribute.oid not in known for attribute in self._name):
            raise NotPrintable(self.type_name)
        parts = []
        for oid, short in _NAME_FIELDS.values():
            values = [str(a.value) for a in self._name.get_attributes_for_oid(oid)]
            if values and short in ("CN", "SERIALNUMBER"):
                values = [v for v in values[-1:] if v]
            if values:
                parts.append("+".join(f"{short}={_escape_name(v)}" for v in values))
        return ",".join(reversed(parts))


def _escape_name(value: str) -> str:
    escaped = []
    for index, character in enumerate(value):
        special = character in ',+"\\<>;'
        edge = (index == 0 and character in " #") or (index == len(value) - 1 and character == " ")
        escaped.append("\\" + character if special or edge else character)
    return "".join(escaped)


def _address(address: IPv4Address | IPv6Address) -> Shown:
    return Shown("net.IP", str(address))


def _key_usage(certificate: CertificateValue) -> Value:
    """Go's bits; Go 1.26 prints a lone bit by name, which we leave to Go."""
    try:
        usage = certificate.parsed.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        raise NoSuchField("KeyUsage") from None
    agreement = usage.key_agreement
    bits = (
        usage.digital_signature,
        usage.content_commitment,
        usage.key_encipherment,
        usage.data_encipherment,
        agreement,
        usage.key_cert_sign,
        usage.crl_sign,
        agreement and usage.encipher_only,
        agreement and usage.decipher_only,
    )
    number = sum(1 << index for index, bit in enumerate(bits) if bit)
    if number.bit_count() < 2:
        raise NoSuchField("KeyUsage")
    return NamedNumber(number, f"KeyUsage({number})")


def _public_key_algorithm(certificate: CertificateValue) -> Value:
    key = certificate.parsed.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return NamedNumber(3, "ECDSA")
    if isinstance(key, rsa.RSAPublicKey):
        return NamedNumber(1, "RSA")
    if isinstance(key, ed25519.Ed25519PublicKey):
        return NamedNumber(4, "Ed25519")
    raise NoSuchField("PublicKeyAlgorithm")


def _max_path_length(certificate: CertificateValue) -> Value:
    constraints = certificate.basic_constraints()
    if constraints is None:
        return 0
    return -1 if constraints.path_length is None else constraints.path_length


def _is_ca(certificate: CertificateValue) -> Value:
    constraints = certificate.basic_constraints()
    return constraints is not None and constraints.ca


_CERTIFICATE_FIELDS: Final[Mapping[str, Callable[[CertificateValue], Value]]] = {
    "Raw": lambda c: c.der,
    "RawTBSCertificate": lambda c: c.parsed.tbs_certificate_bytes,
    "RawSubject": lambda c: c.parsed.subject.public_bytes(),
    "RawIssuer": lambda c: c.parsed.issuer.public_bytes(),
    "RawSubjectPublicKeyInfo": lambda c: c.parsed.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ),
    "Signature": lambda c: c.parsed.signature,
    "BasicConstraintsValid": lambda c: c.basic_constraints() is not None,
    "Version": lambda c: c.parsed.version.value + 1,
    "SerialNumber": lambda c: BigNumber(c.parsed.serial_number),
    "Subject": lambda c: _DistinguishedName(c.parsed.subject),
    "Issuer": lambda c: _DistinguishedName(c.parsed.issuer),
    "NotBefore": lambda c: _Time(c.parsed.not_valid_before_utc),
    "NotAfter": lambda c: _Time(c.parsed.not_valid_after_utc),
    "IsCA": _is_ca,
    "MaxPathLen": _max_path_length,
    "KeyUsage": _key_usage,
    "PublicKeyAlgorithm": _public_key_algorithm,
    "DNSNames": lambda c: c.alternative_names(x509.DNSName),
    "EmailAddresses": lambda c: c.alternative_names(x509.RFC822Name),
    "IPAddresses": lambda c: c.alternative_names(x509.IPAddress),
}
_NAME_FIELDS: Final = {
    "Country": (x509.NameOID.COUNTRY_NAME, "C"),
    "Organization": (x509.NameOID.ORGANIZATION_NAME, "O"),
    "OrganizationalUnit": (x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "OU"),
    "Locality": (x509.NameOID.LOCALITY_NAME, "L"),
    "Province": (x509.NameOID.STATE_OR_PROVINCE_NAME, "ST"),
    "StreetAddress": (x509.NameOID.STREET_ADDRESS, "STREET"),
    "PostalCode": (x509.NameOID.POSTAL_CODE, "POSTALCODE"),
    "CommonName": (x509.NameOID.COMMON_NAME, "CN"),
    "SerialNumber": (x509.NameOID.SERIAL_NUMBER, "SERIALNUMBER"),
}
_COMPARISONS: Final[Mapping[str, Callable[[float], Value]]] = {
    "Before": lambda difference: difference < 0,
    "After": lambda difference: difference > 0,
    "Equal": lambda difference: difference == 0,
    "Compare": lambda difference: (difference > 0) - (difference < 0),
}
