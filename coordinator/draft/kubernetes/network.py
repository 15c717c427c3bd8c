"""Who listens, who may be reached from outside, and who calls whom."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from coordinator.draft.kubernetes.objects import Application, Object
from coordinator.draft.kubernetes.tree import Field
from coordinator.draft.model import Certificate, Service, Tag, question
from coordinator.draft.names import secret_name, unused


@dataclass(frozen=True, slots=True)
class Member:
    """A marble as Kubernetes' Services see it.  words: texts in which it may name whom it calls."""

    service: Service
    namespace: str
    labels: Mapping[str, str]
    container: Field
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """tags: all.  of: names of tags by marble.  certificates: for those that clients outside reach.

    questions: by marble, which port of a Service it calls, where its texts do not say.
    """

    tags: tuple[Tag, ...]
    of: Mapping[str, tuple[str, ...]]
    certificates: tuple[Certificate, ...]
    questions: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Door:
    """A port of a Kubernetes Service, and the marble and port behind it."""

    service: Object
    port: str
    port_name: str
    marble: str
    target: str


def network(application: Application, members: Sequence[Member], taken: set[str]) -> Network:
    """TLS tags of all marbles.  taken: names of secrets that exist already."""
    doors = [door for service in application.of("Service") for door in _doors(service, members)]
    hosts = _hosts(application)
    of: dict[str, list[str]] = {member.service.name: [] for member in members}
    tags: dict[str, Tag] = {}
    certificates: dict[str, Certificate] = {}
    listening: dict[tuple[str, str], str] = {}
    for door in doors:
        if (door.marble, door.target) in listening:
            continue
        name = listening[door.marble, door.target] = unused(_tag_name(door, doors), set(tags))
        tags[name] = _incoming(name, door, hosts, certificates, taken)
        of[door.marble].append(name)
    for member in members:
        for door in doors:
            address = _address(member, door)
            if address and door.marble != member.service.name:
                name = f"to-{_tag_name(door, doors)}"
                tags.setdefault(name, Tag(name, door.port, address=address))
                of[member.service.name].append(name)
    unique = {marble: tuple(dict.fromkeys(names)) for marble, names in of.items()}
    questions = {member.service.name: tuple(_questions(member, doors)) for member in members}
    return Network(tuple(tags.values()), unique, tuple(certificates.values()), questions)


def _questions(member: Member, doors: Sequence[_Door]) -> Iterator[str]:
    """Services that a marble names without a port, and that have several of which none is the usual one."""
    for service in dict.fromkeys(door.service for door in doors if door.marble != member.service.name):
        behind = [door for door in doors if door.service is service]
        if not any(_address(member, door) for door in behind) and any(_named(member, door) for door in behind):
            ports = ", ".join(dict.fromkeys(door.port for door in behind))
            yield question(f"it calls {service.name}, which has the ports {ports}: add a TLS tag for the one it uses")


def _doors(service: Object, members: Sequence[Member]) -> Iterator[_Door]:
    selector = {key: value.text for key, value in service.body.at("spec", "selector").entries()}
    if not selector:
        return
    behind = [m for m in members if m.namespace == service.namespace and selector.items() <= m.labels.items()]
    for port in service.body.at("spec", "ports").items():
        number = port.at("port").text
        wanted = port.at("targetPort").text or number
        for member in behind:
            target = _target(member.container, wanted)
            if target or len(behind) == 1:
                yield _Door(service, number, port.at("name").text, member.service.name, target or wanted)


def _target(container: Field, wanted: str) -> str:
    """The container's port of this number or name; empty where it has no such port."""
    for port in container.at("ports").items():
        if wanted in (port.at("containerPort").text, port.at("name").text):
            return port.at("containerPort").text
    return ""


def _tag_name(door: _Door, doors: Sequence[_Door]) -> str:
    several = len({other.port for other in doors if other.service is door.service}) > 1
    name = door.service.name
    return f"{name}-{door.port_name or door.port}" if several else name


