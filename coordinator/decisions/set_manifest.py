"""The first manifest: what follows when it is set."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from coordinator.decisions.decision import Decision, admit
from coordinator.manifest.dry_run import dry_run, placeholder_context
from coordinator.manifest.errors import ManifestInvalid, Severity
from coordinator.manifest.model import Manifest
from coordinator.secrets.generate import Entropy, certify, draw_symmetric
from coordinator.state.events import LANGUAGE_VERSION, Event, Founded, ManifestSet
from coordinator.state.model import Authority, Custody, State
from coordinator.state.phase import Ask
from coordinator.state.replay import issued_event, prepared_event
from pki.certificates import der, serial_number
from pki.keys import PrivateKey, private_der


@dataclass(frozen=True, slots=True)
class Founding:
    """What was made before the decision: the hierarchy whose root names the manifest, and the slow key pairs.

    keys: one for each shared certificate secret, by its name.  custody: of the new journal's recovery key, if any.
    entry: the first one of the history, which the root names; empty where nobody will ask for it.
    """

    authority: Authority
    keys: Mapping[str, PrivateKey]
    custody: Custody | None = None
    entry: str = ""


def set_manifest(
    state: State, manifest: Manifest, founding: Founding, *, compatible: bool, now: datetime, entropy: Entropy
) -> Decision[None]:
    """Accept the manifest and draw every shared secret; its events found a new journal.

    Raises WrongPhase, TemplateInvalid (a certificate secret that cannot be written).
    """
    admit(state, Ask.SET_MANIFEST)
    authority = founding.authority
    secrets = {
        secret.name: certify(secret, founding.keys[secret.name], authority, now=now, serial=serial_number(entropy(16)))
        if secret.type.is_certificate
        else draw_symmetric(secret, entropy)
        for secret in manifest.secrets.values()
        if secret.shared and not secret.user_defined
    }
    events: tuple[Event, ...] = (
        Founded(private_der(authority.root_key), authority.names),
        issued_event(authority),
        ManifestSet(
            time_ms=int(now.timestamp() * 1000),
            raw=manifest.raw,
            language=LANGUAGE_VERSION,
            compatible=compatible,
            root_secret=entropy(32),
            secrets=secrets,
            signature=authority.root_key.sign(manifest.raw, ec.ECDSA(hashes.SHA256())),
            entry=founding.entry,
        ),
    )
    if founding.custody is not None:
        events = (*events, prepared_event(founding.custody))
    return Decision(events, None)


def check_templates(manifest: Manifest, authority: Authority) -> None:
    """Render every template once with placeholders, as MarbleRun's dry run does (contract 3.10).

    Raises ManifestInvalid with every template that cannot be rendered.
    """
    certificate = der(authority.marble_root)
    findings = dry_run(manifest, placeholder_context(manifest, certificate_der=certificate))
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise ManifestInvalid("manifest", findings)
