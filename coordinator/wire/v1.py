"""JSON shapes of REST v1 (contract 1.6-1.9): the data of each answer."""

import base64
from typing import Any


def status(code: int, message: str) -> dict[str, Any]:
    """`GET /status`."""
    return {"StatusCode": code, "StatusMessage": message}


def quote(chain_pem: str, evidence: bytes) -> dict[str, Any]:
    """`GET /quote`.  chain_pem: intermediate, then root."""
    return {"Cert": chain_pem, "Quote": base64.b64encode(evidence).decode()}


def manifest(signature: bytes | None, fingerprint: str, raw: bytes | None) -> dict[str, Any]:
    """`GET /manifest`; before a manifest is set: null, "", null."""
    return {
        "ManifestSignatureRootECDSA": None if signature is None else base64.b64encode(signature).decode(),
        "ManifestSignature": fingerprint,
        "Manifest": None if raw is None else base64.b64encode(raw).decode(),
    }
