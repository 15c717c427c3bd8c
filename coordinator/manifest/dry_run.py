"""Every template rendered once before anybody relies on it (contract, 3.10, "Dry run")."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from coordinator.manifest.errors import Finding, Severity
from coordinator.manifest.model import Manifest, SecretType
from coordinator.manifest.parse import Parsed, examine
from coordinator.manifest.template.errors import TemplateError
from coordinator.manifest.template.render import ALL_SECRETS, Place, Template
from coordinator.manifest.template.values import SecretValue


def check(raw: bytes, *, name: str, compatible: bool, certificate_der: bytes) -> tuple[Finding, ...]:
    """A manifest's form, its rules and its templates, in the order of the text; see `with_templates`."""
    return with_templates(examine(raw, name=name, compatible=compatible), certificate_der=certificate_der)


def with_templates(examined: Parsed, *, certificate_der: bytes) -> tuple[Finding, ...]:
    """The findings of a manifest, and those of its templates, in the order of the text.

    certificate_der: any certificate that stands for those which are not made yet; its names are what templates see.
    """
    known = {(finding.line, finding.path) for finding in examined.findings if finding.severity is Severity.ERROR}
    rendered = dry_run(examined.manifest, placeholder_context(examined.manifest, certificate_der=certificate_der))
    new = (finding for finding in rendered if (finding.line, finding.path) not in known)
    return tuple(sorted((*examined.findings, *new), key=lambda finding: (finding.line, finding.column, finding.code)))


def dry_run(
    manifest: Manifest, context: Mapping[str, Any], *, using: frozenset[str] | None = None
) -> tuple[Finding, ...]:
    """An error (E032) for each template that does not render with `context`; see `Template.render` for its form.

    using: only marbles that may use one of these secrets.
    """
    findings = []
    for marble in manifest.marbles.values():
        if using is not None and not marble.secrets & (using | ALL_SECRETS):
            continue
        for what, contents, place in (
            ("file", marble.parameters.files, Place.FILE),
            ("variable", marble.parameters.env, Place.ENV),
        ):
            for name, template in contents.items():
                try:
                    template.render(context, place)
                except TemplateError as error:
                    where = f'marble "{marble.type}", {what} {name}'
                    findings.append(_finding(template, error, where))
    return tuple(findings)


def secrets_beside(manifest: Manifest, names: frozenset[str]) -> frozenset[str]:
    """Every secret that a marble may use which may use one of these: what a dry run `using` them can ask for."""
    marbles = [marble for marble in manifest.marbles.values() if marble.secrets & (names | ALL_SECRETS)]
    if any(marble.secrets >= ALL_SECRETS for marble in marbles):
        return frozenset(manifest.secrets)
    return names.union(*(marble.secrets for marble in marbles))


def placeholder_context(
    manifest: Manifest,
    *,
    certificate_der: bytes,
    known: Mapping[str, SecretValue] = MappingProxyType({}),
    only: frozenset[str] | None = None,
) -> Mapping[str, Any]:
    """Values that look like those at an activation: right sizes for generated keys, one byte for what people set.

    known: values that are there already, instead of placeholders.  only: of these secrets alone.
    """
    public = x509.load_der_x509_certificate(certificate_der).public_key()
    public_der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    secrets: dict[str, SecretValue] = {}
    wanted = manifest.secrets if only is None else {name: manifest.secrets[name] for name in only}
    for name, secret in wanted.items():
        is_key = secret.type in (SecretType.SYMMETRIC_KEY, SecretType.PASSWORD) and not secret.user_defined
        length = secret.password.length if secret.password else secret.size // 8
        key = _filler(length) if is_key else b"A"
        secrets[name] = SecretValue(
            type=secret.type.value,
            size=secret.size,
            shared=secret.shared,
            user_defined=secret.user_defined,
            valid_days=secret.valid_days,
            cert_der=certificate_der if secret.type.is_certificate else None,
            public=public_der if secret.type.is_certificate and not secret.user_defined else key,
            private=key,
        )
    secrets |= known
    return {
        "Secrets": secrets,
        "Previous": {"Secrets": secrets},
        "MarbleRun": {
            "RootCA": SecretValue("cert-ecdsa", cert_der=certificate_der),
            "MarbleCert": SecretValue("cert-ecdsa", cert_der=certificate_der, public=public_der, private=b"A"),
            "CoordinatorRoot": SecretValue("cert-ecdsa", cert_der=certificate_der),
            "CoordinatorIntermediate": SecretValue("cert-ecdsa", cert_der=certificate_der),
        },
    }


def _finding(template: Template, error: TemplateError, where: str) -> Finding:
    origin = template.origin
    line, column, text = origin.locate(error.position) if origin else (1, 1, "")
    message = f"{where}: template: {error.message}"
    pointer = origin.pointer if origin else ""
    return Finding(_CODE, Severity.ERROR, line, column, pointer, message, error.hint, error.width, text)


@cache
def _filler(count: int) -> bytes:
    """Placeholder bytes, one object for each size."""
    return b"A" * count


_CODE: Final = "E032"
