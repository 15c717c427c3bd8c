"""Message codes of the controller of Manifest objects."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "K660": (
        "the cluster does not know Manifest and Approval objects",
        "set the chart's controller.definitions to true, or: kubectl apply -f charts/coordinator/definitions",
    ),
    "K661": (
        "another Manifest object of this namespace came first",
        "a namespace has one Manifest: change the older one, or delete it; the coordinator keeps its manifest",
    ),
    "K662": (
        "an Approval object does not count",
        "put in spec.signature what `enclasp manifest sign` wrote for exactly the text of the Manifest's spec.document",
    ),
    "K663": (
        "the manifest waits for approvals",
        "each of the missing signs the document with `enclasp manifest sign`, and applies it as an Approval object",
    ),
}
