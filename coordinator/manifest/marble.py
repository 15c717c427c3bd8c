"""Marbles and their parameters (contract, 3.3 and 3.10)."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Final

from coordinator.manifest.document import Member, Place, ScalarNode, ScalarOrigin
from coordinator.manifest.duration import parse_duration
from coordinator.manifest.model import Marble, Parameters, Secret, TlsTag
from coordinator.manifest.people import check_name
from coordinator.manifest.reading import Reading
from coordinator.manifest.renewal import shortest, with_certificates
from coordinator.manifest.template.errors import TemplateError
from coordinator.manifest.template.render import ALL_SECRETS, Template
from coordinator.manifest.template.render import Place as TemplatePlace
from coordinator.manifest.template.uses import references
from coordinator.manifest.view import View


def read_marbles(
    reading: Reading,
    members: tuple[Member, ...],
    packages: tuple[str, ...],
    secrets: Mapping[str, Secret],
    tags: Mapping[str, TlsTag],
) -> Mapping[str, Marble]:
    """Every marble.  packages: names of those that are defined."""
    return {m.key: _Marble(reading, m, secrets).read(packages, tags) for m in members}


class _Marble:
    def __init__(self, reading: Reading, member: Member, secrets: Mapping[str, Secret]) -> None:
        self._reading = reading
        self._name = member.key
        self._view = View(member.node, member.place)
        self._secrets = secrets

    def read(self, packages: tuple[str, ...], tags: Mapping[str, TlsTag]) -> Marble:
        view, who = self._view, f'marble "{self._name}" uses'
        if not self._name:
            self._reading.remark("E028", view.owner, "a marble has an empty name", "give it one")
        package = view.text("Package")
        if view.has("Package") or self._reading.compatible:
            check_name(self._reading, view.place("Package"), f"{who} package", package, packages, "packages")
        names = view.texts("TLS")
        for item, tag in zip(view.items("TLS"), names, strict=True):
            check_name(self._reading, item.place, f"{who} TLS tag", tag, tags, "TLS tags")
        parameters = self._parameters(view.view("Parameters"))
        used = {name for content in (parameters.files, parameters.env) for t in content.values() for name in t.secrets}
        if used & ALL_SECRETS:
            used = set(self._secrets)
        shown = {i.secret for tag in names if tag in tags for i in tags[tag].incoming if i.secret is not None}
        used = {name for name in used | shown if name in self._secrets}
        return Marble(
            type=self._name,
            package=package,
            max_activations=view.number("MaxActivations") or 0,
            parameters=parameters,
            tls=names,
            secret_binding=not view.flag("DisableSecretBinding"),
            secrets=frozenset(used),
            lifetime=shortest(self._lifetime(), [self._secrets[name] for name in used]),
            max_per_vendor=self._max_per_vendor(),
            fresh=view.flag("RequireFreshEvidence"),
            renewed=with_certificates(parameters.files, self._secrets),
            renewal_signal=view.text("RenewalSignal"),
        )

    def _max_per_vendor(self) -> int:
        """A limit for each vendor's hardware; it must be smaller than the limit for all, or it says nothing."""
        limit, of_all = self._view.number("MaxActivationsPerVendor") or 0, self._view.number("MaxActivations") or 0
        if limit and of_all and limit >= of_all:
            message = f'marble "{self._name}": {limit} activations of one vendor are all that may be ({of_all})'
            hint = "lower it, so that at least two vendors are needed"
            self._reading.refuse("E073", self._view.place("MaxActivationsPerVendor"), message, hint)
        return limit

    def _lifetime(self) -> timedelta | None:
        """Of the marble's own certificate: short where the program is told that it is renewed, else long."""
        text = self._view.text("CertificateLifetime")
        if not text:
            ours = self._reading.is_new_style and not self._reading.compatible
            default = TOLD_LIFETIME if self._view.text("RenewalSignal") else DEFAULT_LIFETIME
            return default if ours else None
        lifetime = parse_duration(text)
        if not MIN_LIFETIME <= lifetime <= MAX_LIFETIME:
            message = f'marble "{self._name}": a certificate cannot be valid for {text}'
            hint = f"choose between {MIN_LIFETIME.seconds // 60}m and {MAX_LIFETIME.days}d"
            self._reading.refuse("E072", self._view.place("CertificateLifetime"), message, hint)
        return lifetime

    def _parameters(self, view: View) -> Parameters:
        files, env = {}, {}
        for member in view.members("Files"):
            self._check_path(member)
            files[member.key] = self._template(member, TemplatePlace.FILE)
        for member in view.members("Env"):
            self._check_variable(member)
            env[member.key] = self._template(member, TemplatePlace.ENV)
        for item, text in zip(view.items("Argv"), view.texts("Argv"), strict=True):
            if "\0" in text:
                self._reading.refuse("E028", item.place, "an argument has a NUL character", "no program can get it")
        return Parameters(files, env, view.texts("Argv"))

    def _check_path(self, member: Member) -> None:
        if not member.key:
            self._reading.remark("E028", member.place, "a file has an empty path", "the marble would not start")
        elif "\0" in member.key:
            self._reading.refuse("E028", member.place, "a path has a NUL character", "no file can have it")
        elif not member.key.startswith("/"):
            message = f'the path "{member.key}" is relative to the directory that the host chooses'
            self._reading.warn("E029", member.place, message, "start it with /")

    def _check_variable(self, member: Member) -> None:
        name = member.key
        if not name or "=" in name:
            message = f'no environment variable can be called "{name}"'
            self._reading.remark("E028", member.place, message, "the marble would not start")
        elif "\0" in name:
            self._reading.refuse("E028", member.place, "a variable's name has a NUL character", "remove it")
        elif name in _RESERVED:
            message = f"{name} is set by the Coordinator, which overwrites this value"
            self._reading.warn("E029", member.place, message, "choose another name")
        elif name.startswith("EDG_"):
            self._reading.warn("E029", member.place, f"{name} may change the marble's own settings", "remove it")

    def _template(self, member: Member, place: TemplatePlace) -> Template:
        data, origin, templated = self._content(member)
        if place is TemplatePlace.ENV and b"\0" in data:
            hint = "use base64 text, and decode it in the program"
            self._reading.refuse("E028", member.place, f"the value of {member.key} has a NUL byte", hint)
        if not templated:
            return Template.plain(data, place, origin)
        try:
            template = Template.parse(data, place, origin)
        except TemplateError as error:
            place_of_error = _inside(origin, error.position, error.width)
            self._reading.refuse("E030", place_of_error, f"template: {error.message}", error.hint or _GRAMMAR)
            return Template.plain(data, place, origin)
        for name, position in references(template.nodes):
            if name not in self._secrets and name not in ALL_SECRETS:
                self._undefined(origin, name, position)
        return template

    def _undefined(self, origin: ScalarOrigin, name: str, position: int) -> None:
        close = get_close_matches(name, list(self._secrets), 1)
        hint = f'did you mean "{close[0]}"? ' if close else ""
        listed = ", ".join(list(self._secrets)[:12]) or "none"
        message = f'template uses secret "{name}", which is not defined'
        place = _inside(origin, position, len(name))
        self._reading.remark("E031", place, message, f"{hint}defined secrets: {listed}")

    def _content(self, member: Member) -> tuple[bytes, ScalarOrigin, bool]:
        """The bytes of a Files or Env entry, where they stand, and whether they are a template."""
        document = self._reading.document
        if isinstance(member.node, ScalarNode):
            text = member.node.value if isinstance(member.node.value, str) else ""
            return text.encode(), ScalarOrigin(document, member.node, exact=True), True
        view = View(member.node, member.place)
        node = view.node("Data")
        if not isinstance(node, ScalarNode):
            node = ScalarNode("", member.place, "")
        encoding = view.text("Encoding").lower()
        origin = ScalarOrigin(document, node, exact=encoding in ("", "string"))
        try:
            return decode(view.text("Data"), encoding), origin, not view.flag("NoTemplates")
        except ValueError:
            message = f"Data of {member.key} is not {encoding}"
            self._reading.refuse("E016", view.place("Data"), message, _ENCODING_HINTS[encoding])
            return b"", origin, False


