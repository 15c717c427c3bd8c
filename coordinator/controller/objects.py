"""Manifest, Approval and Marble objects as the API server has them.  It is not trusted: nothing here is proven."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from coordinator.cluster.api import ClusterApi, Json

GROUP: Final = "enclasp.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
MANIFESTS, APPROVALS, MARBLES = "manifests", "approvals", "marbles"
_PAGES: Final = {MANIFESTS: 4, APPROVALS: 100, MARBLES: 500}
"""Objects of one answer.  The longest is 8 MiB; a Manifest has at most 1.5, a Marble 2 KiB."""
MAX_APPROVALS: Final = 500


class DefinitionsMissing(Exception):
    """The API server does not know our kinds."""

    code = "K660"


@dataclass(frozen=True, slots=True)
class Wish:
    """What all objects have that somebody applies.  raw: as it came, to be put back with a new status."""

    kind: str
    plural: str
    name: str
    generation: int
    status: Mapping[str, Any]
    raw: Json


@dataclass(frozen=True, slots=True)
class ManifestObject:
    """document: the exact bytes that are wished for."""

    wish: Wish
    document: bytes
    endpoint: str

    @property
    def name(self) -> str:
        """Of the object."""
        return self.wish.name


@dataclass(frozen=True, slots=True)
class ApprovalObject:
    """signature: the text of `enclasp manifest sign`, not read yet.  manifest: names the object that it is for."""

    wish: Wish
    manifest: str
    signature: str

    @property
    def name(self) -> str:
        """Of the object."""
        return self.wish.name


def collection(namespace: str, plural: str) -> str:
    """Where the objects of a kind are, for the API."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{plural}"


def read_manifests(api: ClusterApi, endpoint: str) -> list[ManifestObject]:
    """Those of the account's namespace, the oldest first.  endpoint: of objects that name none.

    Raises DefinitionsMissing, ClusterError.
    """
    found = list(_all(api, MANIFESTS))
    found.sort(key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["name"]))
    return [
        ManifestObject(
            _wish("Manifest", MANIFESTS, each),
            str(each["spec"]["document"]).encode("utf-8", "surrogatepass"),
            str(each["spec"].get("endpoint") or endpoint),
        )
        for each in found
    ]


def read_approvals(api: ClusterApi) -> list[ApprovalObject]:
    """Those of the account's namespace by name, at most MAX_APPROVALS.  Raises DefinitionsMissing, ClusterError."""
    found = []
    for each in _all(api, APPROVALS):
        spec = each["spec"]
        found.append(ApprovalObject(_wish("Approval", APPROVALS, each), str(spec["manifest"]), str(spec["signature"])))
        if len(found) == MAX_APPROVALS:
            break
    return found


def read_marbles(api: ClusterApi) -> dict[str, Json]:
    """Those of the account's namespace, by name.  Raises DefinitionsMissing, ClusterError."""
    return {each["metadata"]["name"]: each for each in _all(api, MARBLES)}


def _wish(kind: str, plural: str, raw: Json) -> Wish:
    metadata = raw["metadata"]
    return Wish(kind, plural, metadata["name"], int(metadata["generation"]), raw.get("status") or {}, raw)


def _all(api: ClusterApi, plural: str) -> Iterator[Json]:
    path = f"{collection(api.namespace, plural)}?limit={_PAGES[plural]}"
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
