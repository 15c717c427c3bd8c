"""`enclasp coordinator init-data`: a configuration becomes a document, its annotation and its digest."""

import hashlib
from pathlib import Path

import pytest

from attestation.init_data import from_annotation, parse_init_data
from coordinator.config import ENTRY
from tests.cli.conftest import Enclasp
from tests.support.people import person

DIGEST = hashlib.sha256(b"token").hexdigest()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    setter = person(tmp_path, "setter")
    file = tmp_path / "coordinator.toml"
    file.write_text(f"setters = '{setter.certificate}'\nclaim_token_sha256 = '{DIGEST}'\n")
    return file


def test_the_configuration_travels_with_its_files_and_further_texts(
    enclasp: Enclasp, config: Path, tmp_path: Path
) -> None:
    texts, written = tmp_path / "texts", tmp_path / "initdata.toml"
    texts.mkdir()
    (texts / "policy.rego").write_text("package agent_policy\n")
    files = ("--document", written, "--annotation", tmp_path / "annotation")
    done = enclasp("coordinator", "init-data", config, "--texts", texts, *files, "-o", "json")
    assert (0, "") == (done.code, done.err)
    made = from_annotation(done.document["annotation"])
    assert made == parse_init_data(written.read_bytes())
    assert done.document["annotation"] == (tmp_path / "annotation").read_text()
    setter = str(tmp_path / "setter.pem")
    assert {"policy.rego", ENTRY, setter} == made.data.keys(), made.data.keys()
    assert config.read_text() == made.data[ENTRY]
    assert made.digest(48).hex() == done.document["reference"]["TDX"]["MRConfigID"]
    words = "measured: setters: 1 key or a claim token; key devices: none; witness: none; simulated roots: none"
    assert words == done.document["configuration"]
    measured = enclasp("manifest", "measure", "--init-data", written, "-o", "json")
    assert measured.document == done.document["reference"]


def test_what_kata_would_run_without_a_policy_is_said(enclasp: Enclasp, config: Path) -> None:
    done = enclasp("coordinator", "init-data", config)
    assert (0, True) == (done.code, "no policy.rego" in done.err)
    assert "# measured: setters: 1 key or a claim token" in done.text


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("settters = ''", "unknown setting 'settters'"),
        ("setters = 'no.pem'", "no.pem"),
        ("setters = 'key.pem'", "got a private key; init-data is not secret"),
        ("setters = 'odd.pem'", "expected blocks of CERTIFICATE or PUBLIC KEY"),
        ("setters = 'raw'", "expected text in UTF-8"),
        ("claim_token_sha256 = 'token'", "expected SHA-256 of the token"),
        ("witness = 'tpm'", "expected a TPM in setting 'tpm'"),
    ],
)
def test_what_no_coordinator_would_take_is_refused_here(
    enclasp: Enclasp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "coordinator.toml"
    config.write_text(lines)
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    (tmp_path / "odd.pem").write_text("odd")
    (tmp_path / "raw").write_bytes(b"\xff")
    done = enclasp("coordinator", "init-data", config)
    assert 3 == done.code, done.err
    assert words in done.err


def test_a_text_that_the_configuration_brings_is_not_taken_from_elsewhere(
    enclasp: Enclasp, config: Path, tmp_path: Path
) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / ENTRY).write_text("compatible = true\n")
    done = enclasp("coordinator", "init-data", config, "--texts", texts)
    assert (3, True) == (done.code, ENTRY in done.err)
