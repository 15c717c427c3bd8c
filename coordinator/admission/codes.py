"""Message codes of the admission door: why a pod does not come in."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "K601": (
        "a pod's label names no marble type",
        "give the label enclasp/marble (or marblerun/marbletype) the name of a marble in the manifest",
    ),
    "K602": (
        "two labels of a pod contradict each other",
        "keep one of them: enclasp/… and marblerun/… labels mean the same",
    ),
    "K603": (
        "the container that shall be the marble is not in the pod",
        "name one of the pod's containers, or remove the label to make all of them marbles",
    ),
    "K604": (
        "a label or annotation of a pod has a value that nobody knows",
        "the message lists the values that there are",
    ),
    "K605": (
        "this cluster has no runtime class for the platform that a pod asks for",
        "install it (for TDX and SEV-SNP usually Kata Containers), name it in the chart's "
        "marbleInjector.runtimeClasses, or give the pod its own runtimeClassName",
    ),
    "K606": (
        "the launcher cannot be put in front of a container's program",
        "write the program into the pod as `command`: what an image starts by itself is not visible from outside",
    ),
    "K607": (
        "a pod uses a name or path that injection needs",
        "rename the pod's own volume or container, or mount it elsewhere",
    ),
    "K608": (
        "this is no pod, or no admission review",
        "only the API server should talk to this port; if it did, report it as a bug",
    ),
    "K690": (
        "a pod's init-data cannot be read",
        "remove the annotation to have the webhook write it, or write it with `enclasp kubernetes init-data`",
    ),
    "K691": (
        "a pod's init-data is for another marble or coordinator than the pod",
        "write it anew with `enclasp kubernetes init-data`, or remove the annotation to have the webhook write it",
    ),
    "K692": (
        "the init-data that the webhook was told to give cannot be made",
        "an administrator must change the chart's marbleInjector.initData.configMap",
    ),
}
