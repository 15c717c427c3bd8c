"""What changes for those who can recover the Coordinator's state, and who they are, in words."""

from collections.abc import Iterator

from coordinator.manifest.change import Change, Gravity
from coordinator.manifest.document import step
from coordinator.manifest.model import Manifest
from coordinator.recovery.owner_key import encode_owner_key


def recovery_changes(before: Manifest, after: Manifest) -> Iterator[Change]:
    """Owners that come, go or are somebody else, and how many are needed."""
    for name in dict.fromkeys((*before.recovery_keys, *after.recovery_keys)):
        old, new = before.recovery_keys.get(name), after.recovery_keys.get(name)
        path = step("/RecoveryKeys", name)
        if new is None:
            yield Change(Gravity.CHANGES, path, f'"{name}" owns no share any more')
        elif old is None:
            yield Change(Gravity.WIDENS, path, f'"{name}" owns a share of the key to all secrets')
        elif encode_owner_key(old) != encode_owner_key(new):
            yield Change(Gravity.REPLACES, path, f'somebody else may own the share of "{name}": the key is another one')
    owners, needed = len(after.recovery_keys), shares_needed(after)
    if before.recovery_keys and owners and needed != shares_needed(before):
        gravity = Gravity.WEAKENS if needed < shares_needed(before) else Gravity.NARROWS
        meaning = f"{needed} of {owners} owners together open all secrets"
        yield Change(gravity, "/Config/RecoveryThreshold", meaning, str(shares_needed(before)), str(needed))


def who_recovers(manifest: Manifest) -> str:
    """A sentence."""
    names = ", ".join(manifest.recovery_keys)
    if not names:
        return "nobody may recover the coordinator's state where its machine cannot: there are no recovery keys"
    needed, owners = shares_needed(manifest), len(manifest.recovery_keys)
    who = names if owners == 1 else f"{'all' if needed == owners else needed} of {names} together"
    return f"{who} may recover the coordinator's state elsewhere, and so all its secrets"


def shares_needed(manifest: Manifest) -> int:
    """How many owners together open the Coordinator's state."""
    return manifest.config.recovery_threshold or len(manifest.recovery_keys)
