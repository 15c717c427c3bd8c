"""Evidence leaves only with the digest of what its program obeys."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.anchors import TrustAnchors
from attestation.binding import Unbound
from attestation.endorsements import parse_bundle
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence
from attestation.init_data import FIELDS, InitData, make_init_data, told_in
from attestation.issue import Issuer, find_issuer
from attestation.kinds import Kind
from attestation.simulation.folder import COLLATERAL_FILE, TRUST_FILE, create
from attestation.told import ToldOtherwise, as_told, told_by
from attestation.verify import Verifier

OBEYED, OTHER = make_init_data({"a": "1"}), make_init_data({"a": "2"})
SILENT = (Kind.SGX, Kind.NITRO, Kind.AZURE_VTPM)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vendor") / "simulation"
    create(folder)
    return folder


def machine(folder: Path, kind: Kind, told: InitData | None = None, gpus: str = "") -> Issuer:
    given = "" if told is None else told.digest(64).hex()
    environ = {"ENCLASP_SIMULATION": str(folder), "ENCLASP_SIMULATION_KIND": kind.value, "ENCLASP_GPUS": gpus}
    return find_issuer({**environ, "ENCLASP_SIMULATION_HOST_DATA": given}, ["program"])


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("gpus", ["", "all"])
def test_evidence_of_a_machine_that_was_told_the_document_leaves_and_says_so(
    folder: Path, kind: Kind, gpus: str
) -> None:
    issuer = as_told(machine(folder, kind, OBEYED, gpus), OBEYED)
    evidence = issuer.issue(bytes(range(64)))
    anchors = TrustAnchors.genuine().with_simulated((folder / TRUST_FILE).read_bytes())
    verifier = Verifier(anchors, parse_bundle((folder / COLLATERAL_FILE).read_bytes()))
    now = datetime.now(UTC)  # noqa: TID251 - the vendor is of now
    claims = verifier.verify(evidence, Unbound(), now=now).claims
    told = OBEYED.digest(FIELDS[kind].length)
    assert (told, told) == (told_by(evidence), told_in(claims))


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize(
    ("told", "document", "code"),
    [(OTHER, OBEYED, "V143"), (None, OBEYED, "V143"), (OTHER, None, "V144")],
    ids=["another", "nothing was told", "nobody gave it"],
)
def test_a_machine_that_was_told_something_else_proves_nothing(
    folder: Path, kind: Kind, told: InitData | None, document: InitData | None, code: str
) -> None:
    with pytest.raises(ToldOtherwise) as refused:
        as_told(machine(folder, kind, told), document)
    length = FIELDS[kind].length
    held = bytes(length) if told is None else told.digest(length)
    assert code == refused.value.code
    assert held.hex() in str(refused.value)
    assert document is None or document.digest(length).hex() in str(refused.value)


@pytest.mark.parametrize("kind", [*FIELDS, *SILENT])
def test_a_machine_that_was_told_nothing_needs_no_document(folder: Path, kind: Kind) -> None:
    issuer = as_told(machine(folder, kind), None)
    assert issuer.issue(bytes(64)).raw
    assert (kind, True, 32) == (issuer.kind, issuer.simulated, len(issuer.sealing_key("UniqueKey")))


@pytest.mark.parametrize("kind", SILENT)
def test_evidence_that_has_no_place_for_a_digest_cannot_hold_one(folder: Path, kind: Kind) -> None:
    with pytest.raises(ToldOtherwise) as refused:
        as_told(machine(folder, kind), OBEYED)
    assert "V145" == refused.value.code


@dataclass
class Relay:
    """A host that has evidence made on another machine than the one that asked, where it wants to."""

    asked: Issuer
    elsewhere: Issuer
    lies: bool = True
    simulated = True
    kind = Kind.TDX

    def issue(self, report_data: bytes) -> Evidence:
        return (self.elsewhere if self.lies else self.asked).issue(report_data)

    def sealing_key(self, mode: str) -> bytes:
        return self.asked.sealing_key(mode)


def test_a_host_that_relays_the_first_question_gains_nothing(folder: Path) -> None:
    """It has the program believe in a document of its own; then no evidence leaves with the digest that is wanted."""
    relay = Relay(machine(folder, Kind.TDX, OBEYED), machine(folder, Kind.TDX, OTHER))
    deceived = as_told(relay, OTHER)
    assert OTHER.digest(48) == told_by(deceived.issue(bytes(64)))
    relay.lies = False
    with pytest.raises(ToldOtherwise) as refused:
        deceived.issue(bytes(64))
    assert "V143" == refused.value.code


@given(st.sampled_from(list(Kind)), st.binary(max_size=2000))
def test_no_bytes_make_the_reader_fail_in_any_other_way(kind: Kind, raw: bytes) -> None:
    try:
        told = told_by(Evidence(kind, raw))
    except EvidenceFormatError:
        return
    assert told is None or any(len(told) == field.length for field in FIELDS.values())
