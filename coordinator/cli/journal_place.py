"""Where a journal is, on the command line: a state directory, a development folder, or Secrets of a cluster."""

import os
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from coordinator.cli import exit_codes
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from coordinator.cluster.api import Api

PLACE: Final = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class InCluster:
    """Secrets named after `name` (the coordinator's `state_name`).  api: of their namespace."""

    api: "Api"
    name: str

    def __str__(self) -> str:
        return f"{_PREFIX}{self.api.namespace}/{self.name}"


def place_of(text: Path) -> Path | InCluster:
    """`kubernetes:NAMESPACE/NAME`, or a directory; of a development folder the one in it.  Raises Problem."""
    if str(text).startswith(_PREFIX):
        found = _IN_CLUSTER.fullmatch(str(text))
        if found is None:
            raise Problem(f"'{text}': expected {_PREFIX}NAMESPACE/NAME", exit_codes.USAGE)
        return InCluster(_api(found[1]), found[2])
    return text / "state" if (text / "state").is_dir() and (text / "simulation").is_dir() else text


def _api(namespace: str) -> "Api":
    """In a pod by its service account, elsewhere by kubectl and who is signed in with it.  Raises Problem."""
    from coordinator.cluster.account import find_account
    from coordinator.cluster.api import ClusterApi
    from coordinator.cluster.errors import NoAccount
    from coordinator.kubernetes.raw import KubectlApi

    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        try:
            return ClusterApi(replace(find_account(os.environ), namespace=namespace))
        except NoAccount as cause:
            raise Problem(str(cause).partition("\n")[0], exit_codes.INVALID, NoAccount.code) from cause
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise Problem("expected kubectl in PATH, got none", exit_codes.USAGE, "K630")
    return KubectlApi(kubectl, namespace)


_PREFIX: Final = "kubernetes:"
_IN_CLUSTER: Final = re.compile(
    _PREFIX + r"([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)/([a-z0-9](?:[-a-z0-9]{0,40}[a-z0-9])?)"
)
