"""CBOR as evidence uses it, and nothing more: one value, no tag that was not asked for, no key twice.

The decoder of `cbor2` is generous by default: it compiles regular expressions (tag 35), builds cycles (tags 28, 29),
and takes duplicate keys, indefinite lengths and trailing bytes.  Everything from outside is read through `decode`.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any, Final

import cbor2

from attestation.errors import EvidenceFormatError

MAX_DEPTH: Final = 16
_LARGEST: Final = 2**64


def decode(raw: bytes, what: str, *, tags: frozenset[int] = frozenset(), indefinite: bool = False) -> object:
    """The one value that `raw` holds, of None, bool, int, bytes, str, list, dict and `cbor2.CBORTag` of `tags`.

    what: a name of the bytes, for the error.  indefinite: whether strings, lists and maps may have no length in front.
    Raises EvidenceFormatError for everything else.  Source: RFC 8949; duplicate keys are invalid by 5.6.
    """
    stream = io.BytesIO(raw)
    decoder = cbor2.CBORDecoder(
        stream,
        allow_duplicate_keys=False,
        allow_indefinite=indefinite,
        max_depth=MAX_DEPTH,
        semantic_decoders=_Tags(tags),
    )
    try:
        value = decoder.decode()
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise EvidenceFormatError(f"{what}: expected CBOR, got {str(error) or type(error).__name__:.200}") from error
    rest = len(raw) - stream.tell()
    if rest:
        raise EvidenceFormatError(f"{what}: expected the end after one CBOR value, got {rest} further bytes")
    _refuse_other_types(value, what)
    return value


def encode(value: object) -> bytes:
    """CBOR with the shortest lengths, maps in their own order."""
    return cbor2.dumps(value)


def decode_map(raw: bytes, what: str, *, indefinite: bool = False) -> Mapping[object, object]:
    """A map without tags in it.  Raises EvidenceFormatError."""
    value = decode(raw, what, indefinite=indefinite)
    if not isinstance(value, Mapping):
        raise EvidenceFormatError(f"{what}: expected a map, got {type(value).__name__}")
    return value


class _Tags(dict[int, Callable[..., Any]]):
    """`cbor2` looks up each tag here before its own table: a tag that is not allowed finds a decoder that refuses."""

    def __init__(self, allowed: frozenset[int]) -> None:
        super().__init__()
        self._allowed = allowed

    def __missing__(self, tag: int) -> Callable[..., Any]:
        if tag in self._allowed:
            raise KeyError(tag)  # not ours to decode: it becomes a CBORTag

        def refuse(*_: object) -> object:
            raise cbor2.CBORDecodeError(f"tag {tag} has no place here")

        return refuse


def _refuse_other_types(value: object, what: str) -> None:
    """Floats, simple values, `undefined`, integers beyond 64 bits, and containers as keys."""
    if isinstance(value, cbor2.CBORTag):
        _refuse_other_types(value.value, what)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, (int, str, bytes)) or isinstance(key, bool):
                raise EvidenceFormatError(f"{what}: expected a number or text as key, got {type(key).__name__}")
            _refuse_other_types(item, what)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_other_types(item, what)
    elif value is not None and not isinstance(value, (bool, int, bytes, str)):
        raise EvidenceFormatError(f"{what}: expected no {type(value).__name__} in it, got one")
    elif isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise EvidenceFormatError(f"{what}: expected integers of 64 bits, got {value.bit_length()} bits")
