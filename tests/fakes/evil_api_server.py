"""A Kubernetes API server in the hands of its owner, who puts Secrets back as they were: a real one cannot be made to.

It keeps Secrets and Leases as the real one does: over HTTPS, with the account that a pod has, and a resourceVersion
that each change raises and each update must name (Kubernetes API Concepts, "Resource versions").
"""

import copy
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from coordinator.cluster.account import Account
from pki import certificates, keys
from tests.fakes.rest_server import rest_server

NAMESPACE = "enclasp"
Json = dict[str, Any]


@dataclass
class ApiServer:
    """objects: by the path of each."""

    objects: dict[str, Json] = field(default_factory=dict)
    version: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def secrets(self) -> dict[str, Json]:
        """All Secrets as they are now."""
        with self.lock:
            return {path: copy.deepcopy(one) for path, one in self.objects.items() if "/secrets/" in path}

    def put_back(self, secrets: Mapping[str, Json]) -> None:
        """In the place of all Secrets, as a restored etcd has them: the same content under a later version."""
        with self.lock:
            self.objects = {path: one for path, one in self.objects.items() if "/secrets/" not in path}
            for path, one in secrets.items():
                self._store(path, copy.deepcopy(one))

    def touch(self, path: str) -> None:
        """Change what an object is labelled with, as administrators do."""
        with self.lock:
            one = copy.deepcopy(self.objects[path])
            one["metadata"].setdefault("labels", {})["touched"] = "yes"
            self._store(path, one)

    def free_lease(self) -> None:
        """Forget who leads."""
        with self.lock:
            self.objects = {path: one for path, one in self.objects.items() if "/leases/" not in path}

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """As `rest_server` wants it."""
        url = urlsplit(target)
        with self.lock:
            status, document = self._answer(method, url.path, parse_qs(url.query), json.loads(body) if body else {})
        return status, json.dumps(document).encode()

    def _answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Json) -> tuple[int, Json]:
        if method == "GET" and "labelSelector" in query:
            return 200, {"items": self._labelled(path, query["labelSelector"][0]), "metadata": {}}
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            return _refusal(409, "AlreadyExists") if path in self.objects else (201, self._store(path, body))
        found = self.objects.get(path)
        if found is None:
            return _refusal(404, "NotFound")
        if method == "PUT":
            meant = body["metadata"].get("resourceVersion", "")
            stale = meant not in ("", found["metadata"]["resourceVersion"])
            return _refusal(409, "Conflict") if stale else (200, self._store(path, body))
        if method == "DELETE":
            del self.objects[path]
        return 200, found

    def _labelled(self, path: str, selector: str) -> list[Json]:
        wanted = dict(pair.split("=") for pair in selector.split(","))
        return [
            {"metadata": one["metadata"]}
            for name, one in self.objects.items()
            if name.startswith(f"{path}/") and wanted.items() <= one["metadata"].get("labels", {}).items()
        ]

    def _store(self, path: str, one: Json) -> Json:
        self.version += 1
        one["metadata"]["resourceVersion"] = str(self.version)
        self.objects[path] = one
        return one


def _refusal(status: int, reason: str) -> tuple[int, Json]:
    return status, {"kind": "Status", "status": "Failure", "reason": reason, "message": reason, "code": status}


@contextmanager
def api_server(folder: Path) -> Iterator[tuple[Account, ApiServer]]:
    """Serve on loopback while the block runs.  Gives the account of a pod, and the server to do evil with."""
    key = keys.generate(keys.KeyAlgorithm.EC_P256)
    name = certificates.common_name("kubernetes")
    certificate = certificates.build(
        certificates.CertificateTemplate(name, ip_addresses=(ip_address("127.0.0.1"),), is_ca=True),
        public_key=key.public_key(),
        issuer_name=name,
        issuer_key=key,
        not_before=datetime(2026, 1, 1, tzinfo=UTC),
        serial=1,
    )
    folder.mkdir()
    (folder / "ca.crt").write_bytes(certificates.pem(certificate))
    (folder / "token").write_text("not-a-real-token")
    (folder / "namespace").write_text(NAMESPACE)
    server = ApiServer()
    with rest_server((certificate,), key, server.answer) as (endpoint, _):
        yield Account(endpoint.host, endpoint.port, folder, NAMESPACE), server
