"""Which machine is it?  The SGX extension of a PCK certificate.

Source: Intel SGX PCK Certificate and Certificate Revocation List Profile Specification, 1.3.5.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography import x509

from attestation.errors import EndorsementFormatError

SGX_EXTENSION: Final = x509.ObjectIdentifier("1.2.840.113741.1.13.1")
LEAF_NAME: Final = "Intel SGX PCK Certificate"
CA_NAMES: Final = ("Intel SGX PCK Processor CA", "Intel SGX PCK Platform CA")

_IDENTIFIERS_KEPT: Final = 64
_SEQUENCE, _OBJECT_IDENTIFIER, _INTEGER, _OCTETS = 0x30, 0x06, 0x02, 0x04


@dataclass(frozen=True, slots=True)
class PckPlatform:
    """ppid 16, cpu_svn 16 (raw) and components (16 numbers), pce_id 2, fmspc 6 bytes."""

    ppid: bytes
    components: tuple[int, ...]
    cpu_svn: bytes
    pce_svn: int
    pce_id: bytes
    fmspc: bytes


def parse_pck_platform(certificate: x509.Certificate) -> PckPlatform:
    """The platform that a PCK certificate names.  Raises EndorsementFormatError if the extension is absent or odd."""
    try:
        extension = certificate.extensions.get_extension_for_oid(SGX_EXTENSION).value
    except x509.ExtensionNotFound as error:
        raise EndorsementFormatError(f"PCK certificate: expected extension {SGX_EXTENSION.dotted_string}") from error
    if not isinstance(extension, x509.UnrecognizedExtension):
        raise EndorsementFormatError("PCK certificate: expected an SGX extension of raw bytes")
    tag, content, rest = _element(extension.value)
    if tag != _SEQUENCE or rest:
        raise EndorsementFormatError("PCK certificate, SGX extension: expected one sequence")
    fields = dict(_fields(content))
    tcb_tag, tcb_content = _field(fields, "2")
    if tcb_tag != _SEQUENCE:
        raise EndorsementFormatError("PCK certificate, TCB: expected a sequence")
    tcb = dict(_fields(tcb_content))
    components = tuple(_number(tcb, f"2.{i}", 255) for i in range(1, 17))
    return PckPlatform(
        ppid=_octets(fields, "1", 16),
        components=components,
        cpu_svn=_octets(tcb, "2.18", 16),
        pce_svn=_number(tcb, "2.17", 65535),
        pce_id=_octets(fields, "3", 2),
        fmspc=_octets(fields, "4", 6),
    )


def _fields(raw: bytes) -> Iterator[tuple[str, tuple[int, bytes]]]:
    """Pairs of (object identifier below the extension's, value with its tag)."""
    prefix = SGX_EXTENSION.dotted_string + "."
    while raw:
        tag, pair, raw = _element(raw)
        name_tag, name, value = _element(pair) if tag == _SEQUENCE else (0, b"", b"")
        if name_tag != _OBJECT_IDENTIFIER:
            raise EndorsementFormatError("PCK certificate, SGX extension: expected pairs of identifier and value")
        value_tag, content, rest = _element(value)
        if rest:
            raise EndorsementFormatError("PCK certificate, SGX extension: expected one value after an identifier")
        yield _dotted(name).removeprefix(prefix), (value_tag, content)


def _element(raw: bytes) -> tuple[int, bytes, bytes]:
    """First DER element: tag, content, what follows.  One-byte tags, lengths below 64 KiB, shortest form only."""
    if len(raw) < 2:
        raise EndorsementFormatError("DER: expected an element, got the end")
    length, start = raw[1], 2
    if length & 0x80:
        size = length & 0x7F
        start += size
        length = int.from_bytes(raw[2:start], "big")
        if size not in (1, 2) or len(raw) < start or length < (0x80 if size == 1 else 0x100):
            raise EndorsementFormatError("DER: expected a length in its shortest form")
    if len(raw) < start + length:
        raise EndorsementFormatError(f"DER: element announces {length} bytes, {len(raw) - start} follow")
    return raw[0], raw[start : start + length], raw[start + length :]


@lru_cache(_IDENTIFIERS_KEPT)
def _dotted(raw: bytes) -> str:
    """Dotted text of an object identifier's content."""
    if not raw or raw[-1] & 0x80:
        raise EndorsementFormatError("DER: expected a whole object identifier")
    arcs, value = [], 0
    for byte in raw:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def _field(fields: dict[str, tuple[int, bytes]], name: str) -> tuple[int, bytes]:
    if name not in fields:
        raise EndorsementFormatError(f"PCK certificate, SGX extension: expected field {name}")
    return fields[name]


def _octets(fields: dict[str, tuple[int, bytes]], name: str, size: int) -> bytes:
    tag, content = _field(fields, name)
    if tag != _OCTETS or len(content) != size:
        raise EndorsementFormatError(f"PCK certificate, field {name}: expected {size} bytes, got {len(content)}")
    return content


def _number(fields: dict[str, tuple[int, bytes]], name: str, most: int) -> int:
    tag, content = _field(fields, name)
    number = int.from_bytes(content, "big", signed=True)
    if tag != _INTEGER or not content or not 0 <= number <= most:
        raise EndorsementFormatError(f"PCK certificate, field {name}: expected a number of 0 to {most}")
    return number
