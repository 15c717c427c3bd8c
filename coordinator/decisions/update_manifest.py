"""An approved manifest becomes the law: what is made anew, and what stays (contract 1.10, the table)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from coordinator.decisions.approvals import milliseconds
from coordinator.decisions.decision import Decision
from coordinator.decisions.errors import SealingFixed
from coordinator.manifest.model import Manifest, SealMode, Secret
from coordinator.manifest.secret_fate import stays
from coordinator.secrets.generate import Entropy, certify, draw_symmetric
from coordinator.state.events import ManifestUpdated, StoredSecret, Version
from coordinator.state.model import Authority, State
from coordinator.state.replay import issued_event
from pki.certificates import serial_number
from pki.keys import PrivateKey


@dataclass(frozen=True, slots=True)
class Materials:
    """What was made before the decision: the hierarchy whose root names the manifest and its history, and key pairs.

    keys: one for each shared certificate secret, by its name.  version: the history's step that the root names.
    """

    authority: Authority
    keys: Mapping[str, PrivateKey]
    version: Version


def update_manifest(state: State, materials: Materials, *, now: datetime, entropy: Entropy) -> Decision[None]:
    """Put the pending manifest in force.  Its approvals are complete, which `update_request` has found.

    Raises TemplateInvalid (a certificate secret that cannot be written).
    """
    deployment = state.deployed
    assert deployment.pending is not None, "only a pending manifest becomes the law"
    manifest, old = deployment.pending.manifest, deployment.manifest
    authority, rotate = materials.authority, manifest.config.rotate_root_secret
    kept = tuple(name for name, secret in manifest.secrets.items() if stays(old, manifest, secret))
    made = {
        secret.name: make_shared(secret, materials, now=now, entropy=entropy)
        for secret in manifest.secrets.values()
        if secret.shared and not secret.user_defined and secret.name not in kept
    }
    event = ManifestUpdated(
        time_ms=milliseconds(now),
        authority=issued_event(authority),
        root_secret=entropy(32) if rotate else deployment.root_secret,
        previous_root_secret=deployment.root_secret if rotate else deployment.previous_root_secret,
        secrets=made,
        kept=kept,
        signature=authority.root_key.sign(manifest.raw, ec.ECDSA(hashes.SHA256())),
        version=materials.version,
    )
    return Decision((event,), None)


def seals_anew(old: Manifest, new: Manifest) -> bool:
    """Whether others can open the sealed state after this update, so that it needs another key.

    Raises SealingFixed for a change that cannot be done while the state is in use.
    """
    owners = (old.recovery_keys, old.config.recovery_threshold) != (new.recovery_keys, new.config.recovery_threshold)
    disabled = SealMode.DISABLED in (old.config.seal_mode, new.config.seal_mode)
    keepers = (old.config.seal_mode, old.config.key_sources) != (new.config.seal_mode, new.config.key_sources)
    if old.config.seal_mode is not new.config.seal_mode and disabled:
        raise SealingFixed("an update cannot change Config.SealMode from or to Disabled")
    if keepers and new.recovery_keys and not owners:
        raise SealingFixed(
            "with Config.SealMode and Config.KeySources the key of the state changes, and so do all shares of it: "
            "change RecoveryKeys or Config.RecoveryThreshold too, and have the new shares handed out"
        )
    return owners or keepers


def make_shared(secret: Secret, materials: Materials, *, now: datetime, entropy: Entropy) -> StoredSecret:
    """A new value of a shared secret.  Raises TemplateInvalid."""
    if secret.type.is_certificate:
        key, serial = materials.keys[secret.name], serial_number(entropy(16))
        return certify(secret, key, materials.authority, now=now, serial=serial)
    return draw_symmetric(secret, entropy)
