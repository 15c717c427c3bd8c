"""Init-data: what a confidential virtual machine is told at launch, and the digest of it that its Evidence holds.

The host delivers the document and gives its digest to the hardware, before anything of the guest runs; whoever knows
the document knows what the Evidence must say.  It is not secret.
Source: Initdata Specification of Confidential Containers (trustee, kbs/docs/initdata.md), in TOML.  The digest is that
of Kata Containers 3 (src/libs/kata-types/src/initdata.rs): over the document's bytes as they stand, and not, as the
specification says too, over a canonical form of its data; cut, or filled with zeros, to the field's length.
"""

import base64
import binascii
import gzip
import hashlib
import re
import tomllib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from attestation.claims import Claims
from attestation.errors import AttestationError
from attestation.kinds import Kind

ANNOTATION: Final = "io.katacontainers.config.hypervisor.cc_init_data"
"""The pod's annotation that Kata's runtime reads: base64 of gzip of the document."""
ANNOTATIONS: Final = (ANNOTATION, "io.katacontainers.config.runtime.cc_init_data")
"""The same under its name in older peer pods too."""
LARGEST_DOCUMENT: Final = 1024 * 1024
LARGEST_ANNOTATION: Final = 256 * 1024
"""Kubernetes takes no more in all annotations of an object (TotalAnnotationSizeLimitB)."""
VERSION: Final = "0.1.0"
ALGORITHMS: Final = ("sha256", "sha384", "sha512")


@dataclass(frozen=True, slots=True)
class HostField:
    """Where a platform's Evidence holds the digest.

    section, key: of reference values.  claim: name of the claim.  length: bytes.
    """

    section: str
    key: str
    claim: str
    length: int


FIELDS: Final[Mapping[Kind, HostField]] = {
    Kind.TDX: HostField("TDX", "MRConfigID", "mrconfigid", 48),
    Kind.SEV_SNP: HostField("SEVSNP", "HostData", "host_data", 32),
    Kind.CCA: HostField("CCA", "RPV", "rpv", 64),
}


class InitDataInvalid(AttestationError):
    """This is no init-data: the text says what was expected and found."""


@dataclass(frozen=True, slots=True)
class InitData:
    """document: the bytes that are measured.  algorithm: one of ALGORITHMS.  data: name -> text."""

    document: bytes
    algorithm: str
    data: Mapping[str, str]

    def digest(self, length: int) -> bytes:
        """What Evidence holds of it in a field of `length` bytes."""
        return hashlib.new(self.algorithm, self.document).digest()[:length].ljust(length, b"\0")


def told_in(claims: Claims) -> bytes | None:
    """What the host gave at launch, as Evidence holds it: zeros for nothing; None where it has no place for that.

    Of composite Evidence: the processor's.
    """
    for kind, field in FIELDS.items():
        name = {kind: field.claim, Kind.COMPOSITE: f"{kind}.{field.claim}"}.get(claims.kind, "")
        if (measured := claims.measurements.get(name)) is not None:
            return measured
        if isinstance(text := claims.details.get(name), str):
            return bytes.fromhex(text)
    return None


def parse_init_data(document: bytes) -> InitData:
    """Read a document; keys that nobody knows are kept in `data`, and left out beside it.  Raises InitDataInvalid."""
    if len(document) > LARGEST_DOCUMENT:
        raise InitDataInvalid(f"init-data: expected at most {LARGEST_DOCUMENT} bytes, got {len(document)}")
    try:
        root = read_toml(document.decode("utf-8"), "init-data")
    except UnicodeDecodeError as cause:
        raise InitDataInvalid(f"init-data: expected TOML, got: {cause}") from cause
    if root.get("version") != VERSION:
        raise InitDataInvalid(f"init-data: version: expected {VERSION!r}, got {_shown(root.get('version'))}")
    algorithm, data = root.get("algorithm"), root.get("data")
    if algorithm not in ALGORITHMS:
        raise InitDataInvalid(f"init-data: algorithm: expected {' or '.join(ALGORITHMS)}, got {_shown(algorithm)}")
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise InitDataInvalid("init-data: data: expected a table of texts, got something else")
    return InitData(document, algorithm, data)


def read_toml(text: str, name: str) -> dict[str, Any]:
    """TOML of strangers, for whose long dotted keys Python's reader needs time that grows with their square.

    name: for the message.  Raises InitDataInvalid.
    """
    if _DOTTED.search(text):
        raise InitDataInvalid(f"{name}: expected names of at most {_MOST_PARTS} parts with dots between, got more")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as cause:
        raise InitDataInvalid(f"{name}: expected TOML, got: {str(cause)[:200]}") from cause


def make_init_data(data: Mapping[str, str], algorithm: str = "sha256") -> InitData:
    """The document with these texts: the same for the same texts, in whatever order they come.

    It is written as Rust's toml crate would write it, since older runtimes of Kata in Rust read and write it again
    before they take the digest.  Raises InitDataInvalid for texts that TOML cannot hold, or that are too large.
    """
    lines = [f"version = '{VERSION}'", f"algorithm = '{algorithm}'", "", "[data]"]
    lines += [f"{_key(name)} = {toml_text(data[name])}" for name in sorted(data)]
    try:
        document = ("\n".join(lines) + "\n").encode("utf-8")
    except UnicodeEncodeError as cause:
        raise InitDataInvalid("init-data: expected Unicode text, got a lone surrogate") from cause
    return parse_init_data(document)


def to_annotation(init_data: InitData) -> str:
    """The annotation's value; the same document has the same one.  Raises InitDataInvalid if a pod cannot carry it."""
    text = base64.b64encode(gzip.compress(init_data.document, mtime=0)).decode()
    if len(text) > LARGEST_ANNOTATION:
        raise InitDataInvalid(f"init-data: expected at most {LARGEST_ANNOTATION} characters packed, got {len(text)}")
    return text


def from_annotation(text: str) -> InitData:
    """Read an annotation's value.  Raises InitDataInvalid."""
    if len(text) > LARGEST_ANNOTATION:
        raise InitDataInvalid(f"init-data: expected at most {LARGEST_ANNOTATION} characters packed, got {len(text)}")
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        document = unpacker.decompress(base64.b64decode(text, validate=True), LARGEST_DOCUMENT + 1)
    except (binascii.Error, ValueError, zlib.error) as cause:
        raise InitDataInvalid("init-data: expected base64 of gzip, got something else") from cause
    if len(document) <= LARGEST_DOCUMENT and (not unpacker.eof or unpacker.unused_data):
        raise InitDataInvalid("init-data: expected one whole gzip member, got less or more")
    return parse_init_data(document)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _escaped(name)


def toml_text(value: str) -> str:
    """A literal where TOML allows one, since people read these documents; else with escapes."""
    if "'''" in value or value.endswith("'") or _CONTROL.search(value):
        return _escaped(value)
    if "\n" in value:
        return f"'''\n{value}'''"
    return _escaped(value) if "'" in value else f"'{value}'"


def _escaped(value: str) -> str:
    return '"' + _NEEDS_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", value) + '"'


def _shown(value: object) -> str:
    return "nothing" if value is None else ascii(value)[:60]


_GZIP: Final = 31
_MOST_PARTS: Final = 32
_DOTTED: Final = re.compile(
    rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{_MOST_PARTS}}}""", re.ASCII
)
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_NEEDS_ESCAPE: Final = re.compile(r'[\x00-\x1f\x7f"\\]')
