"""What do a marble and a coordinator say to each other?  Bytes of the two messages, as frozen values.

Both sides parse with this file, so there is one opinion about sizes and forms.
Source: MarbleRun contract, sections 2.1, 2.4 and 2.9; the layout is in activation.proto.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError

from marble import activation_pb2 as wire

METHOD: Final = "/rpc.Marble/Activate"
MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024

_UUID_FORMS: Final = re.compile(
    r"""(?: (?:urn:uuid:)? [0-9a-f]{8} (?:-[0-9a-f]{4}){3} -[0-9a-f]{12}
          | \{ [0-9a-f]{8} (?:-[0-9a-f]{4}){3} -[0-9a-f]{12} \}
          | [0-9a-f]{32} )""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


class ProtocolFormatError(Exception):
    """These bytes are no message of the activation, or a text in it has no legal form."""


@dataclass(frozen=True, slots=True)
class ActivationRequest:
    """What a marble asks with.  Nothing in it is trusted yet.

    quote: Evidence, with an Open Enclave header for SGX; empty where the marble has none.
    csr: PKCS#10 DER.  uuid: the text as the marble sent it; `parse_uuid` reads it.
    """

    quote: bytes
    csr: bytes
    marble_type: str
    uuid: str


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a marble is given.  files: path to content; env: name to value; argv: empty keeps the marble's own.

    Values hold secrets: they are left out of `repr`.
    """

    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    env: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    argv: tuple[str, ...] = field(default=(), repr=False)


def encode_request(request: ActivationRequest) -> bytes:
    """The request as a protobuf message.  Raises ProtocolFormatError for text that is not Unicode."""
    try:
        message = wire.ActivationReq(
            Quote=request.quote, CSR=request.csr, MarbleType=request.marble_type, UUID=request.uuid
        )
    except UnicodeEncodeError as cause:
        raise ProtocolFormatError("activation request: expected Unicode text as marble type and UUID") from cause
    return _sized(message.SerializeToString(deterministic=True), "request")


def decode_request(raw: bytes) -> ActivationRequest:
    """Read a request.  Raises ProtocolFormatError over 4 MiB, or for bytes that are no such message."""
    try:
        message = wire.ActivationReq.FromString(_sized(raw, "request"))
    except DecodeError as cause:
        raise ProtocolFormatError(f"activation request: expected a protobuf message, got {len(raw)} bytes") from cause
    return ActivationRequest(message.Quote, message.CSR, message.MarbleType, message.UUID)


def encode_response(parameters: Parameters) -> bytes:
    """The answer as a protobuf message.  Raises ProtocolFormatError over 4 MiB or for text that is not Unicode."""
    message = wire.ActivationResp()
    body = message.Parameters
    body.SetInParent()
    try:
        for path, content in parameters.files.items():
            body.Files[path] = content
        for name, value in parameters.env.items():
            body.Env[name] = value
        body.Argv.extend(parameters.argv)
    except UnicodeEncodeError as cause:
        raise ProtocolFormatError("activation response: expected Unicode text as paths, names and arguments") from cause
    return _sized(message.SerializeToString(deterministic=True), "response")


def decode_response(raw: bytes) -> Parameters:
    """Read an answer.  Raises ProtocolFormatError over 4 MiB, or for bytes that are no such message."""
    try:
        body = wire.ActivationResp.FromString(_sized(raw, "response")).Parameters
    except DecodeError as cause:
        raise ProtocolFormatError(f"activation response: expected a protobuf message, got {len(raw)} bytes") from cause
    return Parameters(dict(body.Files), dict(body.Env), tuple(body.Argv))


def parse_uuid(text: str) -> uuid.UUID:
    """Read a UUID in any of the forms that marbles send; `str` of the result is the canonical form.

    Accepted: 36 characters, the same after `urn:uuid:` or in braces, 32 hex digits; any case, any version.
    Raises ProtocolFormatError otherwise.  Source: contract 2.4.
    """
    if _UUID_FORMS.fullmatch(text) is None:
        raise ProtocolFormatError(
            f"UUID: expected 36 characters like 123e4567-e89b-12d3-a456-426614174000, got {len(text)} characters "
            f"{text[:50]!a}"
        )
    return uuid.UUID(text)


def _sized(message: bytes, what: str) -> bytes:
    if len(message) > MAX_MESSAGE_BYTES:
        raise ProtocolFormatError(
            f"activation {what}: expected at most {MAX_MESSAGE_BYTES} bytes, got {len(message)} bytes"
        )
    return message
