"""Certificates that live shorter than services run: does the program ever see the new ones?"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from coordinator.manifest.lint_approvals import Remark
from coordinator.manifest.model import Manifest, Marble
from coordinator.manifest.renewal import with_certificates
from coordinator.manifest.words import lasts

SHORT: Final = timedelta(days=30)
"""Services run longer than that without a new start."""


def lint_renewal(manifest: Manifest) -> Iterator[Remark]:
    """A remark for each marble whose certificate would end while its program still uses it."""
    for marble in manifest.marbles.values():
        if marble.renewal_signal and not marble.renewed:
            message = f'{marble.renewal_signal} is never sent to marble "{marble.type}": no file has a certificate'
            hint = "put .MarbleRun.MarbleCert into files, or remove RenewalSignal"
            yield Remark("E076", ("Marbles", marble.type, "RenewalSignal"), message, hint)
        if marble.lifetime is not None and marble.lifetime <= SHORT:
            yield from _short(manifest, marble)


def _short(manifest: Manifest, marble: Marble) -> Iterator[Remark]:
    path = ("Marbles", marble.type, "CertificateLifetime")
    valid = lasts(marble.lifetime)
    variables = [
        *with_certificates(marble.parameters.env, manifest.secrets),
        *(["MARBLE_TTLS_CONFIG"] * bool(marble.tls)),
    ]
    if variables or not marble.renewed:
        where = ", ".join(variables) or "the variables MARBLE_PREDEFINED_…, and in no file"
        message = f'marble "{marble.type}" has a certificate {valid} in {where}: variables do not change while it runs'
        hint = "put it into Files, where it is renewed, or make CertificateLifetime longer than the program runs"
        yield Remark("E074", path, message, hint)
    if not marble.fresh:
        message = f'marble "{marble.type}" may join as MarbleRun\'s do, which cannot renew a certificate {valid}'
        yield Remark("E075", path, message, "set RequireFreshEvidence: true, so that only marbles join that can")
