"""What was read and not taken over, and why."""

from collections.abc import Iterator, Mapping
from typing import Final

from coordinator.draft.kubernetes.objects import (
    CONTAINER_LABELS,
    Application,
    Remark,
    is_proxy,
    is_test,
    label,
    starts_pods,
)
from coordinator.draft.kubernetes.tree import Field


def unused_objects(application: Application) -> Iterator[Remark]:
    """Objects of kinds that a manifest has no word for."""
    for kind, objects in application.by_kind.items():
        for one in objects:
            if is_test(one):
                yield Remark(one.where, f"{kind} {one.name}: a test of the chart, no part of the application")
            elif kind == "Secret":
                yield Remark(one.where, f"Secret {one.name}: its values; marbles get new ones, or what a user sets")
            elif kind not in _USED and not starts_pods(one):
                reason = _KINDS.get(kind, "a manifest has no word for it")
                yield Remark(one.where, f"{kind} {one.name}: {reason}")
            elif kind == "Ingress" and one.body.at("spec", "tls").exists:
                text = "it ends TLS outside the attested program: let it pass TLS through"
                yield Remark(one.where, f"Ingress {one.name}: {text}")


def unused_fields(pod: Field) -> Iterator[Remark]:
    """Fields of a pod and its containers that stay Kubernetes' business, one remark for each group."""
    spec = pod.at("spec")
    for field in ("initContainers", "ephemeralContainers"):
        for container in spec.at(field).items():
            name = container.at("name").text
            yield Remark(
                container.where, f"{field} {name}: it proves nothing of its own, and it may change what starts after it"
            )
    for key, value in spec.entries():
        if key in _POD_WORDS and value.text != "false":
            yield Remark(value.where, f"{key}: {_POD_WORDS[key]}")
    rest = [key for key, _ in spec.entries() if key not in _POD_USED and key not in _POD_WORDS]
    if rest:
        yield Remark(spec.where, f"left to Kubernetes: {', '.join(rest)}")
    main = label(pod, CONTAINER_LABELS)
    for container in spec.at("containers").items():
        name = container.at("name").text
        if is_proxy(name):
            yield Remark(container.where, f"container {name}: attested TLS takes the place of a mesh's proxy")
        elif main and name != main:
            yield Remark(container.where, f"container {name}: a label of the pod names {main}")
        else:
            yield from _of_container(container)


def _of_container(container: Field) -> Iterator[Remark]:
    name = container.at("name").text
    if container.at("lifecycle").exists:
        text = "the host starts it beside the program"
        yield Remark(container.at("lifecycle").where, f"lifecycle of container {name}: {text}")
    rest = [key for key, _ in container.entries() if key not in _CONTAINER_USED]
    if rest:
        yield Remark(container.where, f"left to Kubernetes for container {name}: {', '.join(rest)}")


_USED: Final = frozenset(
    {
        *("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob", "Pod"),
        *("Service", "ConfigMap", "Secret", "Ingress", "HTTPRoute", "Route", "RuntimeClass", "HorizontalPodAutoscaler"),
    }
)
_KINDS: Final[Mapping[str, str]] = {
    "NetworkPolicy": "the host enforces it, or not; TLS tags are what a program can rely on",
    "ServiceAccount": "it is known to the cluster; marbles are known by their evidence",
    "Role": "rights in the cluster",
    "RoleBinding": "rights in the cluster",
    "ClusterRole": "rights in the cluster",
    "ClusterRoleBinding": "rights in the cluster",
    "Namespace": "the cluster's own order",
    "PersistentVolumeClaim": "the host's disk, which it can read, change and roll back",
    "PersistentVolume": "the host's disk, which it can read, change and roll back",
    "PodDisruptionBudget": "scheduling",
    "CustomResourceDefinition": "the cluster's own order",
}
_POD_WORDS: Final[Mapping[str, str]] = {
    "hostNetwork": "the host's network is the pod's",
    "hostPID": "the host's processes are the pod's",
    "hostIPC": "the host's memory segments are the pod's",
    "shareProcessNamespace": "containers of the pod see each other's processes",
    "imagePullSecrets": "who pulls the image does not matter; its digest does",
}
_POD_USED: Final = frozenset(
    {"containers", "initContainers", "ephemeralContainers", "volumes", "runtimeClassName", "nodeSelector"}
)
_CONTAINER_USED: Final = frozenset(
    {"name", "image", "command", "args", "env", "envFrom", "ports", "volumeMounts", "lifecycle"}
)
