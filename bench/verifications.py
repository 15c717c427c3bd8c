"""What does it cost to verify evidence of each platform?  Cold, of a machine never seen, and of one that is known.

cold: a verifier is made from parsed endorsements, and verifies once.  new machine: the verifier has read its
endorsements (Intel's collateral is verified), and sees the machine's certificates for the first time.  known machine:
it has seen them, as for most activations.  Evidence is recorded from real hardware (CCA: Arm's emulator), from
tests/vectors, but for Intel's new machines, of which there must be many: they are simulated, on the same curves.
"""

import importlib.util
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from attestation.anchors import TrustAnchors
from attestation.binding import Unbound
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.vendor import new_vendor
from attestation.verify import Verifier
from bench.figures import Verification
from bench.unit import UnitMeter
from coordinator.cli.evidence_files import find_evidence

_VECTORS: Final = Path(__file__).parents[1] / "tests" / "vectors"
_FOLDERS: Final[Mapping[str, str]] = {
    "sgx": "dcap/sgx-02-swhardening-platform-ca",
    "tdx": "dcap/tdx-01-v4-uptodate",
    "sev-snp": "sev_snp/06-genoa-v5",
    "nitro": "nitro/07-prod-2025",
    "cca": "cca/01-draft-ffm-profile-2023",
    "nvidia-gpu": "nvidia_gpu/01-hopper-h100-550.90.07-rims",
    "azure-vtpm": "azure_vtpm/02-snp-genoa-v3",
}
_COLD_SHARE: Final = 4
_REFERENCE: Final = "dcap-qvl"


def measure_verifications(count: int, unit: UnitMeter) -> list[Verification]:
    """One row for each platform.  count: verifications of a known machine; of the others a quarter of it."""
    return [_platform(kind, _VECTORS / folder, count, unit) for kind, folder in _FOLDERS.items()]


def _platform(kind: str, folder: Path, count: int, unit: UnitMeter) -> Verification:
    found = find_evidence(folder)
    at = str(json.loads((folder / "case.json").read_text()).get("verify_at") or "any").split()[0]
    now = datetime.fromisoformat("2025-01-01T00:00:00+00:00" if at == "any" else at)
    anchors, first_sample, few = TrustAnchors.genuine(), len(unit.samples), max(count // _COLD_SHARE, 5)

    def ask(verifier: Verifier) -> None:
        assert verifier.verify(found.evidence, Unbound(), now=now).genuine, f"{folder.name} is not genuine"

    unit.sample()
    cold = _median(lambda: ask(Verifier(anchors, found.endorsements)), few)
    if kind in (Kind.SGX, Kind.TDX):
        new_machine = _new_intel(Kind(kind), few)
    else:
        fresh = iter([_opened(Verifier(anchors, found.endorsements), found.evidence.kind) for _ in range(few)])
        new_machine = _median(lambda: ask(next(fresh)), few)
    known = Verifier(anchors, found.endorsements)
    ask(known)
    warm = _median(lambda: ask(known), count)
    unit.sample()
    reference = _reference(found.evidence, folder, now, few) if kind in (Kind.SGX, Kind.TDX) else None
    return Verification(
        kind=kind,
        cpu_ms=warm,
        units=warm / unit.milliseconds(first_sample),
        cold_ms=cold,
        new_machine_ms=new_machine,
        reference=_REFERENCE if reference is not None else "",
        reference_ms=reference,
    )


def _opened(verifier: Verifier, kind: Kind) -> Verifier:
    """The same, which has read its endorsements for this kind: for evidence that is none."""
    verifier.verify(Evidence(kind, b""), Unbound(), now=datetime(2025, 1, 1, tzinfo=UTC))
    return verifier


def _new_intel(kind: Kind, count: int) -> float:
    """Machines that a verifier has never seen, after it has verified the collateral."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    vendor = new_vendor(now)
    verifier = Verifier(TrustAnchors.genuine().with_simulated(vendor.trust_pem), vendor.endorsements)
    machines = [vendor.new_machine() for _ in range(count + 1)]
    quotes = iter([_quote(QuotingEnclave(machine, kind), kind) for machine in machines])

    def ask() -> None:
        assert verifier.verify(next(quotes), Unbound(), now=now).genuine, "a simulated quote is not genuine"

    ask()
    return _median(ask, count)


def _quote(quoting: QuotingEnclave, kind: Kind) -> Evidence:
    if kind is Kind.SGX:
        return quoting.quote_enclave(Enclave(bytes(32), bytes(32)), bytes(64))
    return quoting.quote_trust_domain(TrustDomain(bytes(48)), bytes(64))


def _reference(evidence: Evidence, folder: Path, now: datetime, count: int) -> float | None:
    """The same recorded quote by dcap-qvl, which verifies the collateral each time; None where it is not installed."""
    if importlib.util.find_spec("dcap_qvl") is None:
        return None
    import dcap_qvl

    collateral = dcap_qvl.QuoteCollateralV3.from_json(json.dumps(json.loads((folder / "collateral.json").read_text())))
    seconds = int(now.timestamp())
    return _median(lambda: dcap_qvl.verify(evidence.raw, collateral, seconds), count)


def _median(work: Callable[[], object], count: int) -> float:
    """CPU milliseconds of this thread."""
    return statistics.median(_costs(work, count))


def _costs(work: Callable[[], object], count: int) -> Iterable[float]:
    for _ in range(count):
        begin = time.thread_time()
        work()
        yield (time.thread_time() - begin) * 1000
