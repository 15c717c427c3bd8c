"""The table of docs/attestation.md: what of each platform was verified with recorded evidence, and what only with
simulated.  It is worked out by verifying everything, so it cannot say more than is so.

`python -m tests.support.attestation_table` writes it.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from attestation.anchors import TrustAnchors
from attestation.binding import Unbound
from attestation.checks import Status
from attestation.claims import TcbStatus
from attestation.endorsements import Endorsements
from attestation.evidence import Evidence, recognise
from attestation.kinds import Kind
from attestation.sev_snp.tcb import Product
from attestation.simulation.amd import Guest
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.nvidia_issue import endorsements as nvidia_endorsements
from attestation.verification import Verification
from attestation.verify import Verifier
from coordinator.cli.evidence_files import find_evidence
from tests.support.every_platform import Vendors, new_vendors

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "attestation.md"
VECTORS: Final = ROOT / "tests" / "vectors"
BEGIN, END = "<!-- table: begin (python -m tests.support.attestation_table) -->", "<!-- table: end -->"
EMULATED: Final = "FVP/emulator"
NOW: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """One piece of evidence that was verified.  name: of its folder; empty for simulated evidence.

    emulated: an emulator of the platform made it, with its vendor's formats and a test key.
    """

    name: str
    emulated: bool
    found: Verification

    def passed(self, *names: str) -> bool:
        status = {check.name: check.status for check in self.found.checks}
        return all(status.get(name) is Status.PASSED for name in names)

    def failed(self, name: str) -> bool:
        return any(check.name == name and check.status is Status.FAILED for check in self.found.checks)

    def says(self, claim: str, value: object = None) -> bool:
        """Genuine, and with this claim; without a value, with any that is not empty or zeros."""
        found = self.found.claims.details.get(claim)
        said = bool(str(found or "").strip("0x")) if value is None else found == value
        return self.found.genuine and said

    def measured(self, name: str) -> bool:
        """Genuine, and with this measurement, not zeros."""
        return self.found.genuine and any(self.found.claims.measurements.get(name, b""))

    @property
    def version(self) -> int:
        """Of a quote, if it is genuine."""
        return int.from_bytes(self.found.evidence.raw[:2], "little") if self.found.genuine else 0


@dataclass(frozen=True)
class Row:
    """shows: whether a case shows it."""

    kind: Kind
    what: str
    shows: Callable[[Case], bool]


def _status(status: TcbStatus) -> Callable[[Case], bool]:
    return lambda case: case.found.genuine and case.found.claims.tcb_status is status


def _debug(case: Case) -> bool:
    return case.found.genuine and case.found.claims.debuggable


def _intel(kind: Kind) -> Iterator[Row]:
    yield Row(kind, "PCK chain to Intel's root, both revocation lists", lambda c: c.passed("pck.chain", "pck.crl"))
    yield Row(kind, "QE report, binding of the attestation key", lambda c: c.passed(*_QE))
    yield Row(kind, "TCB info and QE identity: signatures, signers, dates", lambda c: c.passed(*_DOCUMENTS))
    for status in TcbStatus:
        if status is not TcbStatus.NOT_APPLICABLE:
            yield Row(kind, f"TCB status {status}", _status(status))
    yield Row(kind, "debug is seen", _debug)


_LOG: Final = ("tdx.event-log", *(f"tdx.event-log.rtmr{number}" for number in range(4)))
_QE: Final = ("qe.report-signature", "qe.attestation-key-binding")
_DOCUMENTS: Final = ("collateral.tcb-info-signature", "collateral.qe-identity-signature", "collateral.tcb-info-dates")
_SNP_CHAIN: Final = ("sev-snp.chain", "sev-snp.roles", "sev-snp.chip-id", "sev-snp.tcb", "sev-snp.signature")
_TPM: Final = ("azure-vtpm.runtime-data", "azure-vtpm.quote-signature", "azure-vtpm.pcr-digest")
_RIMS: Final = ("rim.driver.signature", "rim.driver.chain", "rim.vbios.signature", "gpu.measurements")
ROWS: Final = (
    *(Row(Kind.SGX, f"quote version {n}", lambda c, n=n: c.version == n) for n in (3, 4, 5)),
    Row(Kind.SGX, "MRENCLAVE and MRSIGNER", lambda c: c.measured("mrenclave") and c.measured("mrsigner")),
    *_intel(Kind.SGX),
    *(Row(Kind.TDX, f"quote version {n}", lambda c, n=n: c.version == n) for n in (4, 5)),
    Row(Kind.TDX, "MRTD, RTMRs", lambda c: c.measured("mrtd") and c.measured("rtmr0")),
    Row(Kind.TDX, "event log (CCEL) replayed into the RTMRs", lambda c: c.passed(*_LOG)),
    Row(Kind.TDX, "TDX module's identity", lambda c: c.passed("tdx.module")),
    Row(Kind.TDX, "TD 1.5: the module that runs now", lambda c: c.passed("tdx.module-now")),
    Row(Kind.TDX, "a service TD (MRSERVICETD)", lambda c: c.measured("mrservicetd")),
    Row(Kind.TDX, "SEPT_VE_DISABLE is missing", lambda c: c.says("sept_ve_disable", False)),
    *_intel(Kind.TDX),
    *(Row(Kind.SEV_SNP, f"report version {n}", lambda c, n=n: c.says("report_version", n)) for n in (2, 3, 5)),
    *(Row(Kind.SEV_SNP, p.value, lambda c, p=p: c.says("product", p.value)) for p in Product),
    *(Row(Kind.SEV_SNP, f"signed by a {k}", lambda c, k=k: c.says("signing_key", k)) for k in ("VCEK", "VLEK")),
    Row(Kind.SEV_SNP, "chain to AMD's root, chip and patch level of the certificate", lambda c: c.passed(*_SNP_CHAIN)),
    Row(Kind.SEV_SNP, "a certificate of another chip is refused", lambda c: c.failed("sev-snp.chip-id")),
    Row(Kind.SEV_SNP, "AMD's revocation list", lambda c: c.passed("sev-snp.crl")),
    Row(Kind.SEV_SNP, "certificate table of an extended report", lambda c: len(c.found.evidence.raw) > 1184),
    Row(Kind.SEV_SNP, "host data", lambda c: c.measured("host_data")),
    Row(Kind.SEV_SNP, "ID block: digest of its key", lambda c: c.measured("id_key_digest")),
    Row(Kind.SEV_SNP, "platform: alias check complete", lambda c: _flag(c, "alias-check-complete")),
    Row(Kind.SEV_SNP, "platform: ciphertext hiding", lambda c: _flag(c, "ciphertext-hiding")),
    Row(Kind.SEV_SNP, "debug is seen", _debug),
    Row(Kind.NITRO, "document, certificates to AWS's root", lambda c: c.passed("nitro.signature", "nitro.chain")),
    Row(Kind.NITRO, "PCR0 to PCR2", lambda c: all(c.measured(f"pcr{n}") for n in range(3))),
    Row(Kind.NITRO, "PCR8 (a signed image)", lambda c: c.measured("pcr8")),
    Row(Kind.NITRO, "nonce", lambda c: c.says("nonce")),
    Row(Kind.NITRO, "user data", lambda c: c.says("user_data")),
    Row(Kind.NITRO, "debug is seen (PCRs of zeros)", _debug),
    Row(Kind.CCA, "platform and realm token, profile of 2023", lambda c: c.says("profile", _CCA_2023)),
    Row(Kind.CCA, "the same in the legacy profile", lambda c: c.says("realm_profile", "legacy")),
    Row(Kind.CCA, "RIM, REMs", lambda c: c.measured("rim")),
    Row(Kind.CCA, "a realm of another platform is refused", lambda c: c.failed("cca.realm-binding")),
    Row(Kind.NVIDIA_GPU, "Hopper: measurements, chain to NVIDIA's root", lambda c: c.says("model", "GH100")),
    Row(Kind.NVIDIA_GPU, "NVSwitch: the same", lambda c: c.says("device", "nvswitch")),
    Row(Kind.NVIDIA_GPU, "RIMs of driver and VBIOS: signatures, every value", lambda c: c.passed(*_RIMS)),
    Row(Kind.NVIDIA_GPU, "a wrong signature is refused", lambda c: c.failed("gpu.signature")),
    Row(Kind.NVIDIA_GPU, "OCSP answers for the device", lambda c: c.passed("gpu.revocation")),
    Row(
        Kind.AZURE_VTPM, "SEV-SNP, key of the vTPM, its quote and PCRs", lambda c: c.passed(*_TPM, "sev-snp.signature")
    ),
    Row(Kind.AZURE_VTPM, "TDX, the vTPM's key, quote and PCRs", lambda c: c.passed(*_TPM, "quote.signature")),
    Row(Kind.AZURE_VTPM, "the same, with Intel's collateral", lambda c: c.passed("tdx.module") and c.found.genuine),
    Row(Kind.COMPOSITE, "a processor and its GPU, bound by the nonce", lambda c: c.found.genuine),
)
_CCA_2023: Final = "tag:arm.com,2023:cca_platform#1.0.0"


def _flag(case: Case, name: str) -> bool:
    return case.found.genuine and name in str(case.found.claims.details.get("platform_flags", "")).split()


@cache
def recorded() -> tuple[Case, ...]:
    """Everything in tests/vectors, verified at its time with the genuine roots."""
    cases = []
    for folder in sorted(path.parent for path in VECTORS.glob("*/*/case.json")):
        facts = json.loads((folder / "case.json").read_text())
        if folder.parent.name == "ear":
            continue
        at = str(facts.get("verify_at") or "any").split()[0]
        found = find_evidence(folder)
        verifier = Verifier(TrustAnchors.genuine(), found.endorsements)
        now = datetime.fromisoformat("2025-01-01T00:00:00+00:00" if at == "any" else at)
        emulated = EMULATED in str(facts.get("note", facts))
        cases.append(Case(folder.name, emulated, verifier.verify(found.evidence, Unbound(), now=now)))
        cases += [Case(f"{folder.name}/{leaf.name}", emulated, f) for leaf, f in _other_leaves(folder, now)]
    return tuple(cases)


def _other_leaves(folder: Path, now: datetime) -> Iterator[tuple[Path, Verification]]:
    """Recorded certificates of other chips, which lie beside a report to be refused with it."""
    for leaf in sorted(folder.glob("vcek-invalid-*.der")):
        files = {path.name: path.read_bytes() for path in folder.glob("a*.der")} | {"vcek.der": leaf.read_bytes()}
        evidence = recognise((folder / "report.bin").read_bytes())
        yield leaf, Verifier(TrustAnchors.genuine(), Endorsements(files=files)).verify(evidence, Unbound(), now=now)


@cache
def simulated() -> tuple[Case, ...]:
    """Evidence of simulated vendors for what no recorded evidence shows."""
    vendors = new_vendors(NOW)
    verifier, data = vendors.verifier(), bytes(range(64))
    evidence = [vendors.evidence(kind, data) for kind in Kind]
    evidence += list(_quotes(vendors, data))
    extended = vendors.amd.chip.report(Guest(bytes(48), id_key_digest=b"\1" * 48), data, extended=True)
    hiding = Guest(bytes(48), platform=frozenset({"ciphertext-hiding"}))
    evidence += [extended, vendors.amd.chip.report(hiding, data)]
    found = [verifier.verify(one, Unbound(), now=NOW) for one in evidence]
    with_list = vendors.amd.endorsements(vendors.amd.chip, (vendors.amd.crl(),)).to_json()
    answers = [*vendors.nvidia.ocsp_responses(vendors.nvidia.gpu.chain, NOW)]
    answers += vendors.nvidia.ocsp_responses(vendors.nvidia.rim_chain, NOW)
    sections = {
        Kind.SEV_SNP: tuple(with_list),
        Kind.NVIDIA_GPU: tuple(nvidia_endorsements(vendors.nvidia, responses=answers).to_json()),
    }
    other = Verifier(vendors.anchors, replace(vendors.endorsements, sections=sections))
    again = (vendors.evidence(kind, data) for kind in sections)
    found += [other.verify(one, Unbound(), now=NOW) for one in again]
    return tuple(Case("", False, one) for one in found)


def _quotes(vendors: Vendors, data: bytes) -> Iterator[Evidence]:
    """Of every version, on machines of every patch level."""
    enclave = Enclave(b"\1" * 32, b"\2" * 32)
    for status in (s for s in TcbStatus if s is not TcbStatus.NOT_APPLICABLE):
        machine = vendors.intel.new_machine(status)
        yield QuotingEnclave(machine, Kind.SGX).quote_enclave(enclave, data)
        yield QuotingEnclave(machine, Kind.TDX).quote_trust_domain(TrustDomain(bytes(48)), data)
    for version in (4, 5):
        yield QuotingEnclave(vendors.intel.machine, Kind.SGX).quote_enclave(enclave, data, version)


def table() -> str:
    """The table.  Raises AssertionError for a row that nothing shows."""
    lines = ["| platform | what | recorded evidence | otherwise |", "|---|---|---|---|"]
    for row in ROWS:
        shown = [case for case in recorded() if case.found.evidence.kind is row.kind and row.shows(case)]
        if shown:
            names = ", ".join(_short(case.name) for case in shown[:3]) + (
                f" and {len(shown) - 3} more" if shown[3:] else ""
            )
            words = "of an emulator: " if all(case.emulated for case in shown) else ""
            lines.append(f"| {row.kind} | {row.what} | {words}{names} | |")
            continue
        made = [case for case in simulated() if case.found.evidence.kind is row.kind and row.shows(case)]
        assert made, f"{row.kind}, {row.what}: neither recorded nor simulated evidence shows it"
        lines.append(f"| {row.kind} | {row.what} | – | simulated alone |")
    return "\n".join(lines)


def page() -> str:
    """The page with the table as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


def _short(name: str) -> str:
    """`tdx-01-v4-uptodate` is known as tdx-01, `06-genoa-v5` as 06-genoa."""
    return "-".join(name.partition("/")[0].split("-")[:2]) + ("*" if "/" in name else "")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
