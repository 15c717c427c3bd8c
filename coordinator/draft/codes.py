"""The messages about drafts: code to title and hint."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "E061": (
        "Kubernetes objects cannot be read",
        "give YAML as kubectl takes it; a chart has to be rendered first, by `helm template`",
    ),
    "E062": ("nothing that was read starts a pod", "give the files with Deployments, StatefulSets, Jobs or Pods"),
    "U550": ("reference values are for no service", "write --reference SERVICE=FILE"),
    "U552": ("a certificate or key for a person cannot be used", "write NAME=FILE, the file in PEM"),
    "U551": (
        "the cluster cannot be asked",
        "try `kubectl get deployments` with the same context; or `kubectl get -o yaml … | enclasp manifest init "
        "--from-kubernetes -`",
    ),
}
