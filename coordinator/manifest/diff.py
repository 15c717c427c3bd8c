"""Two manifests, and what the change means for those who have to approve it.

The most serious comes first.  Nothing of a value is shown but what it is made of: a manifest may hold what should
have been a secret.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from coordinator.manifest.change import Change, Gravity
from coordinator.manifest.diff_approvals import approval_changes
from coordinator.manifest.diff_coordinators import coordinator_changes
from coordinator.manifest.diff_packages import package_changes, same_program
from coordinator.manifest.diff_people import people_changes
from coordinator.manifest.diff_recovery import recovery_changes
from coordinator.manifest.diff_updates import update_changes
from coordinator.manifest.document import step
from coordinator.manifest.model import Manifest, Marble, Package, SealMode, Secret, TlsIncoming, TlsTag
from coordinator.manifest.template.render import Template
from coordinator.manifest.words import lasts, starts

T = TypeVar("T")


def diff(before: Manifest, after: Manifest) -> tuple[Change, ...]:
    """What changes between two manifests, the most serious first; empty where they mean the same."""
    compared = _Comparison(before, after)
    changes = [
        *compared.packages(),
        *compared.marbles(),
        *compared.secrets(),
        *compared.tags(),
        *people_changes(before.users, after.users),
        *recovery_changes(before, after),
        *update_changes(before, after),
        *coordinator_changes(before, after),
        *compared.config(),
    ]
    return tuple(sorted(changes, key=lambda change: change.gravity))


def diff_json(before: Manifest, after: Manifest, changes: tuple[Change, ...]) -> dict[str, Any]:
    """The document of `enclasp manifest diff -o json`."""
    return {
        "same_bytes": before.digest == after.digest,
        "same_meaning": not changes,
        "fingerprints": {"before": before.fingerprint, "after": after.fingerprint},
        "changes": [
            {
                "gravity": change.gravity.word,
                "path": change.path,
                "meaning": change.meaning,
                "before": change.before,
                "after": change.after,
            }
            for change in changes
        ],
    }


class _Comparison:
    def __init__(self, before: Manifest, after: Manifest) -> None:
        self._before = before
        self._after = after

    # Packages

    def packages(self) -> Iterator[Change]:
        for name, old, new in _pairs(self._before.packages, self._after.packages):
            path = _path("Packages", name)
            if old is None or new is None:
                verb = "is new" if old is None else "is gone"
                yield Change(Gravity.NEUTRAL, path, f'package "{name}" {verb}; what uses it says what it means')
            else:
                yield from package_changes(path, old, new, self._users(name))

    def _users(self, package: str) -> str:
        """The marbles of a package, in words."""
        users = [marble.type for marble in self._after.marbles.values() if marble.package == package]
        words = ["marble " + ", ".join(f'"{user}"' for user in users)] if users else []
        words += ["the coordinator"] if package in self._after.config.coordinators else []
        return " and ".join(words) or f'package "{package}" (not used)'

    # Marbles

    def marbles(self) -> Iterator[Change]:
        for name, old, new in _pairs(self._before.marbles, self._after.marbles):
            path = _path("Marbles", name)
            if old is None and new is not None:
                limit = starts(new.max_activations)
                meaning = f'another program may join: package "{new.package}" as marble "{name}", {limit}'
                yield Change(Gravity.WIDENS, path, meaning)
                yield from self._readers(path, name, frozenset(), new.secrets)
            elif new is None and old is not None:
                yield Change(Gravity.NARROWS, path, f'marble "{name}" may not join any more')
                yield from self._readers(path, name, old.secrets, frozenset())
            elif old is not None and new is not None:
                yield from self._marble(path, old, new)

    def _marble(self, path: str, old: Marble, new: Marble) -> Iterator[Change]:
        name = new.type
        if old.package != new.package:
            yield from self._other_package(step(path, "Package"), old, new)
        if old.max_activations != new.max_activations:
            yield _activations(step(path, "MaxActivations"), old, new)
        if old.max_per_vendor != new.max_per_vendor:
            more = new.max_per_vendor == 0 or 0 < old.max_per_vendor < new.max_per_vendor
            meaning = f'{"more" if more else "fewer"} instances of marble "{name}" may stand on hardware of one vendor'
            counts = tuple(
                str(count) if count else "without limit" for count in (old.max_per_vendor, new.max_per_vendor)
            )
            gravity = Gravity.WEAKENS if more else Gravity.NARROWS
            yield Change(gravity, step(path, "MaxActivationsPerVendor"), meaning, *counts)
        if old.fresh != new.fresh:
            gravity = Gravity.NARROWS if new.fresh else Gravity.WEAKENS
            must = "has to" if new.fresh else "need not any more"
            meaning = f'evidence of marble "{name}" {must} bind a nonce of the coordinator\'s'
            yield Change(gravity, step(path, "RequireFreshEvidence"), meaning)
        if old.secret_binding != new.secret_binding:
            gravity = Gravity.NARROWS if new.secret_binding else Gravity.WEAKENS
            bound = "are now bound" if new.secret_binding else "are no longer bound"
            meaning = f'keys of marble "{name}" {bound} to its type; what the old ones encrypt is lost'
            yield Change(gravity, step(path, "DisableSecretBinding"), meaning)
        yield from self._readers(path, name, old.secrets, new.secrets)
        if old.lifetime != new.lifetime:
            longer = new.lifetime is None or (old.lifetime is not None and new.lifetime > old.lifetime)
            gravity = Gravity.WEAKENS if longer else Gravity.NARROWS
            meaning = f'certificates of marble "{name}" are valid for a {"longer" if longer else "shorter"} time'
            here = step(path, "CertificateLifetime")
            yield Change(gravity, here, meaning, lasts(old.lifetime), lasts(new.lifetime))
        if old.renewal_signal != new.renewal_signal:
            meaning = f'the program of marble "{name}" is told otherwise that its certificates were renewed'
            signals = (old.renewal_signal or "nothing", new.renewal_signal or "nothing")
            yield Change(Gravity.CHANGES, step(path, "RenewalSignal"), meaning, *signals)
        parameters = step(path, "Parameters")
        yield from _contents(
            step(parameters, "Env"), f'variable of marble "{name}"', old.parameters.env, new.parameters.env
        )
        yield from _contents(
            step(parameters, "Files"), f'file of marble "{name}"', old.parameters.files, new.parameters.files
        )
        if old.parameters.argv != new.parameters.argv:
            meaning = f'marble "{name}" starts with other arguments, so the same program may do something else'
            counts = (f"{len(old.parameters.argv)} arguments", f"{len(new.parameters.argv)} arguments")
            yield Change(Gravity.CHANGES, step(parameters, "Argv"), meaning, *counts)
        for tag in sorted(set(old.tls) ^ set(new.tls)):
            if tag in new.tls:
                meaning = f'connections of marble "{name}" are also secured as TLS tag "{tag}" says'
                yield Change(Gravity.NARROWS, step(path, "TLS"), meaning)
            else:
                meaning = f'connections of marble "{name}" are not secured by TLS tag "{tag}" any more'
                yield Change(Gravity.WEAKENS, step(path, "TLS"), meaning)

    def _other_package(self, path: str, old: Marble, new: Marble) -> Iterator[Change]:
        before, after = self._before.packages[old.package], self._after.packages[new.package]
        if _same_programs(before, after):
            meaning = f'marble "{new.type}" is the same program under another package name'
            yield Change(Gravity.NEUTRAL, path, meaning, old.package, new.package)
            return
        meaning = f'another program may be marble "{new.type}", and gets all that it gets'
        yield Change(Gravity.REPLACES, path, meaning, old.package, new.package)
        for change in package_changes(path, before, after, f'marble "{new.type}"'):
            if change.gravity is Gravity.WEAKENS:
                yield replace(change, path=path)

    def _readers(self, path: str, marble: str, old: frozenset[str], new: frozenset[str]) -> Iterator[Change]:
        for name in sorted(new - old):
            secret = self._after.secrets[name]
            which = f'secret "{name}"' if secret.shared else f'secret "{name}" (a value of its own)'
            gravity = Gravity.WIDENS if secret.shared and name in self._before.secrets else Gravity.CHANGES
            yield Change(gravity, path, f'adds a reader of {which}: marble "{marble}"')
        for name in sorted(old - new):
            yield Change(Gravity.NARROWS, path, f'marble "{marble}" does not get secret "{name}" any more')

    # Secrets

    def secrets(self) -> Iterator[Change]:
        for name, old, new in _pairs(self._before.secrets, self._after.secrets):
            path = _path("Secrets", name)
            if old is None:
                yield Change(Gravity.NEUTRAL, path, f'secret "{name}" is new')
            elif new is None:
                yield Change(
                    Gravity.CHANGES, path, f'secret "{name}" is gone; what it encrypts cannot be read any more'
                )
            else:
                yield from _secret(path, old, new)

    # The rest

    def tags(self) -> Iterator[Change]:
        for name, old, new in _pairs(self._before.tls, self._after.tls):
            path = _path("TLS", name)
            if old is None or new is None:
                verb = "is new" if old is None else "is gone"
                yield Change(
                    Gravity.NEUTRAL, path, f'TLS tag "{name}" {verb}; the marbles that use it say what it means'
                )
            else:
                yield from _tag(path, old, new)

    def config(self) -> Iterator[Change]:
        old, new = self._before.config.seal_mode, self._after.config.seal_mode
        if old is not new:
            gravity = Gravity.WEAKENS if _OPENNESS[new] > _OPENNESS[old] else Gravity.NARROWS
            yield Change(gravity, "/Config/SealMode", _SEAL_MEANING[new], old.value, new.value)
        before, after = self._before.config.key_sources, self._after.config.key_sources
        for source in sorted({*after} - {*before}):
            meaning = (
                f"whoever controls the {source.value} of the coordinator's machine may open its state, "
                "and put one of his own in its place"
            )
            yield Change(Gravity.WEAKENS, "/Config/KeySources", meaning)
        for source in sorted({*before} - {*after}):
            yield Change(Gravity.NARROWS, "/Config/KeySources", f"{source.value} keeps the state's key no more")


def _same_programs(one: Package, other: Package) -> bool:
    pairs = (one.alternatives, other.alternatives)
    return len(pairs[0]) == len(pairs[1]) and all(any(same_program(a, b) for b in pairs[1]) for a in pairs[0])


def _activations(path: str, old: Marble, new: Marble) -> Change:
    before, after = old.max_activations, new.max_activations
    more = after == 0 or (before != 0 and after > before)
    meaning = f'{"more" if more else "fewer"} instances of marble "{new.type}" may start'
    counts = tuple(str(count) if count else "without limit" for count in (before, after))
    return Change(Gravity.WIDENS if more else Gravity.NARROWS, path, meaning, *counts)


def _contents(path: str, what: str, old: Mapping[str, Template], new: Mapping[str, Template]) -> Iterator[Change]:
    for name, before, after in _pairs(old, new):
        here = step(path, name)
        if before is None:
            yield Change(Gravity.CHANGES, here, f"{what} is new: {name}", "", _size(after))
        elif after is None:
            yield Change(Gravity.CHANGES, here, f"{what} is gone: {name}", _size(before), "")
        elif (before.source, before.is_plain) != (after.source, after.is_plain):
            yield Change(Gravity.CHANGES, here, f"{what} has another content: {name}", _size(before), _size(after))


def _secret(path: str, old: Secret, new: Secret) -> Iterator[Change]:
    name = new.name
    if old.type is not new.type:
        meaning = f'secret "{name}" is of another kind, and is made anew'
        yield Change(Gravity.CHANGES, step(path, "Type"), meaning, old.type.value, new.type.value)
    elif old.size != new.size:
        gravity = Gravity.WEAKENS if new.size < old.size else Gravity.CHANGES
        meaning = f'the key of secret "{name}" is {"shorter" if new.size < old.size else "longer"}, and is made anew'
        yield Change(gravity, step(path, "Size"), meaning, f"{old.size} bits", f"{new.size} bits")
    if old.password != new.password and old.password is not None and new.password is not None:
        easier = new.password.bits < old.password.bits
        meaning = f'passwords of secret "{name}" are {"easier" if easier else "not easier"} to guess, and made anew'
        before, after = (f"{int(rule.bits)} bits" for rule in (old.password, new.password))
        yield Change(Gravity.WEAKENS if easier else Gravity.CHANGES, step(path, "Length"), meaning, before, after)
    if old.rotate != new.rotate:
        gravity = Gravity.CHANGES if new.rotate else Gravity.WEAKENS
        what = "made anew by every update; what the old value encrypts is lost" if new.rotate else "kept by updates"
        yield Change(gravity, step(path, "OnUpdate"), f'secret "{name}" is {what}')
    yield from approval_changes(step(path, "ReadApproval"), name, old.read_approval, new.read_approval)
    if old.shared != new.shared:
        gravity = Gravity.WEAKENS if new.shared else Gravity.NARROWS
        now = "one value for all marbles, instead of one each" if new.shared else "a value of its own for each marble"
        yield Change(gravity, step(path, "Shared"), f'secret "{name}" is {now}; what the old ones encrypt is lost')
    if old.user_defined != new.user_defined:
        maker = "set by a user" if new.user_defined else "made by the coordinator"
        yield Change(Gravity.CHANGES, step(path, "UserDefined"), f'secret "{name}" is now {maker}')
    if old.type.is_certificate and new.type.is_certificate and old.valid_days != new.valid_days:
        gravity = Gravity.WEAKENS if new.valid_days > old.valid_days else Gravity.NARROWS
        longer = "longer" if gravity is Gravity.WEAKENS else "shorter"
        meaning = f'the certificate of secret "{name}" is valid for a {longer} time'
        yield Change(gravity, step(path, "ValidFor"), meaning, f"{old.valid_days} days", f"{new.valid_days} days")
    here = step(path, "Cert")
    if new.certificate.is_ca and not old.certificate.is_ca:
        meaning = f'who has secret "{name}" may issue certificates that our clients believe'
        yield Change(Gravity.WEAKENS, step(here, "IsCA"), meaning, "false", "true")
    elif old.certificate != new.certificate:
        yield Change(Gravity.CHANGES, here, f'the certificate of secret "{name}" says something else')


def _tag(path: str, old: TlsTag, new: TlsTag) -> Iterator[Change]:
    doors_before, doors_after = ({door.port: door for door in tag.incoming} for tag in (old, new))
    for port, before, after in _pairs(doors_before, doors_after):
        yield from _door(step(path, "Incoming"), port, before, after)
    ways_before, ways_after = ({f"{way.address}:{way.port}" for way in tag.outgoing} for tag in (old, new))
    for way in sorted(ways_before - ways_after):
        yield Change(Gravity.WEAKENS, step(path, "Outgoing"), f"connections to {way} are not secured any more")
    for way in sorted(ways_after - ways_before):
        yield Change(Gravity.NARROWS, step(path, "Outgoing"), f"connections to {way} are secured now")


def _door(path: str, port: str, old: TlsIncoming | None, new: TlsIncoming | None) -> Iterator[Change]:
    if old is None:
        yield Change(Gravity.NARROWS, path, f"port {port} is secured now")
    elif new is None:
        yield Change(Gravity.WEAKENS, path, f"port {port} is not secured any more")
    else:
        if old.client_auth and not new.client_auth:
            yield Change(Gravity.WEAKENS, path, f"anybody may connect to port {port}, not only marbles")
        if new.client_auth and not old.client_auth:
            yield Change(Gravity.NARROWS, path, f"only marbles may connect to port {port}")
        if old.secret != new.secret:
            shown = (old.secret or "the marble's own", new.secret or "the marble's own")
            yield Change(Gravity.CHANGES, path, f"port {port} shows another certificate", *shown)


def _pairs(old: Mapping[str, T], new: Mapping[str, T]) -> Iterator[tuple[str, T | None, T | None]]:
    """Each name with both of its values, in the order of the texts."""
    for name in dict.fromkeys((*old, *new)):
        yield name, old.get(name), new.get(name)


def _path(section: str, name: str) -> str:
    return step(f"/{section}", name)


def _size(template: Template | None) -> str:
    if template is None:
        return ""
    secrets = [name for name in sorted(template.secrets) if name.isprintable()]
    uses = f", uses {', '.join(secrets)}" if secrets else ""
    return f"{len(template.source)} bytes{uses}"


_OPENNESS: Final = {SealMode.DISABLED: 0, SealMode.UNIQUE_KEY: 1, SealMode.PRODUCT_KEY: 2}
_SEAL_MEANING: Final = {
    SealMode.PRODUCT_KEY: "every build of the same coordinator product can open the state",
    SealMode.UNIQUE_KEY: "only this build of the coordinator can open the state",
    SealMode.DISABLED: "the state is not kept: after a restart the secrets are others",
}
