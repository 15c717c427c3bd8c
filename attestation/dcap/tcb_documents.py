"""What do Intel's documents say?  TCB info and QE identity, bytes to frozen values; read after their signature.

Source: Intel PCS API v4 (and v3 for TCB info version 2), "Get TCB Info" and "Get Quoting Enclave Identity".
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from attestation.claims import TcbStatus
from attestation.dcap.document import JsonObject
from attestation.errors import EndorsementFormatError
from attestation.kinds import Kind

_MAX_SVN: Final = 65535
_COMPONENTS: Final = 16


@dataclass(frozen=True, slots=True)
class Level:
    """One TCB level: at least these SVNs (16 components each, tdx None for SGX) have this status."""

    sgx: tuple[int, ...]
    tdx: tuple[int, ...] | None
    pce_svn: int
    status: TcbStatus
    date: datetime
    advisories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SvnLevel:
    """A level of a QE identity or TDX module identity: at least this ISVSVN has this status."""

    isvsvn: int
    tcb_date: datetime
    tcb_status: TcbStatus
    advisories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TdxModule:
    """Who signs a TDX module, and the attributes that it must have.  id and levels: of module identities only."""

    mrsigner: bytes
    attributes: bytes
    attributes_mask: bytes
    id: str
    tcb_levels: tuple[SvnLevel, ...]


@dataclass(frozen=True, slots=True)
class QeIdentity:
    """Intel's description of a quoting enclave."""

    id: str
    issue_date: datetime
    next_update: datetime
    miscselect: bytes
    miscselect_mask: bytes
    attributes: bytes
    attributes_mask: bytes
    mrsigner: bytes
    isvprodid: int
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
    document = JsonObject.parse(raw, "TCB info")
    version, name = document.number("version", 100), document.text("id", "SGX")
    if version not in (2, 3) or name not in ("SGX", "TDX"):
        raise EndorsementFormatError(f"TCB info: expected version 2 or 3 for SGX or TDX, got {version}, {name:.20}")
    kind = Kind(name.lower())
    if kind is Kind.TDX and "tdxModule" not in document:
        raise EndorsementFormatError("TCB info: expected tdxModule for TDX")
    return TcbInfo(
        kind=kind,
        issue_date=document.moment("issueDate"),
        next_update=document.moment("nextUpdate"),
        fmspc=document.hex("fmspc"),
        pce_id=document.hex("pceId"),
        evaluation_number=document.number("tcbEvaluationDataNumber", 2**31, 0),
        levels=tuple(_level(level, version, kind) for level in document.objects("tcbLevels")),
        tdx_module=_module(document.member("tdxModule")) if "tdxModule" in document else None,
        tdx_module_identities=tuple(_module(m) for m in document.objects("tdxModuleIdentities", [])),
    )


def parse_qe_identity(raw: bytes) -> QeIdentity:
    """QE identity of version 2.  Raises EndorsementFormatError."""
    document = JsonObject.parse(raw, "QE identity")
    if (version := document.number("version", 100)) != 2:
        raise EndorsementFormatError(f"QE identity: expected version 2, got {version}")
    return QeIdentity(
        id=document.text("id"),
        issue_date=document.moment("issueDate"),
        next_update=document.moment("nextUpdate"),
        miscselect=document.hex("miscselect"),
        miscselect_mask=document.hex("miscselectMask"),
        attributes=document.hex("attributes"),
        attributes_mask=document.hex("attributesMask"),
        mrsigner=document.hex("mrsigner"),
        isvprodid=document.number("isvprodid", _MAX_SVN),
        tcb_levels=tuple(_svn_level(level) for level in document.objects("tcbLevels")),
    )


def _level(level: JsonObject, version: int, kind: Kind) -> Level:
    tcb = level.member("tcb")
    if version == 2:
        sgx = tuple(tcb.number(f"sgxtcbcomp{i:02}svn", 255) for i in range(1, _COMPONENTS + 1))
    else:
        sgx = _components(tcb, "sgxtcbcomponents")
    return Level(
        sgx=sgx,
        tdx=_components(tcb, "tdxtcbcomponents") if kind is Kind.TDX else None,
        pce_svn=tcb.number("pcesvn", _MAX_SVN),
        status=level.one_of("tcbStatus", TcbStatus),
        date=level.moment("tcbDate"),
        advisories=level.texts("advisoryIDs"),
    )


def _components(tcb: JsonObject, name: str) -> tuple[int, ...]:
    components = tuple(component.number("svn", 255) for component in tcb.objects(name))
    if len(components) != _COMPONENTS:
        raise EndorsementFormatError(f"TCB info: expected {_COMPONENTS} TCB components, got {len(components)}")
    return components


def _svn_level(level: JsonObject) -> SvnLevel:
    return SvnLevel(
        isvsvn=level.member("tcb").number("isvsvn", _MAX_SVN),
        tcb_date=level.moment("tcbDate"),
        tcb_status=level.one_of("tcbStatus", TcbStatus),
        advisories=level.texts("advisoryIDs"),
    )


def _module(module: JsonObject) -> TdxModule:
    return TdxModule(
        mrsigner=module.hex("mrsigner"),
        attributes=module.hex("attributes"),
        attributes_mask=module.hex("attributesMask"),
        id=module.text("id", ""),
        tcb_levels=tuple(_svn_level(level) for level in module.objects("tcbLevels", [])),
    )
