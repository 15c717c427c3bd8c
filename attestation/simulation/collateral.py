"""What a simulated Intel says about its platforms: TCB info and QE identity, with a level for every status."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from attestation.claims import TcbStatus
from attestation.kinds import Kind

FMSPC: Final = bytes.fromhex("f0f1f2f3f4f5")
PCE_ID: Final = bytes(2)
PCE_SVN: Final = 13
QE_SVN: Final = 4
QE_SIGNER: Final = bytes.fromhex("51" * 32)
QE_ATTRIBUTES: Final = bytes.fromhex("1100000000000000e700000000000000")
QE_PRODUCT: Final = {Kind.SGX: 1, Kind.TDX: 2}
TEE_TCB_SVN: Final = bytes([5, 1, 2]) + bytes(13)
_TCB_DATE: Final = "2026-01-01T00:00:00Z"

# First component of CPUSVN of a machine in each state; the levels of the TCB info are made from it, best first.
_SVN_OF_STATUS: Final[Mapping[TcbStatus, int]] = {
    TcbStatus.UP_TO_DATE: 16,
    TcbStatus.SW_HARDENING_NEEDED: 14,
    TcbStatus.CONFIGURATION_NEEDED: 12,
    TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED: 10,
    TcbStatus.OUT_OF_DATE: 8,
    TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED: 6,
    TcbStatus.REVOKED: 4,
    TcbStatus.NOT_SUPPORTED: 2,
}


def cpu_svn_of(status: TcbStatus) -> bytes:
    """CPUSVN (16 bytes) of a machine in this state."""
    return bytes([_SVN_OF_STATUS[status]] * 8) + bytes(8)


def tcb_info(kind: Kind, issued: datetime, ends: datetime) -> str:
    """TCB info version 3.  Every status but NotSupported, which is what no level matches, has a level."""
    levels = []
    for status in _SVN_OF_STATUS:
        if status is TcbStatus.NOT_SUPPORTED:
            continue
        tcb: dict[str, Any] = {"sgxtcbcomponents": _components(cpu_svn_of(status)), "pcesvn": PCE_SVN}
        if kind is Kind.TDX:
            tcb["tdxtcbcomponents"] = _components(TEE_TCB_SVN)
        level: dict[str, Any] = {"tcb": tcb, "tcbDate": _TCB_DATE, "tcbStatus": status.value}
        if status is not TcbStatus.UP_TO_DATE:
            level["advisoryIDs"] = ["SIM-SA-00001"]
        levels.append(level)
    document: dict[str, Any] = {"id": kind.value.upper(), "version": 3} | _dates(issued, ends)
    document |= {"fmspc": FMSPC.hex(), "pceId": PCE_ID.hex(), "tcbType": 0, "tcbEvaluationDataNumber": 18}
    if kind is Kind.TDX:
        signer: dict[str, Any] = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
        module_level: dict[str, Any] = {
            "tcb": {"isvsvn": TEE_TCB_SVN[0]},
            "tcbDate": _TCB_DATE,
            "tcbStatus": "UpToDate",
        }
        document["tdxModule"] = signer
        document["tdxModuleIdentities"] = [{"id": f"TDX_{TEE_TCB_SVN[1]:02X}", **signer, "tcbLevels": [module_level]}]
    return json.dumps(document | {"tcbLevels": levels}, separators=(",", ":"))


def qe_identity(kind: Kind, issued: datetime, ends: datetime) -> str:
    """QE identity version 2."""
    document: dict[str, Any] = {"id": "TD_QE" if kind is Kind.TDX else "QE", "version": 2} | _dates(issued, ends)
    level: dict[str, Any] = {"tcb": {"isvsvn": QE_SVN}, "tcbDate": _TCB_DATE, "tcbStatus": "UpToDate"}
    document |= {
        "tcbEvaluationDataNumber": 18,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": QE_ATTRIBUTES[:8].hex() + "00" * 8,
        "attributesMask": "FBFFFFFFFFFFFFFF" + "00" * 8,
        "mrsigner": QE_SIGNER.hex().upper(),
        "isvprodid": QE_PRODUCT[kind],
        "tcbLevels": [level],
    }
    return json.dumps(document, separators=(",", ":"))


def _components(svns: bytes) -> list[dict[str, int]]:
    return [{"svn": svn} for svn in svns]


def _dates(issued: datetime, ends: datetime) -> dict[str, str]:
    return {"issueDate": f"{issued:%Y-%m-%dT%H:%M:%SZ}", "nextUpdate": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}
