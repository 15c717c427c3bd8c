"""Texts to Kubernetes objects, and which workloads they make."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from coordinator.draft.kubernetes.tree import Field, Source, read_stream
from coordinator.draft.model import UNKNOWN_LIMIT


@dataclass(frozen=True, slots=True)
class Object:
    """One object.  body: the whole."""

    kind: str
    name: str
    namespace: str
    body: Field

    @property
    def where(self) -> str:
        """FILE:LINE, or what a cluster calls it."""
        return self.body.where if self.body.source.has_lines else f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Remark:
    """What was not taken over, or deserves a word.  where: FILE:LINE."""

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Workload:
    """Something that starts pods.  pod: metadata and spec of them.  starts: how many at once, or UNKNOWN_LIMIT."""

    object: Object
    pod: Field
    starts: int
    why: str


@dataclass(frozen=True, slots=True)
class Application:
    """All objects by kind, in the order of the texts."""

    by_kind: Mapping[str, tuple[Object, ...]]
    remarks: tuple[Remark, ...] = field(default=())

    def of(self, kind: str) -> tuple[Object, ...]:
        """All objects of this kind."""
        return self.by_kind.get(kind, ())

    def named(self, kind: str, namespace: str, name: str) -> Object | None:
        """The object of this name."""
        return next((o for o in self.of(kind) if (o.namespace, o.name) == (namespace, name)), None)


def read_application(sources: Iterable[Source]) -> Application:
    """Every object of these texts.  Raises NotReadable."""
    by_kind: dict[str, list[Object]] = {}
    remarks: list[Remark] = []
    for source in sources:
        for document in read_stream(source):
            for one in _objects(document):
                if not one.kind and one.body.at("services").exists:
                    hint = f"kompose convert --stdout -f {source.name} | enclasp manifest init --from-kubernetes -"
                    remarks.append(Remark(one.where, f"a compose file, no Kubernetes object; convert it: {hint}"))
                elif not one.kind or not one.name:
                    remarks.append(Remark(one.where, "no Kubernetes object (it has no kind, or no name)"))
                elif one.kind in _KUSTOMIZE:
                    hint = "build it first: kubectl kustomize DIR | enclasp manifest init --from-kubernetes -"
                    remarks.append(Remark(one.where, f"{one.kind}: {hint}"))
                else:
                    by_kind.setdefault(one.kind, []).append(one)
    return Application({kind: tuple(objects) for kind, objects in by_kind.items()}, tuple(remarks))


def workloads(application: Application) -> Iterator[Workload]:
    """What starts pods; pods and jobs that another object started are left out."""
    for kind, path in (*_PODS.items(), *((kind, _TEMPLATE) for kind in application.by_kind if kind not in _PODS)):
        for one in application.of(kind):
            if kind not in _PODS and not starts_pods(one):
                continue
            owned = any(owner.at("controller").text == "true" for owner in one.body.at(*_OWNERS).items())
            if not owned and not is_test(one):
                starts, why = _starts(application, one)
                yield Workload(one, one.body.at(*path) if path else one.body, starts, why)


def _starts(application: Application, one: Object) -> tuple[int, str]:
    """How many instances run at once, and what a person has to know to decide."""
    spec = one.body.at("spec")
    for scaler in application.of("HorizontalPodAutoscaler"):
        target = scaler.body.at("spec", "scaleTargetRef")
        same = (target.at("kind").text, target.at("name").text) == (one.kind, one.name)
        if same and scaler.namespace == one.namespace:
            number = scaler.body.at("spec", "maxReplicas").number(1)
            return number, f"up to {number} run at once ({scaler.where})"
    match one.kind:
        case "DaemonSet":
            return UNKNOWN_LIMIT, "one runs on each node"
        case "CronJob":
            return UNKNOWN_LIMIT, f"it starts again and again ({spec.at('schedule').text})"
        case "Job":
            tries = spec.at("completions").number(1) + spec.at("backoffLimit").number(6)
            return tries, f"it may start {tries} times with all its retries"
        case "Pod":
            return 1, "one pod"
    number = spec.at("replicas").number(1)
    return number, f"{number} run at once" if number != 1 else "1 runs at once"


def _objects(document: Field) -> Iterator[Object]:
    kind = document.at("kind").text
    if kind.endswith("List") and document.at("items").exists:
        for item in document.at("items").items():
            inner = item.at("kind").text or kind.removesuffix("List")
            yield _object(item, inner)
    else:
        yield _object(document, kind)


def _object(body: Field, kind: str) -> Object:
    metadata = body.at("metadata")
    return Object(kind, metadata.at("name").text, metadata.at("namespace").text, body)


def starts_pods(one: Object) -> bool:
    """Whether it has a template of pods where Deployments have theirs, as Argo's Rollouts and others do."""
    return bool(one.body.at(*_TEMPLATE, "spec", "containers").items())


def is_test(one: Object) -> bool:
    """Whether this is a test of a Helm chart, which runs when somebody asks for it (`helm.sh/hook: test`)."""
    hooks = dict(one.body.at("metadata", "annotations").entries()).get("helm.sh/hook")
    return hooks is not None and "test" in hooks.text


def is_proxy(container: str) -> bool:
    """Whether a container of this name is a service mesh's proxy: attested TLS takes its place."""
    return container in _PROXIES


def label(pod: Field, names: tuple[str, ...]) -> str:
    """The value of the first of these labels that a pod has; empty without."""
    labels = dict(pod.at("metadata", "labels").entries())
    return next((labels[name].text for name in names if name in labels), "")


TYPE_LABELS: Final = ("enclasp/marble", "marblerun/marbletype")
CONTAINER_LABELS: Final = ("enclasp/container", "marblerun/marblecontainer")
PLATFORM_LABELS: Final = ("enclasp/platform",)
_PROXIES: Final = frozenset({"istio-proxy", "linkerd-proxy", "envoy-sidecar", "consul-dataplane"})
_OWNERS: Final = ("metadata", "ownerReferences")
_KUSTOMIZE: Final = frozenset({"Kustomization", "Component"})
_TEMPLATE: Final = ("spec", "template")
_PODS: Final[Mapping[str, tuple[str, ...]]] = {
    "Deployment": _TEMPLATE,
    "StatefulSet": _TEMPLATE,
    "DaemonSet": _TEMPLATE,
    "ReplicaSet": _TEMPLATE,
    "ReplicationController": _TEMPLATE,
    "Job": _TEMPLATE,
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
}
