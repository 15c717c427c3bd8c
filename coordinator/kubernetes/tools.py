"""The operator's own kubectl and helm: they know how to sign in to any cluster, and act with that person's rights.

Nothing secret is ever an argument; documents go through stdin.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class ToolFailed(Exception):
    """code: of the table.  message: the tool's own words.  unreachable: the API server did not answer."""

    code: str
    message: str
    unreachable: bool = False

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Tools:
    """kubectl, helm: paths of the programs."""

    kubectl: str
    helm: str

    @classmethod
    def find(cls) -> "Tools":
        """Look for both in PATH.  Raises ToolFailed."""
        found = {name: shutil.which(name) for name in ("kubectl", "helm")}
        if missing := [name for name, path in found.items() if path is None]:
            raise ToolFailed("K630", f"expected {' and '.join(missing)} in PATH, got none")
        return cls(found["kubectl"] or "", found["helm"] or "")

    def get(self, *arguments: str) -> Any:
        """What `kubectl get … -o json` says; None for something that is not there.  Raises ToolFailed."""
        raw = self._run(self.kubectl, ("get", *arguments, "--ignore-not-found", "-o", "json"))
        return json.loads(raw) if raw.strip() else None

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """The objects of a kind; none is no failure.  Raises ToolFailed."""
        listed: list[dict[str, Any]] = (self.get(*arguments) or {}).get("items", [])
        return listed

    def json(self, *arguments: str) -> Any:
        """What another kubectl command says with `-o json`.  Raises ToolFailed."""
        return json.loads(self._run(self.kubectl, (*arguments, "-o", "json")))

    def apply(self, *objects: Any) -> None:
        """`kubectl apply` of these objects; none is fine, kubectl itself would not think so.  Raises ToolFailed."""
        if not objects:
            return
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self._run(self.kubectl, ("apply", "-f", "-"), document)

    def delete(self, *arguments: str) -> None:
        """`kubectl delete`, waiting until it is gone; what is not there is fine.  Raises ToolFailed."""
        self._run(self.kubectl, ("delete", "--ignore-not-found", *arguments))

    def may(self, verb: str, resource: str) -> bool:
        """Whether this person may do that everywhere."""
        asked = _call([self.kubectl, "auth", "can-i", verb, resource, "--all-namespaces", "--quiet"])
        return asked.returncode == 0

    def run_helm(self, *arguments: str) -> str:
        """A helm command; returns what it says.  Raises ToolFailed."""
        return self._run(self.helm, arguments)

    def _run(self, program: str, arguments: Sequence[str], text: str = "") -> str:
        done = _call([program, *arguments], text)
        if done.returncode == 0:
            return done.stdout
        said = done.stderr.strip() or done.stdout.strip()
        lost = any(words in said for words in ("connection refused", "nable to connect", "no such host", "i/o timeout"))
        name = program.rpartition("/")[2]
        raise ToolFailed("K631", f"{name} {arguments[0]}: {said}", lost or "cluster unreachable" in said)


def _call(command: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)
