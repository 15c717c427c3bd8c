"""Every single-bit flip over what is signed of recorded evidence, one piece of hardware for each kind and version."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from attestation.anchors import TrustAnchors
from attestation.azure_vtpm.format import container_of_files
from attestation.binding import Unbound
from attestation.checks import Status
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence, recognise
from attestation.nvidia_gpu.format import evidence_of_files
from attestation.verify import Verifier
from coordinator.cli.evidence_files import find_evidence
from tests.fuzz.target import VECTORS

_WHOLE: Final = 1 << 30


@dataclass(frozen=True)
class Recorded:
    """Evidence in a folder of tests/vectors.  regions: file, first and last byte (exclusive) of what is signed.

    together: makes evidence of the folder's files, by name.
    """

    folder: str
    regions: tuple[tuple[str, int, int], ...]
    together: Callable[[Mapping[str, bytes]], Evidence]

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        return {path.name: path.read_bytes() for path in (VECTORS / self.folder).iterdir()}

    @cached_property
    def at(self) -> datetime:
        """When it can be verified."""
        text = str(json.loads(self.files["case.json"]).get("verify_at") or "any").split()[0]
        return datetime.fromisoformat("2025-01-01T00:00:00+00:00" if text == "any" else text)

    @cached_property
    def verifier(self) -> Verifier:
        """With the genuine roots, and the endorsements that lie beside the evidence."""
        return Verifier(TrustAnchors.genuine(), find_evidence(VECTORS / self.folder).endorsements)

    def positions(self) -> Iterator[tuple[str, int]]:
        """Every bit that is signed: file and number of the bit in it."""
        for file, start, end in self.regions:
            for bit in range(8 * start, 8 * min(end, len(self.files[file]))):
                yield file, bit

    def is_accepted(self, file: str = "", bit: int = -1) -> bool:
        """Whether the evidence with this bit flipped, or as it is, is genuine.

        Raises AssertionError if it is refused without a check that says why; nothing else.
        """
        files = dict(self.files)
        if file:
            changed = bytearray(files[file])
            changed[bit // 8] ^= 1 << bit % 8
            files[file] = bytes(changed)
        try:
            evidence = self.together(files)
        except EvidenceFormatError:
            return False
        verification = self.verifier.verify(evidence, Unbound(), now=self.at)
        if not verification.genuine:
            missed = [check for check in verification.checks if check.status is not Status.PASSED]
            assert any(check.code and check.hint for check in missed), "refused without a word"
        return verification.genuine

    def sample(self, count: int, seed: str) -> Iterator[tuple[str, int]]:
        """Some of the positions, the same for the same seed."""
        everything = list(self.positions())
        yield from random.Random(f"{seed} {self.folder}").sample(everything, count)


def _one(name: str) -> Callable[[Mapping[str, bytes]], Evidence]:
    return lambda files: recognise(files[name])


def _dcap(name: str, body_end: int, report: int) -> Recorded:
    """body_end: of header and body.  report: start of the QE report; its signature and the data it binds follow."""
    signed = ((0, body_end), (body_end + 4, body_end + 132), (report, report + 448), (report + 450, report + 482))
    return Recorded(f"dcap/{name}", tuple(("quote.bin", *region) for region in signed), _one("quote.bin"))


RECORDED: Final = (
    _dcap("sgx-02-swhardening-platform-ca", 432, 564),
    _dcap("tdx-01-v4-uptodate", 632, 770),
    _dcap("tdx-07-v5-td15-uptodate", 702, 840),
    *(
        Recorded(f"sev_snp/{name}", (("report.bin", 0, 1184),), _one("report.bin"))
        for name in ("04-milan-v3-vlek-aws", "06-genoa-v5", "07-turin-v5")
    ),
    Recorded("nitro/07-prod-2025", (("document.cbor", 0, _WHOLE),), _one("document.cbor")),
    Recorded("cca/01-draft-ffm-profile-2023", (("token.cbor", 0, _WHOLE),), _one("token.cbor")),
    Recorded("nvidia_gpu/01-hopper-h100-550.90.07-rims", (("evidence.bin", 0, _WHOLE),), evidence_of_files),
    Recorded(
        "azure_vtpm/02-snp-genoa-v3",
        # The hardware report, the runtime data that it binds, and the TPM's quote.
        (
            ("hcl_report.bin", 32, 1216),
            ("hcl_report.bin", 1236, 2436),
            ("tpm_quote.msg", 0, _WHOLE),
            ("tpm_quote.sig", 0, _WHOLE),
        ),
        lambda files: recognise(container_of_files(files)),
    ),
)


def every_flip() -> Iterator[tuple[str, int]]:
    """For each recorded piece of evidence a line for people, and the number of flips that were accepted."""
    for recorded in RECORDED:
        assert recorded.is_accepted(), f"{recorded.folder} as it was recorded is not genuine"
        flips = accepted = 0
        for file, bit in recorded.positions():
            flips += 1
            accepted += recorded.is_accepted(file, bit)
        yield f"{recorded.folder:<45} {flips:>6} flips, {accepted} accepted", accepted
