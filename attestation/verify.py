"""Evidence to Verification: the one front of all kinds.  It never raises for Evidence that `recognise` knew.

Only the trust anchors tell genuine from simulated evidence; the code is the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final, Protocol, runtime_checkable

from attestation import codes
from attestation.anchors import TrustAnchors, Vendor
from attestation.binding import Asked, Binding, Nonced
from attestation.checks import settled
from attestation.claims import Claims
from attestation.endorsements import Endorsements
from attestation.errors import EndorsementFormatError, foreign_package
from attestation.evidence import Evidence
from attestation.intel import IntelVerifier
from attestation.kinds import Kind
from attestation.verification import Verification


class Room(Protocol):
    """What verifies one kind of Evidence."""

    def verify(self, evidence: Evidence, binding: Binding, *, now: datetime) -> Verification:
        """Every check, with its outcome.  Never raises for Evidence of its kind."""


@runtime_checkable
class AskedRoom(Protocol):
    """What verifies a kind of Evidence that has a place for nonces beside its report data."""

    def verify_asked(self, evidence: Evidence, binding: Asked, *, now: datetime) -> Verification:
        """As `Room.verify`; a Nonced binding is compared with the nonce."""


class Verifier:
    """Verifies Evidence of every kind against trust anchors and endorsements.

    It remembers what it has found about collateral and machines, so keep one; any number of threads may use it.
    A room and the libraries that it needs are loaded when its first Evidence comes.  Where they cannot be, or its
    endorsements cannot be read, its Evidence is not genuine, and the check says why.
    """

    def __init__(self, anchors: TrustAnchors, endorsements: Endorsements) -> None:
        self._anchors, self._endorsements = anchors, endorsements
        self._opening = Lock()
        self._rooms: dict[Kind, Room] = {}
        intel = IntelVerifier(anchors.of(Vendor.INTEL), endorsements)
        self._rooms[Kind.SGX] = self._rooms[Kind.TDX] = intel

    def verify(self, evidence: Evidence, binding: Asked, *, now: datetime) -> Verification:
        """Did that hardware say it, of this key or nonce, at this time?  Every check is in the answer.

        now: aware.  `genuine` needs every check to pass but `binding.report-data` where nobody named it, and those of
        the platform's security level, which are for policy to judge.
        """
        room = self._room(evidence.kind)
        if isinstance(binding, Nonced):
            if isinstance(room, AskedRoom):
                return room.verify_asked(evidence, binding, now=now)
            binding = binding.as_bound(evidence.kind)
        return room.verify(evidence, binding, now=now)

    def read_endorsements(self) -> None:
        """Read the endorsements of every platform, and keys of NVIDIA's service, now: mistakes in them are said early.

        Raises EndorsementFormatError if those of any platform cannot be read.
        """
        services = (Kind.NVIDIA_GPU,) if self._anchors.nras_keys else ()
        for kind in {*self._endorsements.sections, *services}:
            with self._opening:
                self._rooms[kind] = self._open(kind)

    def _room(self, kind: Kind) -> Room:
        room = self._rooms.get(kind)
        if room is None:
            with self._opening:
                room = self._rooms.setdefault(kind, self._open_or_close(kind))
        return room

    def _open_or_close(self, kind: Kind) -> Room:
        try:
            return self._open(kind)
        except EndorsementFormatError as error:
            return _ClosedRoom("endorsements that can be read", str(error), codes.COLLATERAL_FORMAT)
        except ModuleNotFoundError as error:
            found = f"'{foreign_package(error)}' is not installed"
            return _ClosedRoom(f"the Python packages that {kind} needs", found, codes.NO_PACKAGE)

    def _open(self, kind: Kind) -> Room:
        if kind is Kind.COMPOSITE:
            from attestation.composite.verify import CompositeVerifier

            return CompositeVerifier(self.verify)
        return _OPEN[kind](self._anchors, self._endorsements)


@dataclass(frozen=True, slots=True)
class _ClosedRoom:
    """Refuses all Evidence of a kind, for one reason."""

    expected: str
    found: str
    code: str

    def verify(self, evidence: Evidence, binding: Binding, *, now: datetime) -> Verification:
        """Not genuine."""
        check = settled(False, "verifier.ready", self.expected, self.found, "verifier", self.code)
        claims = Claims(evidence.kind, False, b"", {}, None, (), None, "")
        return Verification(evidence, claims, False, True, False, (check,))


def _open_sev_snp(anchors: TrustAnchors, endorsements: Endorsements) -> Room:
    from attestation.sev_snp.endorsements import SevSnpEndorsements
    from attestation.sev_snp.verify import SevSnpVerifier

    beside = SevSnpEndorsements.from_files(endorsements.files).to_json()
    given = SevSnpEndorsements.from_json([*endorsements.sections.get(Kind.SEV_SNP, ()), *beside])
    return SevSnpVerifier(anchors.of(Vendor.AMD).anchors, given)


def _open_nitro(anchors: TrustAnchors, endorsements: Endorsements) -> Room:
    from attestation.nitro.endorsements import NitroEndorsements
    from attestation.nitro.verify import NitroVerifier

    return NitroVerifier(anchors.of(Vendor.AWS).anchors, NitroEndorsements())


def _open_cca(anchors: TrustAnchors, endorsements: Endorsements) -> Room:
    from attestation.cca.endorsements import CcaEndorsements
    from attestation.cca.verify import CcaVerifier

    beside = CcaEndorsements.from_files(endorsements.files).to_json()
    given = CcaEndorsements.from_json([*endorsements.sections.get(Kind.CCA, ()), *beside])
    return CcaVerifier(anchors.of(Vendor.ARM).anchors, given)


def _open_nvidia_gpu(anchors: TrustAnchors, endorsements: Endorsements) -> Room:
    from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
    from attestation.nvidia_gpu.verify import NvidiaGpuVerifier

    beside = NvidiaGpuEndorsements.from_files(endorsements.files).to_json()
    given = NvidiaGpuEndorsements.from_json([*endorsements.sections.get(Kind.NVIDIA_GPU, ()), *beside])
    return NvidiaGpuVerifier(anchors.of(Vendor.NVIDIA).anchors, given, anchors.nras_keys)


def _open_azure_vtpm(anchors: TrustAnchors, endorsements: Endorsements) -> Room:
    from attestation.azure_vtpm.verify import AzureVtpmVerifier

    hardware = {
        Kind.SEV_SNP: _open_sev_snp(anchors, endorsements),
        Kind.TDX: IntelVerifier(anchors.of(Vendor.INTEL), endorsements),
    }
    return AzureVtpmVerifier(hardware)


_OPEN: Final[Mapping[Kind, Callable[[TrustAnchors, Endorsements], Room]]] = {
    Kind.SEV_SNP: _open_sev_snp,
    Kind.NITRO: _open_nitro,
    Kind.CCA: _open_cca,
    Kind.NVIDIA_GPU: _open_nvidia_gpu,
    Kind.AZURE_VTPM: _open_azure_vtpm,
}
