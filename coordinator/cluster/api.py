"""Requests to the API server, one after the other: get, create, replace, delete, list names; and a connection for them.

Blocking, on the standard library: the journal's own thread calls it, and no more of a client is trusted with being in
the enclave than these five verbs need.  One instance belongs to one thread at a time.
"""

import http.client
import json
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from coordinator.cluster.account import Account
from coordinator.cluster.errors import ApiRefused, ApiUnreachable

Json: TypeAlias = Mapping[str, Any]
"""An object of the API as it came; nothing of it is proven."""

_SECONDS: Final = 5.0
_LONGEST_ANSWER: Final = 8 * 1024 * 1024
"""Bytes; etcd keeps no object of more than 1.5 MiB, and a list comes in pages of names."""
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Api(ABC):
    """The verbs that objects are kept with, over one way to the API server."""

    page = 500
    """Objects of one answer to `metadata`."""

    @property
    @abstractmethod
    def namespace(self) -> str:
        """The namespace in which its user works."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open; a later request opens it again."""

    @abstractmethod
    def _request(self, method: str, path: str, body: Json | None = None, *, metadata_only: bool = False) -> Json:
        """One request, in HTTP's words.  metadata_only: of a list, objects without their content will do.

        Raises ApiUnreachable, ApiRefused, NoAccount.
        """

    def get(self, path: str) -> Json | None:
        """The object at `path`, or None if there is none.  Raises ApiUnreachable, ApiRefused, NoAccount."""
        try:
            return self._request("GET", path)
        except ApiRefused as refused:
            if refused.status == http.client.NOT_FOUND:
                return None
            raise

    def create(self, path: str, body: Json) -> Json:
        """Add an object to the collection at `path`.  Raises as `get`; ApiRefused with 409 if its name is taken."""
        return self._request("POST", path, body)

    def replace(self, path: str, body: Json) -> Json:
        """Put an object in the place of the one with its `metadata.resourceVersion`.

        Raises as `get`; ApiRefused with 409 if that is not the version which is there.
        """
        return self._request("PUT", path, body)

    def delete(self, path: str) -> None:
        """Remove an object; that there is none is fine.  Raises as `get`."""
        try:
            self._request("DELETE", path)
        except ApiRefused as refused:
            if refused.status != http.client.NOT_FOUND:
                raise

    def names(self, path: str, selector: str) -> list[str]:
        """Names in the collection at `path` of all that have these labels ("a=b,c=d").  Raises as `get`."""
        return [str(metadata["name"]) for metadata in self.metadata(path, selector)]

    def metadata(self, path: str, selector: str) -> list[Json]:
        """As `names`, with all that is known of an object besides its content."""
        found: list[Json] = []
        page = f"{path}?limit={self.page}&labelSelector={quote(selector)}"
        following = ""
        while True:
            answer = self._request("GET", page + following, metadata_only=True)
            found.extend(item["metadata"] for item in answer.get("items") or ())
            token = answer.get("metadata", {}).get("continue", "")
            if not token:
                return found
            following = f"&continue={quote(token)}"


class ClusterApi(Api):
    """A connection to the API server, made when it is needed and again after it broke."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._tls = account.tls()
        self._connection: http.client.HTTPSConnection | None = None

    @property
    def namespace(self) -> str:
        """The namespace of the account."""
        return self._account.namespace

    def close(self) -> None:
        """Let go of the connection; a later request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(self, method: str, path: str, body: Json | None = None, *, metadata_only: bool = False) -> Json:
        request = f"{method} {path.partition('?')[0]}"
        accept = _METADATA_ONLY if metadata_only else "application/json"
        headers = {"Authorization": f"Bearer {self._account.token()}", "Accept": accept, "User-Agent": "enclasp"}
        raw = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            raw = json.dumps(body, separators=(",", ":")).encode()
        try:
            status, answer = self._exchange(method, path, raw, headers)
        except (OSError, http.client.HTTPException) as cause:
            self.close()
            raise ApiUnreachable(request, str(cause) or type(cause).__name__) from cause
        return _read_answer(request, status, answer)

    def _exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                self._account.host, self._account.port, timeout=_SECONDS, context=self._tls
            )
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.request(method, path, body, dict(headers))
        response = self._connection.getresponse()
        answer = response.read(_LONGEST_ANSWER + 1)
        if len(answer) > _LONGEST_ANSWER:
            self.close()
            raise http.client.HTTPException(f"an answer of more than {_LONGEST_ANSWER} bytes")
        return response.status, answer


def _read_answer(request: str, status: int, raw: bytes) -> Json:
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        answer = None
    if status >= 400:  # RFC 9110, 15: an error
        said = answer.get("message") if isinstance(answer, dict) else None
        raise ApiRefused(request, status, str(said or http.client.responses.get(status, "no reason"))[:500])
    if not isinstance(answer, dict):
        raise ApiRefused(request, status, "expected a JSON object")
    return answer
