"""A container's variables, arguments and files, as a manifest gives them; what only the host knows stays there."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from coordinator.draft.kubernetes.objects import Application, Object, Remark
from coordinator.draft.kubernetes.secretive import looks_secret, password_in_url
from coordinator.draft.kubernetes.tree import Field
from coordinator.draft.kubernetes.values import Value, plain, template
from coordinator.draft.kubernetes.vault import Vault, in_file, in_variable
from coordinator.draft.model import Content, question


@dataclass(slots=True)
class Given:
    """What a container is given.  notes: on the marble."""

    argv: tuple[str, ...] = ()
    env: list[Content] = field(default_factory=list)
    files: list[Content] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


class Container:
    """Reads one container of a pod."""

    def __init__(self, application: Application, vault: Vault, namespace: str, pod: Field, container: Field) -> None:
        self._application = application
        self._vault = vault
        self._namespace = namespace
        self._pod = pod
        self._container = container
        self._values: dict[str, Value] = {}
        self._of_host: set[str] = set()
        self._given = Given()

    def read(self) -> Given:
        """Everything, in the order in which Kubernetes puts it together."""
        for source in self._container.at("envFrom").items():
            self._env_from(source)
        for variable in self._container.at("env").items():
            self._variable(variable)
        self._arguments()
        for mount in self._container.at("volumeMounts").items():
            self._mount(mount)
        return self._given

    # Variables

    def _env_from(self, source: Field) -> None:
        prefix = source.at("prefix").text
        for kind, path in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            name = source.at(path, "name").text
            if not name:
                continue
            found = self._application.named(kind, self._namespace, name)
            if found is None:
                asked = f"{kind} {name}, whose keys become variables, is not among what was read: write them here"
                self._given.notes.append(question(asked))
            elif kind == "Secret":
                for key in secret_keys(found):
                    self._set(prefix + key, self._secret(name, key))
            else:
                for key, value in found.body.at("data").entries():
                    self._set(prefix + key, self._open(key, value, plain(value.text)))

    def _variable(self, variable: Field) -> None:
        name = variable.at("name").text
        if not name:
            return
        origin = variable.at("valueFrom")
        secret, config = origin.at("secretKeyRef"), origin.at("configMapKeyRef")
        if name.startswith("EDG_"):
            self._remark(variable, f"variable {name}: it belongs to the marble's launcher, not to the manifest")
        elif secret.exists:
            self._set(name, self._secret(secret.at("name").text, secret.at("key").text))
        elif config.exists:
            self._from_config(variable, name, config)
        elif origin.exists:
            kind = next((key for key, _ in origin.entries()), "valueFrom")
            self._of_host.add(name)
            self._remark(variable, f"variable {name} ({kind}): only the host knows it, so nobody can rely on it")
        else:
            value = variable.at("value")
            if asked := self._asks_the_host(value.text):
                self._set(name, plain(asked))
                return
            self._say_unresolved(variable, name, value.text)
            self._set(name, self._open(name, value, self._expanded(value.text)))

    def _from_config(self, variable: Field, name: str, reference: Field) -> None:
        config, key = reference.at("name").text, reference.at("key").text
        found = self._application.named("ConfigMap", self._namespace, config)
        value = found.body.at("data") if found else None
        if value is not None and (entry := dict(value.entries()).get(key)):
            self._set(name, self._open(name, entry, plain(entry.text)))
        elif reference.at("optional").text == "true":
            self._remark(variable, f"variable {name}: ConfigMap {config} has no {key}, and it is optional")
        else:
            asked = f"key {key} of ConfigMap {config} is not among what was read"
            self._given.env.append(Content(name, question(asked)))

    def _set(self, name: str, value: Value) -> None:
        """A variable; the last one of a name counts, as in Kubernetes."""
        self._values[name] = value
        self._given.env = [content for content in self._given.env if content.name != name]
        self._given.env.append(value.content(name))

    def _secret(self, name: str, key: str) -> Value:
        return template(in_variable(self._vault.of_key(self._namespace, name, key)))

    def _open(self, name: str, field: Field, value: Value) -> Value:
        """A value that stands in the open, at this place.  What looks like a secret is not taken over."""
        if not value.is_plain:
            return value
        text = value.plain
        if span := password_in_url(text):
            secret = self._vault.of_value(text[slice(*span)], f"{name}_PASSWORD", field.where)
            return plain(text[: span[0]]) + template(in_variable(secret)) + plain(text[span[1] :])
        if looks_secret(name, text):
            return template(in_variable(self._vault.of_value(text, name, field.where)))
        return value

    def _expanded(self, text: str) -> Value:
        """References `$(NAME)` to variables before this one; `$$` is a dollar.  Unknown ones stay as they are.

        Kubernetes does this for `value`, `command` and `args` only.
        """
        value, end = plain(""), 0
        for match in _REFERENCE.finditer(text):
            value += plain(text[end : match.start()])
            name = match.group("name")
            if match.group() == "$$":
                value += plain("$")
            else:
                value += self._values.get(name, plain(match.group()))
            end = match.end()
        return value + plain(text[end:])

    def _asks_the_host(self, text: str) -> str:
        """The question that takes the place of a text with a variable that only the host knows; else empty."""
        asked = next((name for name in _referred(text) if name in self._of_host), None)
        if asked is None:
            return ""
        shown = "" if password_in_url(text) or looks_secret("", text) else f": {text}"
        return question(f"only the host knows $({asked}), so write what stands for it{shown}")

    def _say_unresolved(self, place: Field, name: str, text: str) -> None:
        for missing in _referred(text):
            if missing not in self._values:
                words = f"$({missing}) in {name} stays as it stands: no variable before it has this name"
                self._remark(place, words)

    # Arguments

    def _arguments(self) -> None:
        command = [item.text for item in self._container.at("command").items()]
        arguments = [item.text for item in self._container.at("args").items()]
        if not command and not arguments:
            self._given.notes.append("The command is the image's own; without Argv it is the host that starts it.")
            return
        head = command or [question("the program that the image starts, since Argv replaces its entrypoint too")]
        for text in (*command, *arguments):
            self._say_unresolved(self._container, "an argument", text)
        argv = [*head[: len(command) == 0], *(self._argument(text) for text in (*command, *arguments))]
        for index, text in enumerate(argv[1:], 1):
            if looks_secret(argv[index - 1].lstrip("-"), text) and argv[index - 1].startswith("-"):
                argv[index] = _NO_SECRET
        self._given.argv = tuple(argv)

    def _argument(self, text: str) -> str:
        if asked := self._asks_the_host(text):
            return asked
        value = self._expanded(text)
        option, equals, rest = text.partition("=")
        is_secret = bool(equals) and looks_secret(option.lstrip("-"), rest)
        if not value.is_plain or is_secret or password_in_url(value.plain) or looks_secret("", value.plain):
            return _NO_SECRET
        return value.plain

    # Files

    def _mount(self, mount: Field) -> None:
        name, path, part = mount.at("name").text, mount.at("mountPath").text, mount.at("subPath").text
        volume = next((v for v in self._pod.at("spec", "volumes").items() if v.at("name").text == name), None)
        if volume is None:
            asked = (
                f"volume {name} at {path} comes from the host's disk: does the program encrypt what it writes there?"
            )
            self._given.notes.append(question(f"{asked} A symmetric key for it can stand under Secrets"))
            return
        sources = volume.at("projected", "sources").items() or (volume,)
        for source in sources:
            self._volume(source, volume, path.rstrip("/"), part)

    def _volume(self, source: Field, volume: Field, path: str, part: str) -> None:
        config, secret = source.at("configMap"), source.at("secret")
        if config.exists:
            self._files("ConfigMap", config.at("name").text, config, path, part)
        elif secret.exists:
            name = secret.at("secretName").text or secret.at("name").text
            self._files("Secret", name, secret, path, part)
        else:
            kind = next((key for key, _ in source.entries() if key != "name"), "volume")
            name = volume.at("name").text
            if kind in _DISKS:
                asked = (
                    f"volume {name} at {path} is the host's ({kind}): does the program encrypt what it writes there?"
                )
                self._given.notes.append(question(f"{asked} A symmetric key for it can stand under Secrets"))
            elif kind != "emptyDir":
                self._remark(volume, f"volume {name} ({kind}) at {path}: the host's, so nobody can rely on it")

    def _files(self, kind: str, name: str, reference: Field, path: str, part: str) -> None:
        found = self._application.named(kind, self._namespace, name)
        items = {item.at("key").text: item.at("path").text for item in reference.at("items").items()}
        keys = tuple(items) or (self._keys(kind, found) if found else ())
        if not keys or (kind == "ConfigMap" and found is None):
            asked = f"{kind} {name} is mounted at {path} and not among what was read: write its files here"
            self._given.notes.append(question(asked))
            return
        for key in keys:
            inner = items.get(key, key)
            if part and inner != part:
                continue
            target = path if part else f"{path}/{inner}"
            if kind == "Secret":
                self._given.files.append(self._secret_file(found, name, key, target))
            elif found is not None:
                self._given.files.append(self._config_file(found, key, target))

    def _keys(self, kind: str, found: Object) -> tuple[str, ...]:
        if kind == "Secret":
            return secret_keys(found)
        return tuple(key for part in ("data", "binaryData") for key, _ in found.body.at(part).entries())

    def _secret_file(self, found: Object | None, name: str, key: str, target: str) -> Content:
        is_tls = found is None or found.body.at("type").text in ("", "kubernetes.io/tls")
        if is_tls and key in _TLS:
            note = f"In Kubernetes: key {key} of Secret {name}. Here only attested programs get it."
            return Content(target, _TLS[key], is_template=True, notes=(note,))
        return Content(target, in_file(self._vault.of_key(self._namespace, name, key)), is_template=True)

    def _config_file(self, config: Object, key: str, target: str) -> Content:
        text = dict(config.body.at("data").entries()).get(key)
        if text is not None:
            value = text.text
            if looks_secret(key, value) or password_in_url(value) or _SECRET_LINE.search(value):
                asked = f"{key} of ConfigMap {config.name} holds what looks like a secret: write it with a template"
                return Content(target, question(asked))
            return plain(value).content(target)
        encoded = dict(config.body.at("binaryData").entries()).get(key)
        try:
            raw = base64.b64decode(encoded.text if encoded else "", validate=False)
        except (binascii.Error, ValueError):
            raw = b""
        if not raw:
            return Content(target, question(f"key {key} of ConfigMap {config.name} cannot be read"))
        return Content(target, base64.b64encode(raw).decode(), is_base64=True)

    def _remark(self, field: Field, text: str) -> None:
        self._given.remarks.append(Remark(field.where, text))


def _referred(text: str) -> tuple[str, ...]:
    """Names of the variables that a text refers to as `$(NAME)`."""
    return tuple(dict.fromkeys(match.group("name") for match in _REFERENCE.finditer(text) if match.group("name")))


def secret_keys(found: Object) -> tuple[str, ...]:
    """Keys of a Kubernetes Secret; its values are not looked at."""
    keys = (key for part in ("data", "stringData") for key, _ in found.body.at(part).entries())
    return tuple(dict.fromkeys(keys))


_REFERENCE: Final = re.compile(r"\$\$|\$\((?P<name>[A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_NO_SECRET: Final = question("an argument cannot hold a secret: hand it over in a variable or file")
_SECRET_LINE: Final = re.compile(
    r"(?im)^\s*[\"']?[\w.-]*(?:password|passwd|secret|token|api[_-]?key|requirepass|masterauth)[\"']?\s*(?:[:=]|\s)\s*[\"']?[^\s\"'{$#]"
)
_DISKS: Final = frozenset(
    {
        "persistentVolumeClaim",
        "hostPath",
        "nfs",
        "csi",
        "awsElasticBlockStore",
        "azureDisk",
        "azureFile",
        "ephemeral",
        "iscsi",
    }
)
MARBLE_CERTIFICATE: Final = ".MarbleRun.MarbleCert"
_TLS: Final[Mapping[str, str]] = {
    "tls.crt": f"{{{{ pem {MARBLE_CERTIFICATE}.Cert }}}}",
    "tls.key": f"{{{{ pem {MARBLE_CERTIFICATE}.Private }}}}",
    "ca.crt": "{{ pem .MarbleRun.RootCA.Cert }}",
}
