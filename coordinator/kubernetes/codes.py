"""Message codes of what talks to a cluster."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "K620": (
        "the API server cannot be reached, or refuses",
        "check the service account's rights (kubectl auth can-i) and the NetworkPolicies",
    ),
    "K621": (
        "this program is not in a cluster",
        "run it as a pod with a service account, or give it a certificate with --tls-cert and --tls-key",
    ),
    "K622": (
        "a certificate of the webhook cannot be used",
        "give a PEM certificate and its key; remove both from the Secret to have new ones made",
    ),
}
