"""What is kept of an activation for a later look: enough to verify its Evidence once more."""

import msgspec

_VERSION = b"\x01"


class KeptEvidence(msgspec.Struct, frozen=True):
    """time_ms: of the activation.  certificate: the leaf that the Evidence binds, DER.  evidence: as it was shown.

    bound: the 64 bytes that the Evidence had to bind; empty in entries of before joins with a nonce, where it was
    SHA-256 of the certificate.
    """

    time_ms: int
    marble: str
    uuid: str
    join: str
    certificate: bytes
    evidence: bytes
    bound: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(KeptEvidence)


class KeptEvidenceUnreadable(Exception):
    """An entry opens, but is none that this version knows."""


def encode_kept(kept: KeptEvidence) -> bytes:
    """The body of an archive's entry."""
    return _VERSION + _encoder.encode(kept)


def decode_kept(raw: bytes) -> KeptEvidence:
    """What an archive's entry says.  Raises KeptEvidenceUnreadable."""
    if raw[:1] != _VERSION:
        raise KeptEvidenceUnreadable(f"kept evidence: expected version {_VERSION.hex()}, got {raw[:1].hex()}")
    try:
        return _decoder.decode(raw[1:])
    except ValueError as error:
        raise KeptEvidenceUnreadable(f"kept evidence: {error}") from error
