"""Message codes of what talks to a cluster."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "K622": (
        "a certificate of the webhook cannot be used",
        "give a PEM certificate and its key; remove both from the Secret to have new ones made",
    ),
    "K630": (
        "a program that is needed is not installed",
        "install kubectl and helm: your own sign in to your cluster as you do",
    ),
    "K631": (
        "kubectl or helm failed",
        "the text is the program's own",
    ),
    "K632": (
        "the cluster is not ready for an installation",
        "each failed check says what to do; `enclasp kubernetes check` repeats them",
    ),
    "K633": (
        "the chart is not there",
        "give its folder with --chart; it is charts/coordinator of the repository",
    ),
    "K693": (
        "init-data cannot be read",
        "expected is TOML as Confidential Containers specifies it (version, algorithm, [data]), or base64 of its gzip",
    ),
    "K697": (
        "reference values of a guest image name another init-data than the given one",
        "give the init-data that the values are for, or take the field out to have it computed",
    ),
}
