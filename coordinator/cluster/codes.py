"""Message codes that this room raises: code -> (title, hint)."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "K650": (
        "this process has no account of a Kubernetes cluster",
        "run in a pod with a service account, or set KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT and "
        "ENCLASP_SERVICE_ACCOUNT (a folder with ca.crt, token and namespace)",
    ),
    "K651": (
        "the Kubernetes API server cannot be reached",
        "check the API server, the network policies and KUBERNETES_SERVICE_HOST",
    ),
    "K652": (
        "the Kubernetes API server refused a request",
        "the text has its reason; for 403 compare the chart's Role with what is named",
    ),
}
