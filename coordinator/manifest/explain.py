"""A manifest in words: which programs get what, how they prove themselves, and what a field means."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from coordinator.manifest.diff_approvals import who_approves
from coordinator.manifest.diff_coordinators import who_coordinates
from coordinator.manifest.diff_people import power_words
from coordinator.manifest.diff_recovery import who_recovers
from coordinator.manifest.diff_updates import who_updates
from coordinator.manifest.model import KeySource, Manifest, Marble, SealMode, Secret
from coordinator.manifest.proof import proof
from coordinator.manifest.schema import MANIFEST, Schema
from coordinator.manifest.shape import kinds_of
from coordinator.manifest.template.render import Template
from coordinator.manifest.words import lasts, printable, starts


class UnknownField(Exception):
    """No field of the language has this path; `known` are those of the last step that exists."""

    def __init__(self, path: str, step: str, known: Sequence[str]) -> None:
        self.step = step
        self.known = tuple(known)
        super().__init__(f"no field of a manifest has the path '{path[:_SHOWN]}{'…' if len(path) > _SHOWN else ''}'")


@dataclass(frozen=True, slots=True)
class FieldWords:
    """What a field means.  path: its steps, names as `*`.  fields: what may stand below it."""

    path: tuple[str, ...]
    description: str
    kinds: tuple[str, ...]
    allowed: tuple[str, ...]
    example: Any
    default: Any
    fields: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """The document of `enclasp manifest explain FILE PATH -o json`."""
        return {
            "path": "/" + "/".join(self.path),
            "description": self.description,
            "type": list(self.kinds),
            "allowed": list(self.allowed),
            "example": self.example,
            "default": self.default,
            "fields": dict(self.fields),
        }

    def text(self) -> str:
        """The same for people."""
        lines = [".".join(self.path), f"  {self.description}"]
        lines += [f"  type      {' or '.join(_TYPES[kind] for kind in self.kinds)}"] if self.kinds else []
        lines += [f"  allowed   {', '.join(self.allowed)}"] if self.allowed else []
        lines += [f"  default   {str(self.default).lower()}"] if self.default is not None else []
        lines += [f"  example   {self.example}"] if self.example is not None else []
        if self.fields:
            width = max(len(name) for name in self.fields)
            lines += ["  fields", *(f"    {name:<{width}}  {words}" for name, words in self.fields.items())]
        return "\n".join(lines)


def explain_field(path: str) -> FieldWords:
    """What the field with this path means: `Marbles.web.MaxActivations`, or as a JSON pointer `/Marbles/web/Package`.

    Raises UnknownField.
    """
    schema, taken = MANIFEST, []
    for part in split_path(path):
        alternatives = (schema, *schema.get("anyOf", ()))
        named = {name: child for one in alternatives for name, child in one.get("properties", {}).items()}
        free = next((one["additionalProperties"] for one in alternatives if _is_free(one)), None)
        items = next((one["items"] for one in alternatives if "items" in one), None)
        if part in named:
            schema = named[part]
            taken.append(part)
        elif free is not None:
            schema = free
            taken.append("*")
        elif items is not None and (part == "*" or part.isdecimal()):
            schema = items
            taken.append("*")
        else:
            raise UnknownField(path, part, tuple(named))
    return _words(tuple(taken), schema)


def split_path(path: str) -> tuple[str, ...]:
    """The steps of a path: of a JSON pointer if it starts with a slash (RFC 6901), else between dots."""
    if path.startswith("/"):
        return tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/") if part)
    return tuple(part for part in path.split(".") if part)


def explain(manifest: Manifest) -> dict[str, Any]:
    """Who can do what, as data: `marbles` by type, `secrets` by name, and what holds for all.

    The document of `enclasp manifest explain FILE -o json`.
    """
    readers: dict[str, list[str]] = {name: [] for name in manifest.secrets}
    for marble in manifest.marbles.values():
        for name in marble.secrets:
            readers[name].append(marble.type)
    return {
        "fingerprint": manifest.fingerprint,
        "mode": "compatible" if manifest.compatible else "strict",
        "marbles": {name: _marble(manifest, marble) for name, marble in manifest.marbles.items()},
        "secrets": {
            name: {"is": _secret(secret) + who_approves(manifest, secret), "readers": readers[name]}
            for name, secret in manifest.secrets.items()
        },
        "for_all": list(_for_all(manifest)),
    }


def explain_text(words: Mapping[str, Any]) -> str:
    """The result of `explain` for people."""
    lines = [f"manifest {words['fingerprint']}"]
    if words["mode"] == "compatible":
        lines.append("read in MarbleRun's way (compatible): unknown fields are ignored, repeated ones override")
    for name, marble in words["marbles"].items():
        lines += ["", f"{name}", f"  is         any program that is package {marble['package']}:"]
        lines += [f"               {'or ' if number else ''}{proof}" for number, proof in enumerate(marble["proof"])]
        lines += ["  fresh      its evidence has to bind a nonce of the coordinator's"] if marble["fresh"] else []
        lines += [f"  starts     {marble['starts']}"]
        lines += [f"  arguments  {shlex.join(marble['argv'])}"] if marble["argv"] else []
        for place in ("env", "files"):
            label = "variable" if place == "env" else "file"
            lines += [f"  {label:<10} {key}: {value}" for key, value in marble[place].items()]
        lines += [f"  always     {always}" for always in marble["always"]]
        lines += [f"  network    {network}" for network in marble["network"]]
    if words["secrets"]:
        lines += ["", "secrets"]
        for name, secret in words["secrets"].items():
            lines.append(f"  {name}: {secret['is']}; read by {', '.join(secret['readers']) or 'nobody'}")
    lines += ["", "for all of it", *(f"  {sentence}" for sentence in words["for_all"])]
    return "\n".join(printable(line) for line in lines)


def _marble(manifest: Manifest, marble: Marble) -> dict[str, Any]:
    limit = marble.max_activations
    how_often = starts(limit) + (" over the deployment's life, restarts included" if limit else "")
    if marble.max_per_vendor:
        how_often += f"; {starts(marble.max_per_vendor)} on hardware of one vendor"
    return {
        "package": marble.package,
        "fresh": marble.fresh,
        "proof": [proof(values) for values in manifest.packages[marble.package].alternatives],
        "starts": how_often,
        "argv": list(marble.parameters.argv),
        "env": {name: _content(template) for name, template in marble.parameters.env.items()},
        "files": {path: _content(template) for path, template in marble.parameters.files.items()},
        "secrets": sorted(marble.secrets),
        "always": [
            f"a certificate of its own from the coordinator, valid {lasts(marble.lifetime)}, with its key",
            *_renewal(marble),
            "the root that all marbles share",
            *([] if marble.secret_binding else ["keys that are not bound to its type (DisableSecretBinding)"]),
        ],
        "network": list(_network(manifest, marble)),
    }


def _renewal(marble: Marble) -> Iterator[str]:
    """What changes while it runs."""
    if marble.lifetime is not None and marble.renewed:
        told = f"; its program is sent {marble.renewal_signal}" if marble.renewal_signal else ""
        yield f"new certificates in {', '.join(marble.renewed)} while it runs, in time{told}"


def _content(template: Template) -> str:
    if template.is_plain:
        count = len(template.source)
        return f"{count} byte{'' if count == 1 else 's'}, as they stand in the manifest"
    names = [name for name in sorted(template.secrets) if name.isprintable()]
    used = [f"secret {name}" for name in names]
    if template.secrets and not names:
        used.append("any of the secrets (only rendering tells)")
    if b"MarbleRun" in template.source:
        used.append("certificates of the deployment")
    return f"made at each start from {', '.join(used)}" if used else "made at each start"


def _secret(secret: Secret) -> str:
    kind = f"{secret.type.value} of {secret.size} bits" if secret.size else secret.type.value
    if secret.password is not None:
        rule = secret.password
        kind += f" of {rule.length} characters out of {len(rule.characters)} ({int(rule.bits)} bits)"
    if secret.user_defined:
        return f"{kind}, set by a user"
    days = f", certificate valid for {secret.valid_days} days" if secret.valid_days else ""
    owner = "one value for all its readers" if secret.shared else "a value of its own for each marble and UUID"
    rotates = ", made anew by every update" if secret.rotate else ""
    return f"{kind}{days}, {owner}{rotates}"


def _network(manifest: Manifest, marble: Marble) -> Iterator[str]:
    for tag in marble.tls:
        for door in manifest.tls[tag].incoming:
            who = "only marbles may connect" if door.client_auth else "anybody may connect"
            shown = f"shows the certificate of secret {door.secret}" if door.secret else "shows its own certificate"
            yield f"port {door.port}: TLS, {who}, {shown}"
        for way in manifest.tls[tag].outgoing:
            yield f"to {way.address}:{way.port}: TLS, the other side must be a marble"


def _for_all(manifest: Manifest) -> Iterator[str]:
    yield "every start is proven by evidence whose signatures, chains and dates hold, and which names the marble's key"
    yield "evidence of simulated hardware counts only at a coordinator that is simulated itself, and says so"
    for user in manifest.users.values():
        yield f"user {user.name}, known by a certificate, may {', '.join(power_words(user)) or 'do nothing'}"
    yield who_updates(manifest)
    yield who_recovers(manifest)
    yield from _keepers(manifest)
    yield from who_coordinates(manifest)


def _keepers(manifest: Manifest) -> Iterator[str]:
    """What opens the Coordinator's state after a restart."""
    mode, sources = manifest.config.seal_mode, manifest.config.key_sources
    if KeySource.PLATFORM in sources or mode is SealMode.DISABLED:
        yield _SEAL[mode]
    if mode is not SealMode.DISABLED:
        others = [source.value for source in sources if source is not KeySource.PLATFORM]
        yield from (
            f"the coordinator's state opens for whoever may use its {other}, who can put one of his own in its place"
            for other in others
        )


