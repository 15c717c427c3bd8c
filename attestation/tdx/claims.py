"""What may be demanded of a TDX trust domain?  Claims, Reference Values, and how they compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attestation import codes
from attestation.checks import Check, settled
from attestation.claims import Claims, TcbPolicy, source_of
from attestation.kinds import Kind
from attestation.tdx.format import TdReport, attribute_names

_MEASUREMENT_BYTES = 48


def claims_of(report: TdReport) -> Claims:
    """What a trust domain's report says; nothing of the platform yet."""
    measurements = {
        "mrtd": report.mrtd,
        **{f"rtmr{i}": rtmr for i, rtmr in enumerate(report.rtmrs)},
        "mrseam": report.mrseam,
        "mrsignerseam": report.mrsignerseam,
        "mrconfigid": report.mrconfigid,
        "mrowner": report.mrowner,
        "mrownerconfig": report.mrownerconfig,
    }
    details: dict[str, str | int | bool] = {
        "tdattributes": report.attributes.hex(),
        "flags": " ".join(attribute_names(report)),
        "migratable": report.has("migratable"),
        "sept_ve_disable": report.has("sept-ve-disable"),
        "xfam": report.xfam.hex(),
        "seamattributes": report.seam_attributes.hex(),
        "tee_tcb_svn": report.tee_tcb_svn.hex(),
    }
    if report.mrservicetd:
        measurements["mrservicetd"] = report.mrservicetd
        details["tee_tcb_svn2"] = report.tee_tcb_svn2.hex()
    return Claims(
        kind=Kind.TDX,
        debuggable=report.debuggable,
        report_data=report.report_data,
        measurements=measurements,
        tcb_status=None,
        advisories=(),
        tcb_date=None,
        hardware_id="",
        details=details,
    )


@dataclass(frozen=True, slots=True)
class TdxReferenceValues:
    """What a manifest demands of a trust domain.  None: not demanded.

    Measurements are 48 bytes each; rtmrs: number (0 to 3) to value.  debug: must equal the TD's flag.
    mrservicetd: None demands that no service TD is bound, since it could move the TD to another machine.
    sources: field name (`rtmr0` for a register), or "" for the whole, to where the demand stands.
    """

    mrtd: bytes | None = None
    rtmrs: Mapping[int, bytes] = field(default_factory=dict)
    mrconfigid: bytes | None = None
    mrowner: bytes | None = None
    mrownerconfig: bytes | None = None
    debug: bool = False
    tcb: TcbPolicy = field(default_factory=TcbPolicy)
    sources: Mapping[str, str] = field(default_factory=dict)
    mrservicetd: bytes | None = None

    @property
    def kind(self) -> Kind:
        """TDX."""
        return Kind.TDX

    def appraise(self, claims: Claims) -> tuple[Check, ...]:
        """Every demand with its outcome.  Values that name no measurement of a program are met by nothing."""
        demands = {"mrtd": self.mrtd, **{f"rtmr{i}": value for i, value in sorted(self.rtmrs.items())}}
        demands |= {"mrconfigid": self.mrconfigid, "mrowner": self.mrowner, "mrownerconfig": self.mrownerconfig}
        checks = []
        for name, wanted in demands.items():
            if wanted is not None:
                found = claims.measurements[name]
                source = source_of(self.sources, name)
                checks.append(
                    settled(found == wanted, f"tdx.{name}", wanted.hex(), found.hex(), source, codes.MEASUREMENT)
                )
        if not checks:
            source, expected = source_of(self.sources, ""), "a demand on at least one measurement"
            checks.append(settled(False, "tdx.identity", expected, "none", source, codes.NOTHING_DEMANDED))
        return (
            *checks,
            settled(
                claims.debuggable == self.debug,
                "tdx.debug",
                "debug" if self.debug else "no debug",
                "debug" if claims.debuggable else "no debug",
                source_of(self.sources, "debug"),
                codes.DEBUG,
            ),
            *self._migration(claims),
            *self.tcb.appraise(claims, self.sources),
        )

    def _migration(self, claims: Claims) -> tuple[Check, Check]:
        """A TD that can be moved leaves the machine that its evidence speaks of.

        Source: Intel TDX module TD migration architecture specification (MIGRATABLE, service TD binding).
        """
        wanted = self.mrservicetd or bytes(_MEASUREMENT_BYTES)
        found = claims.measurements.get("mrservicetd", bytes(_MEASUREMENT_BYTES))
        source = source_of(self.sources, "mrservicetd")
        migratable = bool(claims.details["migratable"])
        allowed = self.mrservicetd is not None or not migratable
        return (
            settled(
                allowed,
                "tdx.migratable",
                "not migratable" if self.mrservicetd is None else "migratable by the named service TD, or not",
                "migratable" if migratable else "not migratable",
                source,
                codes.MIGRATION,
            ),
            settled(found == wanted, "tdx.service-td", wanted.hex(), found.hex(), source, codes.MIGRATION),
        )
