"""Which pod a marble is, where the webhook gave it the pod's own UID as its UUID.  The cluster's word, for people."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from coordinator.cluster.api import ClusterApi
from coordinator.cluster.errors import ApiRefused

_log = logging.getLogger("enclasp.controller")
_SELECTORS: Final = ("enclasp/marble", "marblerun/marbletype")
"""Labels of pods that are marbles (coordinator/admission)."""


def read_pods(api: ClusterApi, namespaces: Sequence[str]) -> Mapping[str, str]:
    """Marbles among the pods of these namespaces: "namespace/name" by UID.  One that may not be read has none.

    Raises ApiUnreachable, NoAccount.
    """
    pods: dict[str, str] = {}
    for namespace in namespaces:
        try:
            for selector in _SELECTORS:
                for pod in api.metadata(f"/api/v1/namespaces/{namespace}/pods", selector):
                    pods[str(pod["uid"])] = f"{namespace}/{pod['name']}"
        except ApiRefused as cause:
            _log.warning("pods: %s %s", cause.code, cause)
    return pods
