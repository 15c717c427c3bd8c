"""JSON shapes of REST v2 (contract 1.6-1.9): request bodies in, the data of each answer out."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any


class BodyInvalid(Exception):
    """The request's body or query is not of the shape that the route wants."""


def status(code: int, message: str, *, compatible: bool) -> dict[str, Any]:
    """`GET /api/v2/status`.  compatible: whether the manifest is read in MarbleRun's way, which is then said."""
    return {"code": code, "message": message} | _mode(compatible)


def known_at_start(record: int | None) -> dict[str, Any]:
    """What `GET /api/v2/status` says besides where replicas share the state.

    record: the last one that the leader knew of when it began to lead; None: it would not have noticed an older state.
    """
    return {"knownAtStart": record}


def quote(chain_pem: str, evidence: bytes) -> dict[str, Any]:
    """`GET /api/v2/quote`.  chain_pem: intermediate, then root."""
    return {"cert": chain_pem, "quote": base64.b64encode(evidence).decode()}


def manifest(signature: bytes, fingerprint: str, raw: bytes, *, compatible: bool) -> dict[str, Any]:
    """`GET /api/v2/manifest`.  compatible: whether the manifest is read in MarbleRun's way, which is then said."""
    return {
        "manifestSignatureRootECDSA": base64.b64encode(signature).decode(),
        "manifestFingerprint": fingerprint,
        "manifest": base64.b64encode(raw).decode(),
    } | _mode(compatible)


def _mode(compatible: bool) -> dict[str, str]:
    """Only where it is not the usual one: MarbleRun's answers have no such key."""
    return {"mode": "compatible"} if compatible else {}


def manifest_set(recovery_secrets: Mapping[str, bytes]) -> dict[str, Any]:
    """Answer to `POST /api/v2/manifest`, and to v1's where there are such secrets; the capital R is MarbleRun's."""
    return {"RecoverySecrets": {n: base64.b64encode(s).decode() for n, s in sorted(recovery_secrets.items())}}


def decode_manifest_set(body: bytes) -> bytes:
    """The manifest's exact bytes in `{"manifest": base64}`.  Raises BodyInvalid.

    Like Go's decoder it reads the first JSON value only and matches the key in any letter case (contract 10.1).
    """
    try:
        text = body.decode("utf-8").lstrip(" \t\r\n")
        document, _ = json.JSONDecoder().raw_decode(text)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BodyInvalid(f'body: expected JSON {{"manifest": base64}}, got: {error}') from error
    if not isinstance(document, dict):
        raise BodyInvalid(f'body: expected an object with "manifest", got {type(document).__name__}')
    value = document.get("manifest")
    if value is None:
        value = next((v for k, v in document.items() if k.lower() == "manifest"), None)
    if value is None:
        return b""
    if not isinstance(value, str):
        raise BodyInvalid(f'body: expected "manifest" as base64 text, got {type(value).__name__}')
    try:
        return base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BodyInvalid(f'body: expected "manifest" in standard base64 with padding: {error}') from error


def decode_nonce(text: str) -> bytes:
    """The `nonce` query parameter: base64 of the URL alphabet with padding, any length.  Raises BodyInvalid."""
    if "+" in text or "/" in text:
        raise BodyInvalid("nonce: expected base64 of the URL alphabet (- and _), got + or /")
    try:
        return base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError) as error:
        raise BodyInvalid(f"nonce: expected base64 of the URL alphabet with padding: {error}") from error
