"""What one marble is given: files, environment and arguments, rendered with the secrets that it uses.

Source: contract 2.7-2.9.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from coordinator.manifest.model import Manifest, Marble, TlsTag
from coordinator.manifest.template.render import Place, Template, TemplateError
from coordinator.manifest.template.values import SecretValue
from coordinator.secrets.ttls import ttls_config
from coordinator.state.model import Authority, Retired
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


class HierarchyTexts:
    """The CA certificates as text and as template values, encoded once for many marbles.

    While an intermediate of before an update is trusted (overlap), `marble_root` holds its twin too, and a chain also
    holds what leads up to it, before the intermediate: OpenSSL takes the first issuer that it is shown.
    """

    def __init__(self, authority: Authority, overlap: Sequence[Retired]) -> None:
        roots = [der(authority.marble_root), *(der(retired.marble_root) for retired in overlap)]
        intermediates = [der(authority.intermediate), *(der(retired.intermediate) for retired in overlap)]
        self.along = tuple(der(retired.successor) for retired in overlap)
        self.root = pem_block("CERTIFICATE", der(authority.root))
        self.marble_root = _blocks(roots)
        self.above_leaf = _blocks([*self.along, *intermediates])
        self.shown_with_leaf = _blocks(self.along)
        self.values: Mapping[str, SecretValue] = {
            "RootCA": SecretValue("", cert_der=roots[0], along=tuple(roots[1:])),
            "CoordinatorRoot": SecretValue("", cert_der=der(authority.root)),
            "CoordinatorIntermediate": SecretValue("", cert_der=intermediates[0]),
        }


class AuthorityTexts:
    """The texts of a hierarchy at any moment: they change when an overlap ends."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._overlap: tuple[Retired, ...] = authority.retired
        self._texts = HierarchyTexts(authority, self._overlap)

    def at(self, now: datetime) -> HierarchyTexts:
        """The texts for marbles that join now."""
        overlap = self._authority.overlapping(now)
        if len(overlap) != len(self._overlap):
            self._overlap = overlap
            self._texts = HierarchyTexts(self._authority, overlap)
        return self._texts


def render(
    manifest: Manifest,
    marble: Marble,
    identity: Identity,
    texts: HierarchyTexts,
    secrets: Mapping[str, SecretValue],
    previous: Mapping[str, SecretValue],
) -> Parameters:
    """Everything for one marble.  secrets: the values of `marble.secrets`; previous: those that were others before.

    Raises RenderFailed.
    """
    wanted = marble.parameters
    is_plain = all(template.is_plain for template in (*wanted.files.values(), *wanted.env.values()))
    context = {} if is_plain else _context(identity, texts, secrets, previous)
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


def _context(
    identity: Identity,
    texts: HierarchyTexts,
    secrets: Mapping[str, SecretValue],
    previous: Mapping[str, SecretValue],
) -> Mapping[str, Any]:
    own = SecretValue(
        "",
        cert_der=identity.certificate_der,
        public=identity.public,
        private=identity.private,
        along=texts.along,
    )
    if texts.along:
        secrets = {name: _along(value, texts.along) for name, value in secrets.items()}
    return {
        "Secrets": secrets,
        "Previous": {"Secrets": {**secrets, **previous}},
        "MarbleRun": {**texts.values, "MarbleCert": own},
    }


def _along(value: SecretValue, certificates: tuple[bytes, ...]) -> SecretValue:
    """A certificate of ours, with what leads marbles of before an update to it."""
    return replace(value, along=certificates) if value.cert_der and not value.user_defined else value


def _blocks(certificates: Sequence[bytes]) -> str:
    return "".join(pem_block("CERTIFICATE", certificate) for certificate in certificates)


def _reserved(
    manifest: Manifest, marble: Marble, identity: Identity, texts: HierarchyTexts, secrets: Mapping[str, SecretValue]
) -> dict[str, bytes]:
    leaf = pem_block("CERTIFICATE", identity.certificate_der)
    key = pem_block("PRIVATE KEY", identity.private)
    reserved = {
        settings.ROOT_CA: texts.marble_root,
        settings.CERTIFICATE_CHAIN: leaf + texts.above_leaf,
        settings.PRIVATE_KEY: key,
        settings.COORDINATOR_ROOT_CA: texts.root,
    }
    if marble.tls:
        tags = [manifest.tls[tag] for tag in marble.tls]
        _check_doors(marble, tags, secrets)
        reserved[settings.TTLS_CONFIG] = ttls_config(
            tags,
            secrets,
            root_pem=texts.marble_root,
            leaf_pem=leaf + texts.shown_with_leaf,
            along_pem=texts.shown_with_leaf,
            key_pem=key,
        )
    return {name: text.encode() for name, text in reserved.items()}


def _check_doors(marble: Marble, tags: Sequence[TlsTag], secrets: Mapping[str, SecretValue]) -> None:
    """Raises RenderFailed if a port shall show a certificate that a user has not set, or set without its key."""
    for name in (entry.secret for tag in tags for entry in tag.incoming if entry.secret is not None):
        if not secrets[name].cert_der or not secrets[name].private:
            raise RenderFailed(f"marble '{marble.type}', TLS: secret '{name}' has no certificate with a private key")
