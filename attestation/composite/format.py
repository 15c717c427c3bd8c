"""What do the bytes of composite evidence say?  A processor's evidence and that of its GPUs, in one CMW collection.

    {"__cmwc_t": "2.25.928967267.4", "cpu": [media type, base64url, 4], "gpu-0": […], …}

The names are for people; what a part is, its media type and its bytes say.  Source: draft-ietf-rats-msg-wrap-23, 3.3.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

from attestation.cmw import encode_record, read_record
from attestation.errors import EvidenceFormatError
from attestation.evidence import MAX_COMPOSITE_BYTES, Evidence
from attestation.kinds import Kind
from attestation.starts import COLLECTION_TYPE
from attestation.strict_json import parse_json
from pki.oids import COMPOSITE_EVIDENCE

MAX_DEVICES: Final = 16
_PART_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Parts:
    """cpu: of any kind but GPUs and composites.  devices: of its GPUs, at least one, in the collection's order."""

    cpu: Evidence
    devices: tuple[Evidence, ...]


def encode_composite(parts: Parts) -> Evidence:
    """The collection of these parts."""
    collection: dict[str, object] = {COLLECTION_TYPE: COMPOSITE_EVIDENCE.dotted_string}
    collection["cpu"] = encode_record(parts.cpu)
    collection |= {f"gpu-{number}": encode_record(device) for number, device in enumerate(parts.devices)}
    return Evidence(Kind.COMPOSITE, json.dumps(collection, separators=(",", ":")).encode())


def parse_composite(raw: bytes) -> Parts:
    """Read a collection.

    Raises EvidenceFormatError unless it is one of our type, with one processor and 1 to 16 GPUs, each name once.
    """
    if len(raw) > MAX_COMPOSITE_BYTES:
        raise EvidenceFormatError(f"composite: expected at most {MAX_COMPOSITE_BYTES} bytes, got {len(raw)}")
    try:
        document = parse_json(raw)
    except ValueError as error:
        raise EvidenceFormatError(f"composite: expected JSON, got {error}") from error
    if not isinstance(document, dict) or document.get(COLLECTION_TYPE) != COMPOSITE_EVIDENCE.dotted_string:
        raise EvidenceFormatError(
            f"composite: expected a CMW collection of type {COMPOSITE_EVIDENCE.dotted_string}, got another"
        )
    evidence = [_part(name, record) for name, record in document.items() if name != COLLECTION_TYPE]
    cpus = [part for part in evidence if part.kind is not Kind.NVIDIA_GPU]
    devices = tuple(part for part in evidence if part.kind is Kind.NVIDIA_GPU)
    if len(cpus) != 1 or not 1 <= len(devices) <= MAX_DEVICES:
        raise EvidenceFormatError(
            f"composite: expected one processor and 1 to {MAX_DEVICES} GPUs, got {len(cpus)} and {len(devices)}"
        )
    return Parts(cpus[0], devices)


def _part(name: str, record: object) -> Evidence:
    if not _PART_NAME.fullmatch(name):
        raise EvidenceFormatError(f"composite: expected names of a-z, 0-9 and -, got {name!r:.40}")
    try:
        part = read_record(record)
    except EvidenceFormatError as error:
        raise EvidenceFormatError(f"composite /{name}: {error}") from error
    if part.kind is Kind.COMPOSITE:
        raise EvidenceFormatError(f"composite /{name}: expected a processor's or a GPU's evidence, got a composite")
    return part
