"""What may be demanded of an SGX enclave?  Claims, Reference Values, and how they compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attestation import codes
from attestation.checks import Check, settled
from attestation.claims import Claims, TcbPolicy, source_of
from attestation.dcap.report import EnclaveReport
from attestation.kinds import Kind
from attestation.sgx.format import flag_names


def claims_of(report: EnclaveReport) -> Claims:
    """What an enclave's report says; nothing of the platform yet."""
    return Claims(
        kind=Kind.SGX,
        debuggable=report.debuggable,
        report_data=report.report_data,
        measurements={"mrenclave": report.mrenclave, "mrsigner": report.mrsigner},
        tcb_status=None,
        advisories=(),
        tcb_date=None,
        hardware_id="",
        details={
            "isvprodid": report.product_id,
            "isvsvn": report.svn,
            "configid": report.config_id.hex(),
            "configsvn": report.config_svn,
            "attributes": report.attributes.hex(),
            "flags": " ".join(flag_names(report)),
            "miscselect": report.misc_select.hex(),
            "cpusvn": report.cpu_svn.hex(),
        },
    )


@dataclass(frozen=True, slots=True)
class SgxReferenceValues:
    """What a manifest demands of an enclave.  None: not demanded.

    mrenclave, mrsigner: 32 bytes.  isvsvn: the lowest accepted.  debug: must equal the enclave's flag (MarbleRun
    contract, 2.3).  sources: field name, or "" for the whole, to where the demand stands.
    """

    mrenclave: bytes | None = None
    mrsigner: bytes | None = None
    isvprodid: int | None = None
    isvsvn: int | None = None
    debug: bool = False
    tcb: TcbPolicy = field(default_factory=TcbPolicy)
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """SGX."""
        return Kind.SGX

    def appraise(self, claims: Claims) -> tuple[Check, ...]:
        """Every demand with its outcome.  Values that name neither enclave nor signer are met by nothing."""
        checks = []
        for name, wanted in (("mrenclave", self.mrenclave), ("mrsigner", self.mrsigner)):
            if wanted is not None:
                found = claims.measurements[name]
                source = source_of(self.sources, name)
                checks.append(
                    settled(found == wanted, f"sgx.{name}", wanted.hex(), found.hex(), source, codes.MEASUREMENT)
                )
        if not checks:
            source = source_of(self.sources, "")
            expected = "a demand on mrenclave or mrsigner"
            checks.append(settled(False, "sgx.identity", expected, "none", source, codes.NOTHING_DEMANDED))
        product_id, svn = claims.details["isvprodid"], claims.details["isvsvn"]
        if self.isvprodid is not None:
            source = source_of(self.sources, "isvprodid")
            holds = product_id == self.isvprodid
            checks.append(
                settled(holds, "sgx.isvprodid", str(self.isvprodid), str(product_id), source, codes.MEASUREMENT)
            )
        if self.isvsvn is not None:
            source = source_of(self.sources, "isvsvn")
            holds = isinstance(svn, int) and svn >= self.isvsvn
            checks.append(settled(holds, "sgx.isvsvn", f">= {self.isvsvn}", str(svn), source, codes.SVN))
        return (
            *checks,
            settled(
                claims.debuggable == self.debug,
                "sgx.debug",
                "debug" if self.debug else "no debug",
                "debug" if claims.debuggable else "no debug",
                source_of(self.sources, "debug"),
                codes.DEBUG,
            ),
            *self.tcb.appraise(claims, self.sources),
        )
