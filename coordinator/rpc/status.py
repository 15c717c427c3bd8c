"""How an error of a gRPC call travels: as trailers, its text percent-encoded.

Source: gRPC over HTTP/2, "Responses" and "Errors".
"""

from typing import Final, TypeAlias

from marble.grpc_status import Status

MAX_ENCODED_MESSAGE: Final = 4096
"""Bytes of `grpc-message`.  Some clients take no more than 8 KiB of headers."""

StatusCode: TypeAlias = Status
"""`grpc-status`."""


class RpcError(Exception):
    """A call's answer that is no message.  `message` is shown to the peer, so it holds no secret."""

    def __init__(self, code: StatusCode, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code.name}: {message}")


def encode_message(text: str) -> bytes:
    """`grpc-message`: printable ASCII but `%` stands for itself, every other UTF-8 byte is %XX.

    Text beyond MAX_ENCODED_MESSAGE is cut between two characters, and ends in "...".
    """
    encoded = b""
    for character in text:
        piece = b"".join(
            bytes([byte]) if 0x20 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte
            for byte in character.encode("utf-8", "replace")
        )
        if len(encoded) + len(piece) > MAX_ENCODED_MESSAGE - 3:
            return encoded + b"..."
        encoded += piece
    return encoded