def _is_free(schema: Schema) -> bool:
    return isinstance(schema.get("additionalProperties"), dict)


def _words(path: tuple[str, ...], schema: Schema) -> FieldWords:
    alternatives = (schema, *schema.get("anyOf", ()))
    kinds = [kind for one in alternatives for kind in kinds_of(one) if kind != "null"]
    allowed = [str(value) for one in alternatives for value in one.get("enum", ()) if value != ""]
    described = (str(one["description"]) for one in alternatives if "description" in one)
    below = {name: child for one in alternatives for name, child in one.get("properties", {}).items()}
    free = next((one["additionalProperties"] for one in alternatives if _is_free(one)), None)
    if free is not None:
        below = {f"NAME.{name}": child for name, child in free.get("properties", {}).items()}
    examples = schema.get("examples", [None])
    return FieldWords(
        path=path or ("manifest",),
        description=next(described, "a value of the field above"),
        kinds=tuple(dict.fromkeys(kinds)),
        allowed=tuple(dict.fromkeys(allowed)),
        example=examples[0],
        default=schema.get("default"),
        fields={name: str(child.get("description", "")) for name, child in below.items()},
    )


_SHOWN: Final = 80
_TYPES: Final = {
    "object": "a map of fields",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}
_SEAL: Final = {
    SealMode.PRODUCT_KEY: "the coordinator's state opens for every build of the same product on the same machine",
    SealMode.UNIQUE_KEY: "the coordinator's state opens for this build only, on the same machine",
    SealMode.DISABLED: "the coordinator keeps no state: after a restart the secrets are others",
}
