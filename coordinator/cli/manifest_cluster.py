"""A live cluster's objects, by the official client.  Only reading; values of Secrets are dropped at the door."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from coordinator.cli import exit_codes
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from coordinator.draft.kubernetes.tree import Source

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cluster:
    """How to ask a cluster.  Empty values: what kubectl would take."""

    namespace: str = ""
    selector: str = ""
    kubeconfig: str = ""
    context: str = ""


def ask(cluster: Cluster, say: Say) -> "Iterator[Source]":
    """Workloads and what belongs to them, as lists in JSON.

    say: told what this user may not read and can be done without.  Raises Problem.
    """
    try:
        from kubernetes import client, config
    except ImportError as cause:
        hint = "pip install 'enclasp[kubernetes]'; or kubectl get -o yaml … | enclasp manifest init --from-kubernetes -"
        raise Problem("the Kubernetes client is not installed", exit_codes.USAGE, "U505", hint) from cause
    from coordinator.draft.kubernetes.tree import Source

    namespace = _connect(config, cluster)
    for api, name, is_workload in _LISTS:
        method = getattr(getattr(client, api)(), f"list_namespaced_{name}")
        selector = {"label_selector": cluster.selector} if is_workload and cluster.selector else {}
        raw = _list(partial(method, namespace, **_OPTIONS, **selector), name, say, needed=is_workload)
        if raw is not None:
            yield Source(f"cluster namespace {namespace}", _without_values(raw) if name == "secret" else raw, False)


def _connect(config: Any, cluster: Cluster) -> str:
    """Take the access that kubectl would; returns the namespace."""
    file = cluster.kubeconfig or None
    try:
        config.load_kube_config(config_file=file, context=cluster.context or None)
        contexts, active = config.list_kube_config_contexts(file)
    except config.ConfigException as cause:
        if file is None and not cluster.context and _is_inside(config):
            return cluster.namespace or "default"
        message = f"no access to a cluster: {str(cause).partition(chr(10))[0]}"
        raise Problem(message, exit_codes.INVALID, "U551") from cause
    chosen = next((one for one in contexts if one["name"] == cluster.context), active)
    return cluster.namespace or chosen["context"].get("namespace") or "default"


def _is_inside(config: Any) -> bool:
    """Whether this is a pod with access of its own, which is then taken."""
    try:
        config.load_incluster_config()
    except config.ConfigException:
        return False
    return True


def _list(call: Callable[[], Any], name: str, say: Say, *, needed: bool) -> bytes | None:
    """The answer's bytes; None for what this user may not read, or the cluster does not know."""
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        raw = bytes(call().read(MAX_BYTES + 1))
    except ApiException as cause:
        if cause.status in (401, 403) and needed:
            message = f"the cluster does not let this user list {name}s"
            raise Problem(message, exit_codes.NOT_AUTHORISED, "U551") from cause
        if cause.status in (401, 403, 404):
            say(f"the cluster does not let this user list {name}s, so what stands in them is not taken over")
            return None
        raise Problem(f"the cluster answered {cause.status} for {name}s", exit_codes.UNREACHABLE, "U551") from cause
    except HTTPError as cause:
        message = f"the cluster cannot be reached: {str(cause)[:300]}"
        raise Problem(message, exit_codes.UNREACHABLE, "U551") from cause
    if len(raw) > MAX_BYTES:
        message = f"the list of {name}s has more than {MAX_BYTES} bytes"
        raise Problem(message, exit_codes.INVALID, "U551", "narrow it with --namespace or --selector")
    return raw


def _without_values(raw: bytes) -> bytes:
    """A list of Secrets with their keys and types only."""
    secrets = json.loads(raw)
    for secret in secrets["items"]:
        secret["data"] = dict.fromkeys(secret.get("data") or {}, "")
        secret["metadata"] = {key: secret["metadata"].get(key, "") for key in ("name", "namespace")}
    return json.dumps(secrets).encode()


MAX_BYTES: Final = 64 << 20
_OPTIONS: Final[dict[str, Any]] = {"_preload_content": False, "_request_timeout": 30}
_LISTS: Final = (
    ("AppsV1Api", "deployment", True),
    ("AppsV1Api", "stateful_set", True),
    ("AppsV1Api", "daemon_set", True),
    ("BatchV1Api", "job", True),
    ("BatchV1Api", "cron_job", True),
    ("CoreV1Api", "pod", True),
    ("CoreV1Api", "service", False),
    ("CoreV1Api", "config_map", False),
    ("CoreV1Api", "secret", False),
    ("NetworkingV1Api", "ingress", False),
    ("AutoscalingV2Api", "horizontal_pod_autoscaler", False),
)
