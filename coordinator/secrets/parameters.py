"""What one marble is given: files, environment and arguments, rendered with the secrets that it uses.

Source: contract 2.7-2.9.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from coordinator.manifest.model import Manifest, Marble, TlsTag
from coordinator.manifest.template.render import Place, Template, TemplateError
from coordinator.manifest.template.values import SecretValue
from coordinator.secrets.ttls import ttls_config
from coordinator.state.model import Authority
from marble import settings
from marble.protocol import Parameters
from pki.certificates import der
from pki.keys import private_der, spki_der
from pki.pem import pem_block


class RenderFailed(Exception):
    """A template of a marble cannot be rendered; the text names the marble, the place and the reason."""


@dataclass(frozen=True)
class Identity:
    """A marble's own certificate and key; encodings are made once, and only if something asks."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    @cached_property
    def certificate_der(self) -> bytes:
        """The leaf, DER."""
        return der(self.certificate)

    @cached_property
    def private(self) -> bytes:
        """The private key, PKCS#8 DER."""
        return private_der(self.key)

    @cached_property
    def public(self) -> bytes:
        """The public key, SubjectPublicKeyInfo DER."""
        return spki_der(self.key.public_key())


class AuthorityTexts:
    """The CA certificates as text and as template values, encoded once for many marbles."""

    def __init__(self, authority: Authority) -> None:
        self.root = pem_block("CERTIFICATE", der(authority.root))
        self.intermediate = pem_block("CERTIFICATE", der(authority.intermediate))
        self.marble_root = pem_block("CERTIFICATE", der(authority.marble_root))
        self.values: Mapping[str, SecretValue] = {
            "RootCA": SecretValue("", cert_der=der(authority.marble_root)),
            "CoordinatorRoot": SecretValue("", cert_der=der(authority.root)),
            "CoordinatorIntermediate": SecretValue("", cert_der=der(authority.intermediate)),
        }


def render(
    manifest: Manifest, marble: Marble, identity: Identity, texts: AuthorityTexts, secrets: Mapping[str, SecretValue]
) -> Parameters:
    """Everything for one marble.  secrets: the values of `marble.secrets`.  Raises RenderFailed."""
    wanted = marble.parameters
    is_plain = all(template.is_plain for template in (*wanted.files.values(), *wanted.env.values()))
    context = {} if is_plain else _context(identity, texts, secrets)
    files = {path: _render(marble, path, value, context, Place.FILE) for path, value in wanted.files.items()}
    env = {name: _render(marble, name, value, context, Place.ENV) for name, value in wanted.env.items()}
    env.update(_reserved(manifest, marble, identity, texts, secrets))
    return Parameters(files=files, env=env, argv=wanted.argv)


def _render(marble: Marble, name: str, value: Template, context: Mapping[str, Any], place: Place) -> bytes:
    try:
        return value.render(context, place)
    except TemplateError as error:
        kind = "file" if place is Place.FILE else "environment variable"
        raise RenderFailed(f"marble '{marble.type}', {kind} '{name}': {error}") from error


def _context(identity: Identity, texts: AuthorityTexts, secrets: Mapping[str, SecretValue]) -> Mapping[str, Any]:
    own = SecretValue("", cert_der=identity.certificate_der, public=identity.public, private=identity.private)
    return {
        "Secrets": secrets,
        "Previous": {"Secrets": secrets},
        "MarbleRun": {**texts.values, "MarbleCert": own},
    }


def _reserved(
    manifest: Manifest, marble: Marble, identity: Identity, texts: AuthorityTexts, secrets: Mapping[str, SecretValue]
) -> dict[str, bytes]:
    leaf = pem_block("CERTIFICATE", identity.certificate_der)
    key = pem_block("PRIVATE KEY", identity.private)
    reserved = {
        settings.ROOT_CA: texts.marble_root,
        settings.CERTIFICATE_CHAIN: leaf + texts.intermediate,
        settings.PRIVATE_KEY: key,
        settings.COORDINATOR_ROOT_CA: texts.root,
    }
    if marble.tls:
        tags = [manifest.tls[tag] for tag in marble.tls]
        _check_doors(marble, tags, secrets)
        reserved[settings.TTLS_CONFIG] = ttls_config(
            tags, secrets, root_pem=texts.marble_root, leaf_pem=leaf, key_pem=key
        )
    return {name: text.encode() for name, text in reserved.items()}


def _check_doors(marble: Marble, tags: Sequence[TlsTag], secrets: Mapping[str, SecretValue]) -> None:
    """Raises RenderFailed if a port shall show a certificate that a user has not set, or set without its key."""
    for name in (entry.secret for tag in tags for entry in tag.incoming if entry.secret is not None):
        if not secrets[name].cert_der or not secrets[name].private:
            raise RenderFailed(f"marble '{marble.type}', TLS: secret '{name}' has no certificate with a private key")
