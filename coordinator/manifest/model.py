"""The language as frozen values.  A `Manifest` that exists is legal; nothing here checks anything.

Key names of the document are MarbleRun's (contract, section 3) and ours beside them (design.md, 7).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from math import log2
from typing import Final

from cryptography import x509

from attestation.claims import ReferenceValues
from coordinator.manifest.template.render import Template
from coordinator.recovery.owner_key import OwnerKey


class SecretType(StrEnum):
    """`Secrets.<name>.Type`."""

    SYMMETRIC_KEY = "symmetric-key"
    CERT_RSA = "cert-rsa"
    CERT_ECDSA = "cert-ecdsa"
    CERT_ED25519 = "cert-ed25519"
    PLAIN = "plain"
    PASSWORD = "generated-password"

    @property
    def is_certificate(self) -> bool:
        """True for the three kinds that are a key pair with a certificate."""
        return self.value.startswith("cert-")


class SealMode(StrEnum):
    """`Config.SealMode`; an absent one means ProductKey."""

    PRODUCT_KEY = "ProductKey"
    UNIQUE_KEY = "UniqueKey"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class Package:
    """A program, by what proves it.  `alternatives`: one is enough; never empty.

    debug: MarbleRun's flag; the reference values already carry it.
    """

    name: str
    alternatives: tuple[ReferenceValues, ...]
    debug: bool


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a marble is given.  A template renders to bytes; a plain value is a template without actions."""

    files: Mapping[str, Template] = field(default_factory=dict)
    env: Mapping[str, Template] = field(default_factory=dict)
    argv: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Marble:
    """A service.  max_activations: 0 is unlimited.  secret_binding: False leaves the type out of key derivation.

    secrets: names of all secrets that its templates and TLS tags use, so that a marble costs what it uses.
    lifetime: of its own certificate; None is MarbleRun's, without end.  max_per_vendor: activations that the hardware
    of one vendor may prove; 0 is unlimited.  fresh: its evidence has to bind a nonce of the Coordinator's.
    renewed: paths of the files that have certificates, which it gets anew while it runs.  renewal_signal: what its
    program is sent then, as SIGHUP; empty is nothing.
    """

    type: str
    package: str
    max_activations: int
    parameters: Parameters
    tls: tuple[str, ...]
    secret_binding: bool
    secrets: frozenset[str]
    lifetime: timedelta | None = None
    max_per_vendor: int = 0
    fresh: bool = False
    renewed: tuple[str, ...] = ()
    renewal_signal: str = ""


