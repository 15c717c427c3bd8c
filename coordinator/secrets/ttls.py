"""`MARBLE_TTLS_CONFIG`: what a transparent-TLS runtime is told (contract 2.8)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from coordinator.manifest.model import TlsTag
from coordinator.manifest.template.values import SecretValue
from pki.pem import pem_block


def ttls_config(
    tags: Sequence[TlsTag],
    secrets: Mapping[str, SecretValue],
    *,
    root_pem: str,
    leaf_pem: str,
    along_pem: str,
    key_pem: str,
) -> str:
    """Compact JSON with sorted keys; several tags merge, the last of the same port wins.

    along_pem: what is shown with a certificate of ours during an overlap of hierarchies; leaf_pem has it already.
    """
    incoming: dict[str, Any] = {}
    outgoing: dict[str, Any] = {}
    for tag in tags:
        for entry in tag.incoming:
            shown = {"cacrt": root_pem, "clicrt": leaf_pem, "clikey": key_pem, "clientAuth": entry.client_auth}
            if entry.secret is not None:
                secret = secrets[entry.secret]
                ours = "" if secret.user_defined else along_pem
                shown["clicrt"] = pem_block("CERTIFICATE", secret.cert_der or b"") + ours
                shown["clikey"] = pem_block("PRIVATE KEY", secret.private)
            incoming[f"*:{entry.port}"] = shown
        for target in tag.outgoing:
            outgoing[f"{target.address}:{target.port}"] = {"cacrt": root_pem, "clicrt": leaf_pem, "clikey": key_pem}
    document = {"tls": {"Incoming": incoming, "Outgoing": outgoing}}
    return json.dumps(document, separators=(",", ":"), sort_keys=True)
