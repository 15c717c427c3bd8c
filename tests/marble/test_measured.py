"""Init-data counts if this machine's own evidence holds its digest, and is refused with the reason otherwise."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attestation.evidence import Evidence
from attestation.init_data import FIELDS, make_init_data, to_annotation
from attestation.issue import Issuer, find_issuer
from attestation.kinds import Kind
from attestation.simulation.folder import create
from marble.bootstrap import Bootstrap, entry
from marble.errors import SettingsInvalid
from marble.measured import measured_bootstrap, pinned
from marble.settings import Given

TOLD = make_init_data({**entry("coordinator:2001", "it's a 'web'"), "enclasp-reference.yaml": "TDX:\n"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vendor") / "simulation"
    create(folder)
    return folder


@dataclass(frozen=True)
class Start:
    """A simulated machine that was started with some host data, and the file that its host lays down."""

    folder: Path
    file: Path
    kind: str = "tdx"
    held: bytes = TOLD.digest(64)
    altered: Callable[[bytes], bytes] = lambda raw: raw

    @property
    def environ(self) -> dict[str, str]:
        return {
            "ENCLASP_SIMULATION": str(self.folder),
            "ENCLASP_SIMULATION_KIND": self.kind,
            "ENCLASP_SIMULATION_HOST_DATA": self.held.hex(),
            "ENCLASP_INIT_DATA": str(self.file),
        }

    def machine(self) -> Issuer:
        return find_issuer(self.environ, ["program"])

    def bootstrap(self) -> Bootstrap | None:
        now = datetime.now(UTC)  # noqa: TID251 - the vendor is of now
        return measured_bootstrap(self.environ, Altering(self.machine(), self.altered), now=now, entropy=bytes)


class Altering:
    """A device whose evidence is changed on its way."""

    simulated = True

    def __init__(self, issuer: Issuer, altered: Callable[[bytes], bytes]) -> None:
        self.kind, self._issuer, self._altered = issuer.kind, issuer, altered

    def issue(self, report_data: bytes) -> Evidence:
        evidence = self._issuer.issue(report_data)
        return replace(evidence, raw=self._altered(evidence.raw))

    def sealing_key(self, mode: str) -> bytes:
        return self._issuer.sealing_key(mode)


@pytest.fixture
def start(folder: Path, tmp_path: Path) -> Start:
    file = tmp_path / "annotation"
    file.write_text(to_annotation(TOLD) + "\n")
    return Start(folder, file)


def refusal(start: Start) -> SettingsInvalid:
    with pytest.raises(SettingsInvalid) as refused:
        start.bootstrap()
    return refused.value


@pytest.mark.parametrize("kind", ["tdx", "sev-snp"])
def test_what_the_machine_was_started_with_tells_the_marble_who_it_is(start: Start, kind: str) -> None:
    reference = Given("enclasp-reference.yaml", b"TDX:\n")
    assert Bootstrap("coordinator:2001", "it's a 'web'", reference) == replace(start, kind=kind).bootstrap()


@pytest.mark.parametrize("kind", ["tdx", "sev-snp"])
def test_another_documents_digest_is_refused_with_both(start: Start, kind: str) -> None:
    held = make_init_data({}).digest(64)
    refused = refusal(replace(start, kind=kind, held=held))
    length = FIELDS[Kind(kind)].length
    assert "K695" == refused.code
    assert f"expected {TOLD.digest(length).hex()}, got {held[:length].hex()}" in str(refused)


def test_init_data_that_is_for_no_marble_tells_nothing(start: Start) -> None:
    other = make_init_data({"aa.toml": "x"})
    start.file.write_text(to_annotation(other))
    assert replace(start, held=other.digest(64)).bootstrap() is None


def test_no_evidence_leaves_that_another_machine_made(start: Start) -> None:
    """A host that had the first question answered elsewhere does not get what it needs for the coordinator."""
    assert pinned(start.environ, start.machine()).issue(bytes(64)).raw
    with pytest.raises(SettingsInvalid) as refused:
        pinned(start.environ, replace(start, held=b"").machine())
    assert ("K695", True) == (refused.value.code, "V143" in str(refused.value))


def test_a_host_that_writes_the_wanted_digest_into_the_quote_itself_is_noticed(start: Start) -> None:
    """A TDX quote comes through the host."""

    def lie(raw: bytes) -> bytes:
        return raw.replace(bytes(48) * 3, TOLD.digest(48) + bytes(96), 1)

    told = replace(start, held=b"", altered=lie)
    refused = refusal(told)
    assert ("K696", True) == (refused.code, "quote.signature" in str(refused)), str(refused)
    assert "K695" == refusal(replace(told, altered=lambda raw: raw)).code


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ("%", "K694", "base64 of gzip"),
        ("é", "K694", "cannot be used"),
        (None, "K694", "No such file"),
    ],
)
def test_a_file_that_is_none_is_refused(start: Start, content: str | None, code: str, words: str) -> None:
    if content is None:
        start.file.unlink()
    else:
        start.file.write_text(content)
    refused = refusal(start)
    assert (code, True) == (refused.code, words in str(refused)), str(refused)


def test_hardware_that_holds_no_init_data_is_named(start: Start) -> None:
    refused = refusal(replace(start, kind="sgx"))
    assert ("K696", True) == (refused.code, "expected tdx or sev-snp" in str(refused)), str(refused)


@pytest.mark.parametrize("text", ["coordinator = 1\ntype = 'x'\n", "type = 'x'\n", "=", "a = 1\n" * 2])
def test_an_entry_that_is_not_the_launchers_is_refused(start: Start, text: str) -> None:
    odd = make_init_data({"enclasp.toml": text})
    start.file.write_text(to_annotation(odd))
    assert "K694" == refusal(replace(start, held=odd.digest(64))).code
