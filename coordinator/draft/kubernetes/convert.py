"""A Kubernetes application to a draft, and everything that was not taken over."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from coordinator.draft.kubernetes.container import MARBLE_CERTIFICATE, Container, Given
from coordinator.draft.kubernetes.images import Images
from coordinator.draft.kubernetes.network import Member, Network, network
from coordinator.draft.kubernetes.objects import (
    CONTAINER_LABELS,
    TYPE_LABELS,
    Application,
    Remark,
    Workload,
    is_proxy,
    label,
    workloads,
)
from coordinator.draft.kubernetes.runtime import runtime
from coordinator.draft.kubernetes.tree import Field
from coordinator.draft.kubernetes.unused import unused_fields, unused_objects
from coordinator.draft.kubernetes.vault import Vault
from coordinator.draft.model import CERTIFICATES, UNKNOWN_LIMIT, Draft, Platform, Service
from coordinator.draft.names import marble_name, unused
from coordinator.manifest.document import MapNode


class NoWorkload(Exception):
    """Nothing that was read starts a pod."""


@dataclass(frozen=True, slots=True)
class Converted:
    """remarks: what was not taken over, with its place."""

    draft: Draft
    remarks: tuple[Remark, ...]


def marbles(application: Application) -> tuple[str, ...]:
    """Names of the marbles that `convert` makes."""
    return tuple(name for name, *_ in _chosen(application))


def convert(
    application: Application, *, platforms: Sequence[Platform], measured: Mapping[str, MapNode], origin: str
) -> Converted:
    """A marble for each container that does the work.

    platforms: where pods run that say nothing of it.  measured: fields of a package by marble.  origin: what people
    call what was read.  Raises NoWorkload.
    """
    vault, images = Vault(), Images(application)
    remarks = list(application.remarks)
    members: list[Member] = []
    for name, workload, container in _chosen(application):
        given = Container(application, vault, workload.object.namespace, workload.pod, container).read()
        remarks += _placed(workload, given.remarks)
        runs = runtime(application, workload.pod, container, platforms)
        service = Service(
            name=name,
            platforms=runs.platforms,
            measured=measured.get(name),
            starts=workload.starts,
            starts_question=_question(workload),
            argv=given.argv,
            env=tuple(given.env),
            files=tuple(given.files),
            about=(*images.about(container), *(() if name in measured else runs.notes)),
            notes=(f"{workload.object.kind} {workload.object.name} ({workload.object.where})", *given.notes),
        )
        labels = {key: value.text for key, value in workload.pod.at("metadata", "labels").entries()}
        members.append(Member(service, workload.object.namespace, labels, container, _words(given)))
    if not members:
        raise NoWorkload
    connections = network(application, members, {secret.name for secret in vault.secrets})
    services = tuple(_connected(member.service, connections) for member in members)
    texts = "\n".join(content.text for service in services for content in (*service.env, *service.files))
    secrets = tuple(secret for secret in vault.secrets if f".Secrets.{secret.name} " in texts)
    remarks += [remark for one in workloads(application) for remark in _placed(one, unused_fields(one.pod))]
    remarks += unused_objects(application)
    draft = Draft(
        head=(
            f"From {origin}. Answer what begins with DECIDE:, then run: enclasp manifest check --strict FILE",
            "Kubernetes is the host's: what it hands over by itself (images, variables, files) nobody can rely on. "
            "Whatever is written here reaches a program only after it has proven itself.",
            CERTIFICATES,
        ),
        services=services,
        secrets=(*secrets, *connections.certificates),
        tags=connections.tags,
    )
    return Converted(draft, tuple(dict.fromkeys(remarks)))


def _chosen(application: Application) -> Iterator[tuple[str, Workload, Field]]:
    """Marbles with the containers that they are, under names of their own."""
    taken: set[str] = set()
    for workload in workloads(application):
        containers = [c for c in workload.pod.at("spec", "containers").items() if not is_proxy(c.at("name").text)]
        main = label(workload.pod, CONTAINER_LABELS)
        if main:
            containers = [c for c in containers if c.at("name").text == main]
        for number, container in enumerate(containers):
            base = label(workload.pod, TYPE_LABELS) or marble_name(workload.object.name)
            if number:
                base = f"{base}-{marble_name(container.at('name').text)}"
            elif base in taken and workload.object.namespace:
                base = f"{base}-{marble_name(workload.object.namespace)}"
            name = unused(base, taken)
            taken.add(name)
            yield name, workload, container


def _placed(workload: Workload, remarks: Iterable[Remark]) -> Iterator[Remark]:
    """Remarks about a pod; of what a cluster answered, the place is the object."""
    has_lines = workload.pod.source.has_lines
    return (remark if has_lines else replace(remark, where=workload.object.where) for remark in remarks)


def _connected(service: Service, connections: Network) -> Service:
    """With its TLS tags.  Whom clients outside reach shows them the certificate that is for them, not the marble's."""
    tags = connections.of[service.name]
    shown = next((tag.certificate for tag in connections.tags if tag.name in tags and tag.certificate), "")
    files = service.files
    if shown:
        files = tuple(
            replace(content, text=content.text.replace(f"{MARBLE_CERTIFICATE}.", f".Secrets.{shown}."))
            for content in service.files
        )
    return replace(service, tags=tags, files=files, notes=(*service.notes, *connections.questions[service.name]))


def _question(workload: Workload) -> str:
    if workload.starts == UNKNOWN_LIMIT:
        return workload.why
    return f"{workload.why}; restarts and new versions count too, over the deployment's life; 0 is no limit"


def _words(given: Given) -> tuple[str, ...]:
    """Texts in which a marble may name whom it calls."""
    contents = (*given.env, *given.files)
    return (*(content.text for content in contents if not content.is_base64), *given.argv)