@dataclass(frozen=True, slots=True)
class CertificateTemplate:
    """`Secrets.<name>.Cert`: what a generated certificate says.  None = not given, so the default applies;
    an empty tuple suppresses the default (contract 3.6).  further: more extensions, and whether each is critical."""

    subject: x509.Name = field(default_factory=lambda: x509.Name([]))
    dns_names: tuple[str, ...] | None = None
    ip_addresses: tuple[str, ...] | None = None
    email_addresses: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    key_usage: int | None = None
    extended_key_usage: tuple[str, ...] | None = None
    is_ca: bool = False
    max_path_length: int | None = None
    not_after: str | None = None
    further: tuple[tuple[x509.ExtensionType, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class PasswordRule:
    """What a generated password is made of.  length: characters; characters: at least two, each once, ASCII."""

    length: int
    characters: str

    @property
    def bits(self) -> float:
        """How many bits somebody has to guess."""
        return self.length * log2(len(self.characters))


@dataclass(frozen=True, slots=True)
class ReadApproval:
    """`Secrets.<name>.ReadApproval`: a user reads the value only when others have approved this reading.

    threshold: how many people, at least 1.  delay: how long after it was asked for it is given at the earliest.
    expiry: how long after that a request lasts at most.
    """

    threshold: int
    expiry: timedelta
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret's definition.  size: bits (0 where the type has none).  valid_days: of a certificate.

    rotate: every full update of the manifest that carries it makes a shared value anew.  password: of that type only.
    read_approval: None where a user whose role allows it reads it alone.
    """

    name: str
    type: SecretType
    size: int
    shared: bool
    user_defined: bool
    valid_days: int
    certificate: CertificateTemplate = field(default_factory=CertificateTemplate)
    rotate: bool = False
    password: PasswordRule | None = None
    read_approval: ReadApproval | None = None


@dataclass(frozen=True, slots=True)
class TlsIncoming:
    """A port that a sidecar listens on.  secret: name of the certificate it shows instead of the marble's."""

    port: str
    secret: str | None
    client_auth: bool


@dataclass(frozen=True, slots=True)
class TlsOutgoing:
    """An address that a sidecar connects to with the marble's certificate."""

    address: str
    port: str


@dataclass(frozen=True, slots=True)
class TlsTag:
    """`TLS.<tag>`."""

    incoming: tuple[TlsIncoming, ...]
    outgoing: tuple[TlsOutgoing, ...]


class Action(StrEnum):
    """What a role may allow (contract 3.5), and what is ours: to approve that others read."""

    READ_SECRET = "ReadSecret"
    APPROVE_READ = "ApproveRead"
    WRITE_SECRET = "WriteSecret"
    UPDATE_SECURITY_VERSION = "UpdateSecurityVersion"
    UPDATE_MANIFEST = "UpdateManifest"


WHOLE_MANIFEST: Final = ""
"""The resource of roles for the manifest itself."""


@dataclass(frozen=True, slots=True)
class Role:
    """A permission: each action on each resource.  resources: secrets, packages, or WHOLE_MANIFEST."""

    name: str
    actions: frozenset[Action]
    resources: frozenset[str]


@dataclass(frozen=True, slots=True)
class User:
    """A person, known by exactly this certificate (DER).  Its issuer, names and dates mean nothing (contract 1.14).

    key_digest: SHA-256 of the key's SubjectPublicKeyInfo; empty for a kind of key that signs nothing here.
    """

    name: str
    certificate: bytes
    roles: tuple[Role, ...]
    key_digest: bytes

    def may(self, action: Action, resource: str) -> bool:
        """Whether one of the user's roles allows this action on this resource."""
        return any(action in role.actions and resource in role.resources for role in self.roles)


class FeatureGate(StrEnum):
    """What a deployment has to ask for (contract 3.9)."""

    SIGN_QUOTE = "SignQuoteEndpoint"
    MONOTONIC_COUNTER = "MonotonicCounter"


class KeySource(StrEnum):
    """`Config.KeySources`: what may keep the key of the Coordinator's state, so that a restart needs nobody."""

    PLATFORM = "Platform"
    TPM = "TPM"
    PKCS11 = "PKCS11"


DEFAULT_SOURCES: Final = (KeySource.PLATFORM,)


@dataclass(frozen=True, slots=True)
class Config:
    """`Config`, as far as this version acts on it.  recovery_threshold: 0 is all owners of recovery keys.

    update_threshold: how many users must approve an update; 0 is all who may.  update_expiry: how long a proposed one
    waits for them.  update_delay: how long after its proposal it comes in force at the earliest.  update_overlap: how
    long the intermediate of before an update stays trusted.  coordinators: names of packages that may
    have the state; where there are none, only the program that has it.
    """

    seal_mode: SealMode = SealMode.PRODUCT_KEY
    update_threshold: int = 0
    update_expiry: timedelta = timedelta(days=7)
    update_delay: timedelta = timedelta(0)
    update_overlap: timedelta = timedelta(0)
    rotate_root_secret: bool = False
    recovery_threshold: int = 0
    key_sources: tuple[KeySource, ...] = DEFAULT_SOURCES
    feature_gates: frozenset[FeatureGate] = frozenset()
    coordinators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateTerms:
    """`Update`: what a document says of the one that it replaces.

    replaces: the only fingerprint (32 bytes) that it may follow, or empty for any.  lowers: packages whose raised
    security version may fall with it.
    """

    replaces: bytes = b""
    lowers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The law of a deployment.  raw: the exact bytes that people agreed on; digest: SHA-256 of them (32 bytes).

    compatible: it was read as MarbleRun reads it: unknown fields are ignored, repeated ones override.
    """

    raw: bytes
    digest: bytes
    packages: Mapping[str, Package]
    marbles: Mapping[str, Marble]
    secrets: Mapping[str, Secret]
    tls: Mapping[str, TlsTag]
    users: Mapping[str, User]
    recovery_keys: Mapping[str, OwnerKey]
    config: Config
    compatible: bool
    update: UpdateTerms = field(default_factory=UpdateTerms)

    @property
    def fingerprint(self) -> str:
        """MarbleRun's "manifest signature": lower-case hex of the digest."""
        return self.digest.hex()
