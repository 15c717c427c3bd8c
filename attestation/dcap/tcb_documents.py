"""What do Intel's documents say?  TCB info and QE identity, bytes to frozen values; read after their signature.

Source: Intel PCS API v4 (and v3 for TCB info version 2), "Get TCB Info" and "Get Quoting Enclave Identity".
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from attestation.claims import TcbStatus
from attestation.errors import EndorsementFormatError
from attestation.kinds import Kind

T = TypeVar("T")
Svn = Annotated[int, Meta(ge=0, le=65535)]


class Hex(bytes):
    """Bytes that stand in a document as hex digits."""


@dataclass(frozen=True, slots=True)
class Level:
    """One TCB level: at least these SVNs (16 components each, tdx None for SGX) have this status."""

    sgx: tuple[int, ...]
    tdx: tuple[int, ...] | None
    pce_svn: int
    status: TcbStatus
    date: datetime
    advisories: tuple[str, ...]


class SvnOnly(Struct, frozen=True):
    """`tcb` of QE identities and TDX module identities."""

    isvsvn: Svn


class SvnLevel(Struct, frozen=True, rename="camel"):
    """A level of a QE identity or TDX module identity."""

    tcb: SvnOnly
    tcb_date: datetime
    tcb_status: TcbStatus
    advisories: tuple[str, ...] = field(default=(), name="advisoryIDs")


class TdxModule(Struct, frozen=True, rename="camel"):
    """Who signs a TDX module, and the attributes that it must have.  id and levels: of module identities only."""

    mrsigner: Hex
    attributes: Hex
    attributes_mask: Hex
    id: str = ""
    tcb_levels: tuple[SvnLevel, ...] = ()


class QeIdentity(Struct, frozen=True, rename="camel"):
    """Intel's description of a quoting enclave."""

    id: str
    version: int
    issue_date: datetime
    next_update: datetime
    miscselect: Hex
    miscselect_mask: Hex
    attributes: Hex
    attributes_mask: Hex
    mrsigner: Hex
    isvprodid: Svn
    tcb_levels: tuple[SvnLevel, ...]


@dataclass(frozen=True, slots=True)
class TcbInfo:
    """Intel's TCB levels for one FMSPC, best first.  fmspc 6, pce_id 2 bytes."""

    kind: Kind
    issue_date: datetime
    next_update: datetime
    fmspc: bytes
    pce_id: bytes
    evaluation_number: int
    levels: tuple[Level, ...]
    tdx_module: TdxModule | None
    tdx_module_identities: tuple[TdxModule, ...]


def parse_tcb_info(raw: bytes) -> TcbInfo:
    """TCB info of version 2 or 3.  Raises EndorsementFormatError."""
    wire = _decode(raw, _TcbInfo, "TCB info")
    if wire.version not in (2, 3) or wire.id not in ("SGX", "TDX"):
        raise EndorsementFormatError(f"TCB info: expected version 2 or 3 for SGX or TDX, got {wire.version}, {wire.id}")
    kind = Kind(wire.id.lower())
    if kind is Kind.TDX and wire.tdx_module is None:
        raise EndorsementFormatError("TCB info: expected tdxModule for TDX")
    return TcbInfo(
        kind=kind,
        issue_date=wire.issue_date,
        next_update=wire.next_update,
        fmspc=wire.fmspc,
        pce_id=wire.pce_id,
        evaluation_number=wire.tcb_evaluation_data_number,
        levels=tuple(_level(level, wire.version, kind) for level in wire.tcb_levels),
        tdx_module=wire.tdx_module,
        tdx_module_identities=wire.tdx_module_identities,
    )


def parse_qe_identity(raw: bytes) -> QeIdentity:
    """QE identity of version 2.  Raises EndorsementFormatError."""
    identity = _decode(raw, QeIdentity, "QE identity")
    if identity.version != 2:
        raise EndorsementFormatError(f"QE identity: expected version 2, got {identity.version}")
    return identity


class _Level(Struct, frozen=True, rename="camel"):
    """A TCB level as it stands in the document; the names inside `tcb` depend on the version."""

    tcb: dict[str, Any]
    tcb_date: datetime
    tcb_status: TcbStatus
    advisories: tuple[str, ...] = field(default=(), name="advisoryIDs")


class _TcbInfo(Struct, frozen=True, rename="camel"):
    version: int
    issue_date: datetime
    next_update: datetime
    fmspc: Hex
    pce_id: Hex
    tcb_levels: tuple[_Level, ...]
    tcb_evaluation_data_number: int = 0
    id: str = "SGX"
    tdx_module: TdxModule | None = None
    tdx_module_identities: tuple[TdxModule, ...] = ()


class _Component(Struct, frozen=True):
    svn: Annotated[int, Meta(ge=0, le=255)]


def _level(level: _Level, version: int, kind: Kind) -> Level:
    tdx = _components(level.tcb.get("tdxtcbcomponents")) if kind is Kind.TDX else None
    if version == 2:
        sgx = _components([{"svn": level.tcb.get(f"sgxtcbcomp{i:02}svn")} for i in range(1, 17)])
    else:
        sgx = _components(level.tcb.get("sgxtcbcomponents"))
    pce_svn = level.tcb.get("pcesvn")
    if not isinstance(pce_svn, int):
        raise EndorsementFormatError(f"TCB info: expected a number as pcesvn, got {type(pce_svn).__name__}")
    return Level(sgx, tdx, pce_svn, level.tcb_status, level.tcb_date, level.advisories)


def _components(value: object) -> tuple[int, ...]:
    try:
        components = msgspec.convert(value, tuple[_Component, ...])
    except msgspec.ValidationError as error:
        raise EndorsementFormatError(f"TCB info, TCB components: {error}") from error
    if len(components) != 16:
        raise EndorsementFormatError(f"TCB info: expected 16 TCB components, got {len(components)}")
    return tuple(c.svn for c in components)


def _decode(raw: bytes, shape: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(raw, type=shape, dec_hook=_hex)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EndorsementFormatError(f"{what}: {error}") from error


def _hex(_: type, value: object) -> Hex:
    if not isinstance(value, str):
        raise ValueError(f"expected hex digits, got {type(value).__name__}")
    return Hex(bytes.fromhex(value))
