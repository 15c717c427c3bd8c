"""What changes about updates themselves: how many must approve, how long, and what is trusted after one; in words."""

from collections.abc import Iterator

from coordinator.manifest.approvers import needed, people, people_words, updaters
from coordinator.manifest.change import Change, Gravity
from coordinator.manifest.model import Manifest


def update_changes(before: Manifest, after: Manifest) -> Iterator[Change]:
    """Thresholds and times; and what the new document says of the step itself."""
    old, new = before.config, after.config
    one, two = needed(before), needed(after)
    if one != two and one and two:
        gravity = Gravity.WEAKENS if two < one else Gravity.NARROWS
        meaning = f"{two} of {len(people(updaters(after.users.values())))} people together may update the manifest"
        yield Change(gravity, "/Config/UpdateThreshold", meaning, str(one), str(two))
    if old.update_expiry != new.update_expiry:
        meaning = "a proposed update waits for another time"
        yield Change(Gravity.CHANGES, "/Config/UpdateExpiry", meaning, str(old.update_expiry), str(new.update_expiry))
    if old.update_delay != new.update_delay:
        sooner = new.update_delay < old.update_delay
        gravity, time = (Gravity.WEAKENS, "shorter") if sooner else (Gravity.NARROWS, "longer")
        meaning = f"people have a {time} time to see an update before it is in force"
        yield Change(gravity, "/Config/UpdateDelay", meaning, str(old.update_delay), str(new.update_delay))
    if old.update_overlap != new.update_overlap:
        longer = new.update_overlap > old.update_overlap
        gravity = Gravity.WEAKENS if longer else Gravity.NARROWS
        meaning = (
            f"after an update certificates of before it are trusted for a {'longer' if longer else 'shorter'} time"
        )
        yield Change(gravity, "/Config/UpdateOverlap", meaning, str(old.update_overlap), str(new.update_overlap))
    if new.rotate_root_secret and not old.rotate_root_secret:
        meaning = "the keys of all marbles are made anew; marbles see the old ones as previous"
        yield Change(Gravity.CHANGES, "/Config/RotateRootSecret", meaning, "false", "true")
    for name in sorted(after.update.lowers):
        meaning = f'the security version of package "{name}" falls to what this document says, if it was raised'
        yield Change(Gravity.WEAKENS, "/Update/LowersSecurityVersion", meaning)


def who_updates(manifest: Manifest) -> str:
    """A sentence."""
    able = updaters(manifest.users.values())
    if not able:
        return "nobody may change this manifest"
    wanted, persons = needed(manifest), len(people(able))
    who = "all" if wanted == persons else str(wanted)
    many = f"{who} of {people_words(able)} together" if persons > 1 else people_words(able)
    overlap = manifest.config.update_overlap
    after = f"certificates of before an update are trusted for another {overlap}" if overlap else "no overlap"
    return f"{many} may change this manifest, and so everything in it; {after}"
