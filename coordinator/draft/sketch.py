"""A draft from nothing: the services that somebody names, where they run, what they share and who calls whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coordinator.draft.model import (
    CERTIFICATES,
    Content,
    Draft,
    Key,
    Person,
    Platform,
    Secret,
    Service,
    Tag,
    Upload,
    question,
)
from coordinator.draft.names import variable_name
from coordinator.manifest.document import MapNode


@dataclass(frozen=True, slots=True)
class Call:
    """A service that connects to another at a port."""

    caller: str
    called: str
    port: str


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody told us.  measured: fields of a service's package.  keys and uploads: names of secrets."""

    services: tuple[str, ...]
    platforms: tuple[Platform, ...]
    measured: Mapping[str, MapNode]
    keys: tuple[str, ...] = ()
    uploads: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    people: tuple[Person, ...] = ()
    owners: tuple[Person, ...] = ()


def sketch(wishes: Wishes) -> Draft:
    """Every service with all secrets as variables: whoever reviews it takes away what one of them does not need."""
    keys = tuple(Key(name, ("Made by the Coordinator; the same for all.",)) for name in wishes.keys)
    uploads = tuple(Upload(name, (f"Comes from outside: enclasp secret set {name}",)) for name in wishes.uploads)
    secrets: tuple[Secret, ...] = (*keys, *uploads)
    several = len(wishes.services) > 1 and bool(secrets)
    return Draft(
        head=(
            "Answer what begins with DECIDE:, then run: enclasp manifest check --strict FILE",
            "What each field means: enclasp manifest explain FILE Marbles.NAME.MaxActivations",
            CERTIFICATES,
        ),
        services=tuple(_service(name, wishes, secrets, is_one_of_several=several) for name in wishes.services),
        secrets=secrets,
        tags=tuple(_tags(wishes.calls)),
        people=wishes.people,
        owners=wishes.owners,
    )


def _service(name: str, wishes: Wishes, secrets: Sequence[Secret], *, is_one_of_several: bool) -> Service:
    notes = (question("take away the secrets that it does not need"),) if is_one_of_several else ()
    tags = [_listens(call) for call in wishes.calls if call.called == name]
    tags += [_connects(call) for call in wishes.calls if call.caller == name]
    return Service(
        name=name,
        platforms=wishes.platforms,
        measured=wishes.measured.get(name),
        starts=1,
        starts_question="how often may it start over the deployment's life? Restarts and new versions count; 0: "
        "without limit",
        env=tuple(Content(variable_name(secret.name), _template(secret), is_template=True) for secret in secrets),
        tags=tuple(dict.fromkeys(tags)),
        notes=notes,
    )


def _template(secret: Secret) -> str:
    function = "string" if isinstance(secret, Upload) else "base64"
    return f"{{{{ {function} .Secrets.{secret.name} }}}}"


def _tags(calls: Sequence[Call]) -> list[Tag]:
    tags = {}
    for call in calls:
        note = f"{call.called} listens, and lets in who shows a certificate of this deployment."
        tags[_listens(call)] = Tag(_listens(call), call.port, notes=(note,))
    for call in calls:
        tags[_connects(call)] = Tag(_connects(call), call.port, address=call.called)
    return list(tags.values())


def _listens(call: Call) -> str:
    return f"{call.called}-{call.port}"


def _connects(call: Call) -> str:
    return f"to-{call.called}-{call.port}"