def decode(text: str, encoding: str) -> bytes:
    """Data in one of the encodings `string`, `base64` (standard alphabet, padding) or `hex`.  Raises ValueError."""
    if encoding == "base64":
        try:
            return base64.b64decode(text.replace("\r", "").replace("\n", "").encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError) as cause:
            raise ValueError("not base64") from cause
    if encoding == "hex":
        if not _HEX.fullmatch(text):
            raise ValueError("not hex")
        return bytes.fromhex(text)
    return text.encode()


def _inside(origin: ScalarOrigin, position: int, width: int) -> Place:
    line, column, _ = origin.locate(position)
    return Place(line - 1, column - 1, width, origin.pointer)


DEFAULT_LIFETIME: Final = timedelta(days=365)
TOLD_LIFETIME: Final = timedelta(hours=1)
"""Where `RenewalSignal` says that the program reads its certificates again."""
# Clocks differ by minutes, and a marble needs its certificate from the first second.
MIN_LIFETIME: Final = timedelta(minutes=10)
MAX_LIFETIME: Final = timedelta(days=36500)
_GRAMMAR: Final = "docs/manifest.md, Templates, shows what may stand between {{ and }}"
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")
_ENCODING_HINTS: Final = {"base64": "standard alphabet, with = padding", "hex": "pairs of hex digits, nothing between"}
_RESERVED: Final = frozenset(
    {
        "MARBLE_PREDEFINED_ROOT_CA",
        "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN",
        "MARBLE_PREDEFINED_PRIVATE_KEY",
        "MARBLE_PREDEFINED_COORDINATOR_ROOT_CA",
        "MARBLE_TTLS_CONFIG",
    }
)
