"""What `manifest check` looks at: the document, and every template once with placeholder values."""

from coordinator.manifest.dry_run import dry_run, placeholder_context
from coordinator.manifest.errors import Finding, ManifestInvalid
from coordinator.manifest.parse import parse


def check_document(raw: bytes, *, name: str, compatible: bool) -> tuple[Finding, ...]:
    """Everything that can be said of a document, in the order of its text."""
    try:
        parsed = parse(raw, name=name, compatible=compatible)
    except ManifestInvalid as invalid:
        return invalid.findings
    rendered = dry_run(parsed.manifest, placeholder_context(parsed.manifest))
    return (*parsed.findings, *rendered)
