"""How well patched is the platform?  Intel's tables, applied to a machine, its quoting enclave and TDX module.

Source: Intel PCS API v4, the algorithms under "Get TCB Info" and "Get Quoting Enclave Identity".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from attestation import codes
from attestation.checks import Check, settled
from attestation.claims import TcbStatus
from attestation.dcap.pck import PckPlatform
from attestation.dcap.report import EnclaveReport
from attestation.dcap.tcb_documents import Level, QeIdentity, SvnLevel, TcbInfo
from attestation.kinds import Kind

SPECIFICATION: Final = "Intel PCS API v4"


@dataclass(frozen=True, slots=True)
class TdxTcb:
    """What a TD report says about the platform.  tee_tcb_svn2: of the module that runs now; empty in TD 1.0."""

    tee_tcb_svn: bytes
    mrsignerseam: bytes
    seam_attributes: bytes
    tee_tcb_svn2: bytes


@dataclass(frozen=True, slots=True)
class TcbFindings:
    """The platform's status, merged from platform, quoting enclave and TDX module.

    details: statuses of the parts.  checks: those that tell whether quoting enclave and module are Intel's (they
    belong to "genuine"); level: whether any TCB level applies (it belongs to policy).
    """

    status: TcbStatus
    advisories: tuple[str, ...]
    date: datetime | None
    evaluation_number: int
    details: Mapping[str, str]
    checks: tuple[Check, ...]
    level: Check


def assess(
    info: TcbInfo, identity: QeIdentity, platform: PckPlatform, enclave: EnclaveReport, td: TdxTcb | None
) -> TcbFindings:
    """Apply TCB info and QE identity to a machine, its quoting enclave and, for TDX, its module."""
    level = _match(info, platform, td.tee_tcb_svn if td else None)
    enclave_level = _svn_level(identity.tcb_levels, enclave.svn)
    parts = [("platform_status", level.status if level else TcbStatus.NOT_SUPPORTED)]
    parts.append(("qe_status", enclave_level.tcb_status if enclave_level else TcbStatus.NOT_SUPPORTED))
    advisories = [*(level.advisories if level else ()), *(enclave_level.advisories if enclave_level else ())]
    checks = [_platform_check(info, platform), *_enclave_checks(identity, enclave, info.kind)]
    details: dict[str, str] = {}
    if td is not None:
        module_check, module_status, module_level = _module(info, td, td.tee_tcb_svn, "tdx.module")
        checks.append(module_check)
        parts.append(("tdx_module_status", module_status))
        advisories += module_level.advisories if module_level else ()
        if td.tee_tcb_svn2:
            now_check, now_status, _ = _module(info, td, td.tee_tcb_svn2, "tdx.module-now")
            now_level = _match(info, platform, td.tee_tcb_svn2)
            checks.append(now_check)
            of_platform = now_level.status if now_level else TcbStatus.NOT_SUPPORTED
            details["tee_tcb_svn2_status"] = _merge(of_platform, now_status)
    status = parts[0][1]
    for _, other in parts[1:]:
        status = _merge(status, other)
    return TcbFindings(
        status=status,
        advisories=tuple(dict.fromkeys(advisories)),
        date=level.date if level else None,
        evaluation_number=info.evaluation_number,
        details=details | {name: part.value for name, part in parts},
        checks=tuple(checks),
        level=settled(
            status not in (TcbStatus.NOT_SUPPORTED, TcbStatus.REVOKED),
            "tcb.level",
            "a TCB level of the platform that is not revoked",
            "no TCB level applies to this platform" if status is TcbStatus.NOT_SUPPORTED else status.value,
            f"{SPECIFICATION}, Get TCB Info",
            codes.TCB_STATUS,
        ),
    )


def _match(info: TcbInfo, platform: PckPlatform, tee_tcb_svn: bytes | None) -> Level | None:
    """The first level that the machine reaches in every component."""
    for level in info.levels:
        if platform.pce_svn < level.pce_svn or not _reaches(platform.components, level.sgx):
            continue
        if level.tdx is not None and tee_tcb_svn is not None:
            # From TDX module version 1 on, bytes 0 and 1 are judged by the module's own identity.
            start = 2 if tee_tcb_svn[1] > 0 else 0
            if not _reaches(tuple(tee_tcb_svn[start:]), level.tdx[start:]):
                continue
        return level
    return None


def _reaches(found: tuple[int, ...], demanded: tuple[int, ...]) -> bool:
    return all(have >= want for have, want in zip(found, demanded, strict=True))


def _svn_level(levels: tuple[SvnLevel, ...], svn: int) -> SvnLevel | None:
    return next((level for level in levels if svn >= level.isvsvn), None)


def _platform_check(info: TcbInfo, platform: PckPlatform) -> Check:
    return settled(
        (info.fmspc, info.pce_id) == (platform.fmspc, platform.pce_id),
        "tcb.platform",
        f"TCB info for FMSPC {platform.fmspc.hex()}, PCE-ID {platform.pce_id.hex()}",
        f"FMSPC {info.fmspc.hex()}, PCE-ID {info.pce_id.hex()}",
        f"{SPECIFICATION}, Get TCB Info",
        codes.PLATFORM_MISMATCH,
    )


def _enclave_checks(identity: QeIdentity, enclave: EnclaveReport, kind: Kind) -> list[Check]:
    """The quoting enclave against its identity; one check for each demand."""
    wanted_id = "TD_QE" if kind is Kind.TDX else "QE"
    misc_select = enclave.misc_select[::-1]
    demands = (
        ("id", wanted_id, identity.id, identity.id == wanted_id),
        ("mrsigner", identity.mrsigner.hex(), enclave.mrsigner.hex(), enclave.mrsigner == identity.mrsigner),
        ("isvprodid", str(identity.isvprodid), str(enclave.product_id), enclave.product_id == identity.isvprodid),
        (
            "miscselect",
            f"{identity.miscselect.hex()} under mask {identity.miscselect_mask.hex()}",
            misc_select.hex(),
            _equal_under_mask(misc_select, identity.miscselect, identity.miscselect_mask),
        ),
        (
            "attributes",
            f"{identity.attributes.hex()} under mask {identity.attributes_mask.hex()}",
            enclave.attributes.hex(),
            _equal_under_mask(enclave.attributes, identity.attributes, identity.attributes_mask),
        ),
        ("debug", "not debuggable", "debuggable" if enclave.debuggable else "not debuggable", not enclave.debuggable),
    )
    source = f"{SPECIFICATION}, Get Quoting Enclave Identity"
    return [
        settled(holds, f"qe.identity.{name}", expected, found, source, codes.QE_IDENTITY)
        for name, expected, found, holds in demands
    ]


def _module(info: TcbInfo, td: TdxTcb, svn: bytes, name: str) -> tuple[Check, TcbStatus, SvnLevel | None]:
    """The TDX module of these SVNs: is it Intel's, and what is its status.

    Module version 0 is described by `tdxModule` and has no levels of its own.
    """
    module, status, level = info.tdx_module, TcbStatus.UP_TO_DATE, None
    version = f"TDX_{svn[1]:02X}"
    if svn[1] > 0:
        module = next((m for m in info.tdx_module_identities if m.id.upper() == version), None)
        level = _svn_level(module.tcb_levels, svn[0]) if module else None
        status = level.tcb_status if level else TcbStatus.NOT_SUPPORTED
    if module is None:
        expected = "one of " + (", ".join(m.id for m in info.tdx_module_identities) or "no modules")
        holds, found = False, version
    else:
        expected = f"{version} signed by {module.mrsigner.hex()}, attributes {module.attributes.hex()}"
        found = f"{version} signed by {td.mrsignerseam.hex()}, attributes {td.seam_attributes.hex()}"
        holds = td.mrsignerseam == module.mrsigner and _equal_under_mask(
            td.seam_attributes, module.attributes, module.attributes_mask
        )
    source = f"{SPECIFICATION}, Get TCB Info, tdxModuleIdentities"
    return settled(holds, name, expected, found, source, codes.TDX_MODULE), status, level


def _equal_under_mask(found: bytes, wanted: bytes, mask: bytes) -> bool:
    if not len(found) == len(wanted) == len(mask):
        return False
    return all(f & m == w & m for f, w, m in zip(found, wanted, mask, strict=True))


def _merge(platform: TcbStatus, part: TcbStatus) -> TcbStatus:
    """The platform's status when a part of it (quoting enclave, TDX module) has its own.

    Source: Intel SGX/TDX DCAP quote verification library, "converge TCB status".
    """
    if TcbStatus.NOT_SUPPORTED in (platform, part):
        return TcbStatus.NOT_SUPPORTED
    if TcbStatus.REVOKED in (platform, part):
        return TcbStatus.REVOKED
    if part is TcbStatus.UP_TO_DATE:
        return platform
    if part is TcbStatus.OUT_OF_DATE:
        return _WITH_PART_OUT_OF_DATE[platform]
    return TcbStatus.NOT_SUPPORTED


_WITH_PART_OUT_OF_DATE: Final[Mapping[TcbStatus, TcbStatus]] = {
    TcbStatus.UP_TO_DATE: TcbStatus.OUT_OF_DATE,
    TcbStatus.SW_HARDENING_NEEDED: TcbStatus.OUT_OF_DATE,
    TcbStatus.CONFIGURATION_NEEDED: TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
    TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED: TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
    TcbStatus.OUT_OF_DATE: TcbStatus.OUT_OF_DATE,
    TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED: TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
}
