"""What changes for secrets that are read only with the approval of others, and who approves, in words."""

from collections.abc import Iterator

from coordinator.manifest.approvers import people_words, read_approvers
from coordinator.manifest.change import Change, Gravity
from coordinator.manifest.document import step
from coordinator.manifest.model import Manifest, ReadApproval, Secret


def approval_changes(path: str, secret: str, old: ReadApproval | None, new: ReadApproval | None) -> Iterator[Change]:
    """Approvals that are wanted or not, how many, and for how long.  Who may give them is said with people."""
    what = f'secret "{secret}"'
    if new is None:
        if old is not None:
            meaning = f"who may read {what} reads it alone, without the approval of others"
            yield Change(Gravity.WEAKENS, path, meaning, f"{old.threshold} must approve", "")
        return
    if old is None:
        meaning = f"who may read {what} needs the approval of others for it"
        yield Change(Gravity.NARROWS, path, meaning, "", f"{new.threshold} must approve")
        return
    if old.threshold != new.threshold:
        fewer = new.threshold < old.threshold
        meaning = f"{'fewer' if fewer else 'more'} people must approve that {what} is read"
        gravity = Gravity.WEAKENS if fewer else Gravity.NARROWS
        yield Change(gravity, step(path, "Threshold"), meaning, str(old.threshold), str(new.threshold))
    if old.delay != new.delay:
        shorter = new.delay < old.delay
        gravity, time = (Gravity.WEAKENS, "shorter") if shorter else (Gravity.NARROWS, "longer")
        meaning = f"people have a {time} time to see that {what} is asked for before it is given"
        yield Change(gravity, step(path, "Delay"), meaning, str(old.delay), str(new.delay))
    if old.expiry != new.expiry:
        longer = new.expiry > old.expiry
        gravity, time = (Gravity.WEAKENS, "longer") if longer else (Gravity.NARROWS, "shorter")
        meaning = f"a request to read {what} lasts for a {time} time"
        yield Change(gravity, step(path, "Expiry"), meaning, str(old.expiry), str(new.expiry))


def who_approves(manifest: Manifest, secret: Secret) -> str:
    """The part of a sentence about a secret that says how users read it; empty where nothing is to be said."""
    terms = secret.read_approval
    if terms is None:
        return ""
    names = people_words(read_approvers(manifest.users.values(), secret.name))
    delay = f", {terms.delay} after it was asked for at the earliest" if terms.delay else ""
    return f", read by users only with the approval of {terms.threshold} of {names}{delay}"
