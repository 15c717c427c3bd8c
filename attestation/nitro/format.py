"""What do the bytes of a Nitro attestation document say?

Source: AWS Nitro Enclaves NSM API, docs/attestation_process.md, 2.2 (document), 3 (COSE_Sign1 and syntactical checks).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from attestation.cbor import decode_map
from attestation.cose import ALGORITHMS, ES384, Sign1, parse_sign1
from attestation.errors import EvidenceFormatError

PCR_BYTES: Final = 48
MEASURED_AT_START: Final = (0, 1, 2)
"""PCR0 is the whole image, PCR1 kernel and boot, PCR2 the application; a debuggable enclave has zeros in them."""

_WHAT: Final = "Nitro document"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TIMESTAMP_MS: Final = 253_402_300_799_999  # the last millisecond of the year 9999
_MAX_CERTIFICATE_BYTES: Final = 1024
_MAX_CERTIFICATES: Final = 8
_OPTIONAL: Final = {"public_key": 1024, "user_data": 512, "nonce": 512}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Document:
    """An attestation document.

    module_id: instance and enclave.  pcrs: number to 48 bytes; 0, 1 and 2 are always there.  certificate: DER of the
    enclave's own; cabundle: DER of those above it, root first.  The last three are what the enclave asked to be in it.
    others: names of fields that we do not know; they are signed, and nothing relies on them.
    """

    envelope: Sign1
    module_id: str
    timestamp: datetime
    pcrs: Mapping[int, bytes]
    certificate: bytes
    cabundle: tuple[bytes, ...]
    public_key: bytes | None
    user_data: bytes | None
    nonce: bytes | None
    others: tuple[str, ...]

    @property
    def debuggable(self) -> bool:
        """One of PCR0 to 2 is zero, which no hash of an image is: the enclave was started with --debug-mode."""
        return any(not any(self.pcrs[i]) for i in MEASURED_AT_START)


def parse_document(raw: bytes) -> Document:
    """Read a document: an untagged COSE_Sign1 by ES384 with an empty unprotected header.  Nothing is trusted yet.

    Raises EvidenceFormatError.
    """
    envelope = parse_sign1(raw, _WHAT, tagged=False)
    if envelope.algorithm is not ALGORITHMS[ES384]:
        raise EvidenceFormatError(f"{_WHAT}: expected algorithm ES384, got {envelope.algorithm.name}")
    # Nitro hypervisors of 2025 write the map without its length in front.
    fields = decode_map(envelope.payload, _WHAT, indefinite=True)
    digest = _field(fields, "digest", str)
    if digest != "SHA384":
        raise EvidenceFormatError(f"{_WHAT}, digest: expected 'SHA384', got {digest!r:.40}")
    module_id = _field(fields, "module_id", str)
    if not 1 <= len(module_id) <= 256 or not module_id.isprintable():
        raise EvidenceFormatError(f"{_WHAT}, module_id: expected a short printable name, got {module_id!r:.40}")
    return Document(
        envelope=envelope,
        module_id=module_id,
        timestamp=_timestamp(fields),
        pcrs=_pcrs(fields),
        certificate=_certificate(_field(fields, "certificate", bytes), "certificate"),
        cabundle=_cabundle(fields),
        public_key=_optional(fields, "public_key"),
        user_data=_optional(fields, "user_data"),
        nonce=_optional(fields, "nonce"),
        others=tuple(sorted(str(name) for name in fields if name not in _KNOWN)),
    )


def _field(fields: Mapping[object, object], name: str, kind: type[_T]) -> _T:
    value = fields.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "nothing" if value is None else type(value).__name__
        raise EvidenceFormatError(f"{_WHAT}, {name}: expected {kind.__name__}, got {found}")
    return value


def _timestamp(fields: Mapping[object, object]) -> datetime:
    milliseconds = _field(fields, "timestamp", int)
    if not 0 < milliseconds <= _MAX_TIMESTAMP_MS:
        raise EvidenceFormatError(f"{_WHAT}, timestamp: expected milliseconds since 1970, got {milliseconds}")
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _pcrs(fields: Mapping[object, object]) -> Mapping[int, bytes]:
    found: dict[int, bytes] = {}
    registers = fields.get("pcrs")
    if not isinstance(registers, Mapping):
        raise EvidenceFormatError(f"{_WHAT}, pcrs: expected a map, got {type(registers).__name__}")
    for number, value in registers.items():
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 32:
            raise EvidenceFormatError(f"{_WHAT}, pcrs: expected numbers from 0 to 31, got {number!r:.40}")
        if not isinstance(value, bytes) or len(value) != PCR_BYTES:
            size = len(value) if isinstance(value, bytes) else type(value).__name__
            raise EvidenceFormatError(f"{_WHAT}, PCR{number}: expected {PCR_BYTES} bytes, got {size}")
        found[number] = value
    absent = [f"PCR{i}" for i in MEASURED_AT_START if i not in found]
    if absent:
        raise EvidenceFormatError(f"{_WHAT}, pcrs: expected PCR0, PCR1 and PCR2, got none for {', '.join(absent)}")
    return found


def _cabundle(fields: Mapping[object, object]) -> tuple[bytes, ...]:
    bundle = fields.get("cabundle")
    if not isinstance(bundle, (list, tuple)) or not 1 <= len(bundle) <= _MAX_CERTIFICATES:
        size = len(bundle) if isinstance(bundle, (list, tuple)) else type(bundle).__name__
        raise EvidenceFormatError(f"{_WHAT}, cabundle: expected 1 to {_MAX_CERTIFICATES} certificates, got {size}")
    return tuple(_certificate(item, f"cabundle {i}") for i, item in enumerate(bundle))


def _certificate(value: object, name: str) -> bytes:
    if not isinstance(value, bytes) or not 1 <= len(value) <= _MAX_CERTIFICATE_BYTES:
        size = len(value) if isinstance(value, bytes) else type(value).__name__
        raise EvidenceFormatError(f"{_WHAT}, {name}: expected 1 to {_MAX_CERTIFICATE_BYTES} bytes of DER, got {size}")
    return value


def _optional(fields: Mapping[object, object], name: str) -> bytes | None:
    value = fields.get(name)
    if value is not None and (not isinstance(value, bytes) or len(value) > _OPTIONAL[name]):
        size = len(value) if isinstance(value, bytes) else type(value).__name__
        raise EvidenceFormatError(f"{_WHAT}, {name}: expected at most {_OPTIONAL[name]} bytes, got {size}")
    return value


_KNOWN: Final = frozenset(
    {"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key", "user_data", "nonce"}
)
