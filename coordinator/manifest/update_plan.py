"""What an update would touch, said before anybody approves it: values, marbles, people, and who has to approve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from coordinator.manifest.approvers import needed, people_words, updaters
from coordinator.manifest.change import Change, Gravity
from coordinator.manifest.diff import diff, diff_json
from coordinator.manifest.model import Manifest, Marble, Secret
from coordinator.manifest.secret_fate import stays
from coordinator.manifest.security_version import security_version
from coordinator.manifest.words import lasts


@dataclass(frozen=True, slots=True)
class Plan:
    """secrets, marbles: name to what becomes of it, in words.  people: changes of users.

    needed: how many people must approve.  approvers: users who may; who: the same in words, by person.
    """

    changes: tuple[Change, ...]
    secrets: Mapping[str, str]
    marbles: Mapping[str, str]
    people: tuple[Change, ...]
    needed: int
    approvers: tuple[str, ...]
    who: str
    delay: timedelta
    remarks: tuple[str, ...]

    @property
    def weakenings(self) -> tuple[Change, ...]:
        """The changes that lower what people could rely on."""
        return weakenings(self.changes)


def weakenings(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Those that lower what people could rely on."""
    return tuple(change for change in changes if change.gravity in (Gravity.WEAKENS, Gravity.WIDENS))


def plan_update(active: Manifest, new: Manifest, raised: Mapping[str, int]) -> Plan:
    """An update from the manifest in force.  raised: security versions that package updates have raised."""
    changes, able = diff(active, new), updaters(active.users.values())
    return Plan(
        changes=changes,
        secrets={name: _fate(active, new, name) for name in dict.fromkeys((*active.secrets, *new.secrets))},
        marbles={name: _marble(active, new, name) for name in dict.fromkeys((*active.marbles, *new.marbles))},
        people=tuple(change for change in changes if change.path.startswith("/Users/")),
        needed=needed(active),
        approvers=tuple(user.name for user in able),
        who=people_words(able),
        delay=active.config.update_delay,
        remarks=tuple(_remarks(active, new, raised)),
    )


def plan_json(active: Manifest, new: Manifest, plan: Plan) -> dict[str, Any]:
    """The document of `enclasp manifest update plan -o json`; its first keys are those of `manifest diff`."""
    return {
        **diff_json(active, new, plan.changes),
        "weakenings": len(plan.weakenings),
        "secrets": dict(plan.secrets),
        "marbles": dict(plan.marbles),
        "people": [{"path": change.path, "meaning": change.meaning} for change in plan.people],
        "approvals": {"needed": plan.needed, "users": list(plan.approvers)},
        "delay_seconds": int(plan.delay.total_seconds()),
        "remarks": list(plan.remarks),
    }


def _fate(active: Manifest, new: Manifest, name: str) -> str:
    after, before = new.secrets.get(name), active.secrets.get(name)
    if after is None:
        return "gone, with its value"
    if stays(active, new, after):
        return "keeps its value"
    if after.user_defined:
        return "has to be set by a user" + (", the value is lost" if before is not None else "")
    if after.shared:
        return "made anew" if before is not None else "new"
    return _own_value(before, after, new)


def _own_value(before: Secret | None, after: Secret, new: Manifest) -> str:
    """A secret that each marble has for itself."""
    if after.type.is_certificate:
        return "made anew at each start, as always"
    changed = before is None or (before.type, before.size, before.shared) != (after.type, after.size, after.shared)
    if changed or new.config.rotate_root_secret:
        return "another value for each marble"
    return "keeps its value for each marble"


def _marble(active: Manifest, new: Manifest, name: str) -> str:
    after, before = new.marbles.get(name), active.marbles.get(name)
    if after is None:
        return "may not join any more; those that run go on until they stop"
    if before is None:
        return "new"
    same = (before.parameters, before.tls, before.package) == (after.parameters, after.tls, after.package)
    what = "the same definition" if same else "another definition, from its next start on"
    return f"{what}; {_talk(new, after)}"


def _talk(new: Manifest, marble: Marble) -> str:
    overlap = new.config.update_overlap
    renews = marble.lifetime is not None and marble.renewed
    moves = f"renews its certificate, valid {lasts(marble.lifetime)}, or is restarted" if renews else "is restarted"
    if not overlap:
        return f"talks to marbles of after the update when it {moves}"
    until = f"until then it {moves}" if renews else "restart it within that time"
    return f"talks to marbles of before and after for {overlap}, {until}"


def _remarks(active: Manifest, new: Manifest, raised: Mapping[str, int]) -> list[str]:
    remarks = []
    if not new.update.replaces:
        remarks.append(
            f"the document does not say what it replaces, so only connections can approve it; "
            f'for detached signatures add Update: {{Replaces: "{active.fingerprint}"}}'
        )
    elif new.update.replaces != active.digest:
        remarks.append(
            f"REFUSED: the document replaces {new.update.replaces.hex()}, but {active.fingerprint} is active"
        )
    for name, version in raised.items():
        package = new.packages.get(name)
        said = security_version(package) if package is not None else None
        if name in new.update.lowers:
            remarks.append(f"LOWERS the security version of package '{name}', which was raised to {version}")
        elif said is not None and said < version:
            remarks.append(f"package '{name}' stays at security version {version}, to which it was raised")
    return remarks