def _incoming(
    name: str,
    door: _Door,
    hosts: Mapping[tuple[str, str], tuple[str, ...]],
    certificates: dict[str, Certificate],
    taken: set[str],
) -> Tag:
    """Clients of this deployment show certificates of it; those from outside have none."""
    spec = door.service.body.at("spec")
    names = hosts.get((door.service.namespace, door.service.name))
    if names is None and spec.at("type").text not in ("LoadBalancer", "NodePort"):
        note = f"{door.marble} lets in who shows a certificate of this deployment."
        return Tag(name, door.target, notes=(note,))
    if door.marble not in certificates:
        chosen = unused(secret_name(door.marble, "certificate"), taken)
        taken.add(chosen)
        note = "For clients outside: they verify the deployment once, and then trust its root certificate."
        certificates[door.marble] = Certificate(chosen, names or (), (note,))
    note = f"{door.marble} is reached from outside ({door.service.where}), so it lets in clients without a certificate."
    return Tag(name, door.target, certificate=certificates[door.marble].name, notes=(note,))


def _hosts(application: Application) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """(namespace, Service) to the names under which something outside reaches it."""
    found: dict[tuple[str, str], list[str]] = {}
    for ingress in application.of("Ingress"):
        spec = ingress.body.at("spec")
        default = spec.at("defaultBackend", "service", "name").text
        if default:
            found.setdefault((ingress.namespace, default), [])
        for rule in spec.at("rules").items():
            for path in rule.at("http", "paths").items():
                backend = path.at("backend")
                name = backend.at("service", "name").text or backend.at("serviceName").text
                found.setdefault((ingress.namespace, name), []).append(rule.at("host").text)
    for route in application.of("HTTPRoute"):
        names = [item.text for item in route.body.at("spec", "hostnames").items()]
        for rule in route.body.at("spec", "rules").items():
            for backend in rule.at("backendRefs").items():
                found.setdefault((route.namespace, backend.at("name").text), []).extend(names)
    for route in application.of("Route"):
        name = route.body.at("spec", "to", "name").text
        found.setdefault((route.namespace, name), []).append(route.body.at("spec", "host").text)
    return {service: tuple(dict.fromkeys(host for host in names if host)) for service, names in found.items()}


def _address(member: Member, door: _Door) -> str:
    """How a marble names the Service at this port in its texts; empty where it does not."""
    host, has_port = _named(member, door) or ("", False)
    return host if has_port or _is_only_or_usual(member, door) else ""


def _named(member: Member, door: _Door) -> tuple[str, bool] | None:
    """How a marble names a Service in its texts, and whether with this port; with one, where both occur."""
    namespace = door.service.namespace
    domain = rf"(?:\.{re.escape(namespace)}(?:\.svc(?:\.cluster\.local)?)?)?" if namespace else ""
    needed = namespace != member.namespace
    host = rf"(?:[\w-]+-\d+\.)?{re.escape(door.service.name)}{domain.removesuffix('?') if needed else domain}"
    port = rf":{re.escape(door.port)}(?!\d)"
    patterns = (
        rf"(?<![\w.-])(?P<host>{host}){port}",
        rf"://(?:[^\s/@]*@)?(?P<host>{host})(?=[/?#\s\"',;]|$)",
        rf"^(?P<host>{host})$",
        rf"(?:host|addr|address|server|endpoint)[\"']?\s*[=:]\s*[\"']?(?P<host>{host})(?![\w.:-])",
    )
    found = None
    for word in member.words:
        for number, pattern in enumerate(patterns):
            match = re.search(pattern, word, re.IGNORECASE | re.MULTILINE)
            if match and number == 0:
                return match.group("host"), True
            if match and found is None:
                found = match.group("host"), False
    return found


def _is_only_or_usual(member: Member, door: _Door) -> bool:
    """Where no port stands beside the name: the Service's only port, or one that another text of the marble names."""
    ports = [port.at("port").text for port in door.service.body.at("spec", "ports").items()]
    return len(ports) == 1 or door.port in member.words or door.port in _USUAL


_USUAL: Final = ("80", "443")
