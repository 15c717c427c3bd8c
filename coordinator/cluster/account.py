"""Who we are to the API server: the files and variables that Kubernetes gives every pod.

Kubernetes documentation, "Accessing the Kubernetes API from a Pod", "Directly accessing the REST API".
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coordinator.cluster.errors import NoAccount

SERVICE_ACCOUNT: Final = "ENCLASP_SERVICE_ACCOUNT"
NAMESPACE: Final = "EDG_K8S_NAMESPACE"
"""MarbleRun's name for where a coordinator's objects are; by default the pod's own namespace."""
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_MOUNTED: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_LONGEST: Final = 64 * 1024
"""Bytes of a file of the account; a token has about one thousand."""


@dataclass(frozen=True, slots=True)
class Account:
    """host, port: of the API server.  folder: with `ca.crt`, `token` (rotated by the kubelet) and `namespace`."""

    host: str
    port: int
    folder: Path
    namespace: str

    def tls(self) -> ssl.SSLContext:
        """A context that accepts the cluster's own authority alone.  Raises NoAccount."""
        authority = self._read("ca.crt")
        try:
            return ssl.create_default_context(cadata=authority)
        except ssl.SSLError as cause:
            raise NoAccount(str(self.folder / "ca.crt"), "certificates in PEM", str(cause)) from cause

    def token(self) -> str:
        """The bearer token as it is now.  Raises NoAccount."""
        return self._read("token").strip()

    def _read(self, name: str) -> str:
        return _read(self.folder / name)


def find_account(environ: Mapping[str, str]) -> Account:
    """The account of the pod that we run in.  Raises NoAccount."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise NoAccount("KUBERNETES_SERVICE_HOST", "a host", "nothing")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise NoAccount("KUBERNETES_SERVICE_PORT", "a port", repr(port))
    folder, asked = Path(environ.get(SERVICE_ACCOUNT) or _MOUNTED), environ.get(NAMESPACE, "")
    if asked and not _LABEL.fullmatch(asked):
        raise NoAccount(NAMESPACE, "a name of at most 63 characters a-z, 0-9 and -", repr(asked))
    return Account(host, int(port), folder, asked or _read(folder / "namespace").strip())


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST + 1)
        if len(raw) > _LONGEST:
            raise NoAccount(str(path), f"at most {_LONGEST} bytes", "more")
        return raw.decode("ascii")
    except OSError as cause:
        raise NoAccount(str(path), "a readable file", cause.strerror or str(cause)) from cause
    except UnicodeDecodeError as cause:
        raise NoAccount(str(path), "ASCII text", "other bytes") from cause
