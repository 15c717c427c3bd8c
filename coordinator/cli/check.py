"""What `manifest check` looks at: the document, and every template once with placeholder values."""

from datetime import datetime

from coordinator.manifest import dry_run
from coordinator.manifest.errors import Finding
from pki.certificates import CertificateTemplate, build, common_name, der
from pki.keys import KeyAlgorithm, generate


def check_document(raw: bytes, *, name: str, compatible: bool, now: datetime) -> tuple[Finding, ...]:
    """Everything that can be said of a document, in the order of its text."""
    return dry_run.check(raw, name=name, compatible=compatible, certificate_der=_placeholder(now))


def _placeholder(now: datetime) -> bytes:
    """A certificate in the place of those that are made at activation."""
    key = generate(KeyAlgorithm.EC_P256)
    subject = common_name("placeholder")
    template = CertificateTemplate(subject, dns_names=("localhost",))
    certificate = build(
        template, public_key=key.public_key(), issuer_name=subject, issuer_key=key, not_before=now, serial=1
    )
    return der(certificate)
