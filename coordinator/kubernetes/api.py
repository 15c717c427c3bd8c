"""The few calls of the Kubernetes API that a program in the cluster needs, over aiohttp.

Who acts for a person uses that person's kubectl and helm instead (`cluster_tools.py`).
Source: Kubernetes API conventions; "Accessing the Kubernetes API from a Pod".
"""

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import aiohttp

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT: Final = aiohttp.ClientTimeout(total=20)
_ANSWER_BYTES: Final = 4 * 1024 * 1024
CONFLICT: Final = 409


@dataclass(eq=False)
class ApiError(Exception):
    """The API server said no, or nothing.  status: of HTTP, 0 if it was not reached."""

    code: str
    status: int
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Api:
    """One API server.  token: a file that is read for each call, since the kubelet renews it."""

    server: str
    token: Path
    session: aiohttp.ClientSession

    @classmethod
    def in_cluster(cls, environ: Mapping[str, str]) -> "Api":
        """The API server of the pod that we run in.  Raises ApiError if we run in none."""
        host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
        if not host or not (ACCOUNT / "ca.crt").exists():
            raise ApiError("K621", 0, f"expected KUBERNETES_SERVICE_HOST and {ACCOUNT}, got none")
        context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=4), timeout=_TIMEOUT)
        named = f"[{host}]" if ":" in host else host
        return cls(f"https://{named}:{port}", ACCOUNT / "token", session)

    async def __aenter__(self) -> "Api":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    async def get(self, path: str) -> dict[str, Any]:
        """One object.  Raises ApiError."""
        return await self._call("GET", path, None, "application/json")

    async def replace(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Replace an object; its resourceVersion makes that fail with CONFLICT if it has changed meanwhile."""
        return await self._call("PUT", path, document, "application/json")

    async def patch(self, path: str, operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Apply a JSON patch."""
        return await self._call("PATCH", path, operations, "application/json-patch+json")

    async def _call(self, method: str, path: str, body: object, kind: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token.read_text().strip()}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        try:
            async with self.session.request(method, f"{self.server}{path}", data=data, headers=headers) as answer:
                raw = await answer.content.read(_ANSWER_BYTES)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as cause:
            raise ApiError("K620", 0, f"{method} {path}: {type(cause).__name__}: {cause}") from cause
        try:
            document = json.loads(raw)
        except ValueError:
            document = {}
        if not isinstance(document, dict) or status >= 400:
            said = document.get("message", "") if isinstance(document, dict) else ""
            raise ApiError("K620", status, f"{method} {path}: {status} {said}")
        return document
