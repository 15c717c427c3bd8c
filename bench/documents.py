"""Manifests of any size, as the peer's figures were taken with: M marble types, S shared symmetric secrets.

MarbleRun's own JSON, so that both products can be given the same bytes.  Every marble uses two of the secrets.
"""

import json


def manifest(marbles: int, secrets: int, *, unique_id: str, limits: bool) -> bytes:
    """The document.  unique_id: MRENCLAVE of the one program that all marbles run, hex.

    Limits are high enough that they refuse nothing: what they cost is that they must be counted durably.
    """
    document: dict[str, object] = {
        "Packages": {"program": {"UniqueID": unique_id, "Debug": False}},
        "Marbles": {marble_type(i): _marble(i, secrets, limits) for i in range(marbles)},
    }
    if secrets:
        document["Secrets"] = {
            _secret(i): {"Type": "symmetric-key", "Size": 128, "Shared": True} for i in range(secrets)
        }
    return json.dumps(document, indent=1).encode()


def marble_type(number: int) -> str:
    """Name of marble type `number`, from 0."""
    return f"marble-{number:04}"


def _secret(number: int) -> str:
    return f"secret{number:04}"


def _marble(number: int, secrets: int, limits: bool) -> dict[str, object]:
    environment = {"ROLE": marble_type(number)}
    files = {"/tmp/enclasp/config": "workers = 4\n"}
    if secrets:
        first, second = _secret(2 * number % secrets), _secret((2 * number + 1) % secrets)
        environment["KEY"] = f"{{{{ hex .Secrets.{first} }}}}"
        files["/tmp/enclasp/key"] = f"{{{{ base64 .Secrets.{second} }}}}"
    marble: dict[str, object] = {
        "Package": "program",
        "Parameters": {"Argv": ["program", "--serve"], "Env": environment, "Files": files},
    }
    if limits:
        marble["MaxActivations"] = 1_000_000
    return marble
