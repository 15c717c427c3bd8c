"""Manifest and Approval objects as the API server has them.  It is not trusted: nothing here is more than a wish."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from coordinator.cluster.api import ClusterApi, Json

GROUP: Final = "enclasp.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
_MANIFESTS_A_PAGE: Final = 4
"""The longest answer is 8 MiB, and no object has more than 1.5."""
_APPROVALS_A_PAGE: Final = 100
MAX_APPROVALS: Final = 500


class DefinitionsMissing(Exception):
    """The API server does not know our kinds."""

    code = "K660"


@dataclass(frozen=True, slots=True)
class ManifestObject:
    """document: the exact bytes that are wished for.  raw: the object as it came, to be put back with a new status."""

    name: str
    document: bytes
    endpoint: str
    generation: int
    status: Mapping[str, Any]
    raw: Json


@dataclass(frozen=True, slots=True)
class ApprovalObject:
    """signature: the text of `enclasp manifest sign`, not read yet.  manifest: names the object that it is for."""

    name: str
    manifest: str
    signature: str


def collection(namespace: str, plural: str) -> str:
    """Where the objects of a kind are, for the API."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{plural}"


def read_manifests(api: ClusterApi, endpoint: str) -> list[ManifestObject]:
    """Those of the account's namespace, the oldest first.  endpoint: of objects that name none.

    Raises DefinitionsMissing, ClusterError.
    """
    found = list(_all(api, "manifests", _MANIFESTS_A_PAGE))
    found.sort(key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["name"]))
    return [_manifest(each, endpoint) for each in found]


def read_approvals(api: ClusterApi) -> list[ApprovalObject]:
    """Those of the account's namespace by name, at most MAX_APPROVALS.  Raises DefinitionsMissing, ClusterError."""
    found = []
    for each in _all(api, "approvals", _APPROVALS_A_PAGE):
        spec = each["spec"]
        found.append(ApprovalObject(each["metadata"]["name"], str(spec["manifest"]), str(spec["signature"])))
        if len(found) == MAX_APPROVALS:
            break
    return found


def _manifest(raw: Json, endpoint: str) -> ManifestObject:
    spec, metadata = raw["spec"], raw["metadata"]
    return ManifestObject(
        name=metadata["name"],
        document=str(spec["document"]).encode("utf-8", "surrogatepass"),
        endpoint=str(spec.get("endpoint") or endpoint),
        generation=int(metadata["generation"]),
        status=raw.get("status") or {},
        raw=raw,
    )


def _all(api: ClusterApi, plural: str, page: int) -> Iterator[Json]:
    path = f"{collection(api.namespace, plural)}?limit={page}"
    following = ""
    while True:
        answer = api.get(path + following)
        if answer is None:
            raise DefinitionsMissing(f"{plural}.{GROUP}: expected the definition in the cluster, got none")
        yield from answer["items"]
        token = answer["metadata"].get("continue", "")
        if not token:
            return
        following = f"&continue={quote(token)}"
