"""Message codes of the controller of Manifest objects."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "K660": (
        "the cluster does not know the controller's kinds of objects",
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
    "K670": (
        "an Approval object holds no signature",
        "put in spec.signature what `enclasp manifest sign` wrote, as it is",
    ),
    "K671": (
        "an Approval object is for another document",
        "sign the text that the Manifest's spec.document has now, or delete the Approval",
    ),
    "K672": (
        "there is no Manifest object that the Approval is for",
        "apply the Manifest, or correct spec.manifest of the Approval",
    ),
    "K673": (
        "the Approval waits for its Manifest",
        "`kubectl describe manifest` says what keeps it from being compared with the coordinator",
    ),
    "K674": (
        "the Approval came when it was not needed any more",
        "nothing is to be done: the manifest is in force by the approvals of others",
    ),
}
