"""What `manifest check` looks at: the document, and every template once with placeholder values."""

from datetime import datetime

from coordinator.manifest.dry_run import with_templates
from coordinator.manifest.errors import Finding, Severity
from coordinator.manifest.lint import lint
from coordinator.manifest.lint_waivers import lint_waivers
from coordinator.manifest.parse import examine
from coordinator.manifest.schema_check import second_opinion
from pki.certificates import CertificateTemplate, build, common_name, der
from pki.keys import KeyAlgorithm, generate


def check_document(
    raw: bytes, *, name: str, compatible: bool, now: datetime, remarks: bool = False
) -> tuple[Finding, ...]:
    """Everything that can be said of a document, in the order of its text.

    remarks: also what is legal but worth a word.  The schema knows nothing of MarbleRun's lax reading, so it is not
    asked for its opinion in compatible mode.
    """
    examined = examine(raw, name=name, compatible=compatible)
    findings = with_templates(examined, certificate_der=_placeholder(now))
    if not compatible:
        findings += second_opinion(examined.document, examined.root, findings)
    if remarks and not any(finding.severity is Severity.ERROR for finding in findings):
        findings += lint(examined) + lint_waivers(examined, now)
    return tuple(sorted(findings, key=lambda finding: (finding.line, finding.column, finding.code)))


def _placeholder(now: datetime) -> bytes:
    """A certificate in the place of those that are made at activation."""
    key = generate(KeyAlgorithm.EC_P256)
    subject = common_name("placeholder")
    template = CertificateTemplate(subject, dns_names=("localhost",))
    certificate = build(
        template, public_key=key.public_key(), issuer_name=subject, issuer_key=key, not_before=now, serial=1
    )
    return der(certificate)
