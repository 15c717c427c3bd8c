"""`enclasp manifest check|explain|graph|diff|measure`: the tools of those who write and agree on manifests."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.cli.conftest import Enclasp

ROOT = Path(__file__).parents[2]
SGX = ROOT / "manifests" / "templates" / "sgx.yaml"
TDX = ROOT / "manifests" / "templates" / "tdx.yaml"


@pytest.fixture
def unused(tmp_path: Path) -> Path:
    """A legal manifest with a secret that nobody uses."""
    file = tmp_path / "unused.yaml"
    file.write_text(TDX.read_text() + "  spare:\n    Type: symmetric-key\n    Size: 256\n")
    return file


def test_check_says_what_is_legal_but_worth_a_word(enclasp: Enclasp, unused: Path) -> None:
    ended = enclasp("manifest", "check", unused)
    assert ended.code == 0
    assert 'warning[E041]: secret "spare" is used by no marble' in ended.text
    assert f"{unused}: valid" in ended.text
    assert enclasp("manifest", "check", unused, "--strict").code == 9


def test_infos_are_no_findings_to_be_strict_about(enclasp: Enclasp) -> None:
    ended = enclasp("manifest", "check", SGX, "--strict")
    assert (0, True) == (ended.code, "info[E044]" in ended.text)


def test_without_lint_only_the_rules_are_checked(enclasp: Enclasp, unused: Path) -> None:
    document = enclasp("manifest", "check", unused, "--no-lint", "-o", "json").document
    assert {"valid": True, "findings": []} == document


def test_check_writes_sarif(enclasp: Enclasp, unused: Path) -> None:
    document = enclasp("manifest", "check", unused, "-o", "sarif").document
    results = document["runs"][0]["results"]
    assert document["version"] == "2.1.0"
    assert ("E041", "warning") in [(result["ruleId"], result["level"]) for result in results]


def test_only_check_knows_sarif(enclasp: Enclasp) -> None:
    assert enclasp("manifest", "explain", SGX, "-o", "sarif").code == 2


def test_explain_tells_who_gets_what(enclasp: Enclasp) -> None:
    ended = enclasp("manifest", "explain", SGX)
    assert ended.code == 0
    assert "made at each start from secret session" in ended.text
    assert ["web"] == enclasp("manifest", "explain", SGX, "-o", "json").document["secrets"]["session"]["readers"]


def test_explain_tells_what_a_field_means_and_where_it_stands(enclasp: Enclasp) -> None:
    document = enclasp("manifest", "explain", SGX, "Marbles.database.MaxActivations", "-o", "json").document
    line = next(n for n, text in enumerate(SGX.read_text().splitlines(), 1) if "MaxActivations" in text)
    assert f"{SGX}:{line}" == document["stands"]
    assert "not given in this manifest" in enclasp("manifest", "explain", SGX, "Config.SealMode").text


def test_explain_refuses_a_field_that_does_not_exist(enclasp: Enclasp) -> None:
    ended = enclasp("manifest", "explain", SGX, "Marbles.web.MaxActivation")
    assert (3, b"") == (ended.code, ended.out)
    assert "MaxActivations" in ended.err


def test_an_invalid_manifest_is_not_explained(enclasp: Enclasp, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("Packages: {}\n")
    for arguments in (("explain", file), ("graph", file), ("diff", file, SGX)):
        ended = enclasp("manifest", *arguments)
        assert (3, b"") == (ended.code, ended.out)
        assert "error[E0" in ended.err


def test_graph_draws_mermaid_and_svg(enclasp: Enclasp, tmp_path: Path) -> None:
    assert enclasp("manifest", "graph", SGX).text.startswith("flowchart LR\n")
    picture = tmp_path / "m.svg"
    assert enclasp("manifest", "graph", SGX, "--format", "svg", "--out", picture).code == 0
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    assert {"nodes", "edges"} == set(enclasp("manifest", "graph", SGX, "-o", "json").document)


def test_diff_says_what_a_change_means(enclasp: Enclasp, tmp_path: Path) -> None:
    file = tmp_path / "next.yaml"
    file.write_text(SGX.read_text().replace("ISVSVN: 2", "ISVSVN: 1"))
    ended = enclasp("manifest", "diff", SGX, file)
    assert ended.code == 0
    assert 'weakens:  older versions, with the holes that were repaired since, may be marble "database"' in ended.text
    assert "2 -> 1" in ended.text
    assert enclasp("manifest", "diff", SGX, file, "--exit-code").code == 9
    assert ["weakens"] == [
        change["gravity"] for change in enclasp("manifest", "diff", SGX, file, "-o", "json").document["changes"]
    ]


def test_diff_of_the_same_bytes_is_no_difference(enclasp: Enclasp) -> None:
    ended = enclasp("manifest", "diff", SGX, SGX, "--exit-code")
    assert (0, "the same bytes\n") == (ended.code, ended.text)


def test_diff_tells_where_only_the_bytes_differ(enclasp: Enclasp, tmp_path: Path) -> None:
    file = tmp_path / "same.yaml"
    file.write_text(SGX.read_text() + "# another comment\n")
    ended = enclasp("manifest", "diff", SGX, file, "--exit-code")
    assert (9, True) == (ended.code, "no change of meaning; the bytes differ" in ended.text)


def test_measured_values_can_be_pasted_into_a_package(enclasp: Enclasp, tmp_path: Path) -> None:
    program = tmp_path / "server.py"
    program.write_text("print('hello')\n")
    ended = enclasp("manifest", "measure", "--", "python3", program)
    values: Any = yaml.safe_load(ended.text)
    assert values == enclasp("manifest", "measure", "-o", "json", "--", "python3", program).document
    assert 96 == len(values["TDX"]["MRTD"])
    assert "SIMULATED" in ended.text


def test_measure_refuses_what_is_no_signature_structure(enclasp: Enclasp, tmp_path: Path) -> None:
    file = tmp_path / "enclave.sig"
    file.write_bytes(b"x")
    ended = enclasp("manifest", "measure", "--sigstruct", file)
    assert (3, True) == (ended.code, "expected 1808 bytes, got 1" in ended.err)
    assert enclasp("manifest", "measure").code == 2


def test_a_thousand_marbles_and_secrets_are_checked_in_time(enclasp: Enclasp, tmp_path: Path) -> None:
    marbles = {
        f"m{n}": {"Package": "p", "Parameters": {"Env": {"K": f"{{{{ hex .Secrets.s{n} }}}}"}}} for n in range(1000)
    }
    document = {
        "Packages": {"p": {"TDX": {"MRTD": "11" * 48, "RTMR1": "22" * 48, "RTMR2": "33" * 48}}},
        "Marbles": marbles,
        "Secrets": {f"s{n}": {"Type": "symmetric-key", "Size": 256} for n in range(1000)},
    }
    file = tmp_path / "large.json"
    file.write_text(json.dumps(document))
    before = time.process_time()
    assert enclasp("manifest", "check", file).code == 0
    assert time.process_time() - before < 3


def test_build_makes_the_flat_manifest_that_people_sign(enclasp: Enclasp, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "all.yaml").write_text("Include: [parts/packages.yaml]\nMarbles:\n  web:\n    Package: web\n")
    packages = tmp_path / "parts" / "packages.yaml"
    packages.write_text(f'Packages:\n  web:\n    TDX:\n      MRTD: "{"11" * 48}"\n')
    flat = tmp_path / "manifest.yaml"
    assert enclasp("manifest", "build", tmp_path / "all.yaml", "--out", flat).code == 0
    assert f"# {packages}:2" in flat.read_text()
    assert enclasp("manifest", "check", flat).code == 0
    document = enclasp("manifest", "build", tmp_path / "all.yaml", "-o", "json").document
    assert flat.read_text() == document["manifest"]
    assert f"{packages}:2" == document["origins"]["/Packages/web"]


def test_build_refuses_what_would_not_be_a_manifest(enclasp: Enclasp, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text("Marbles:\n  web:\n    Package: web\n")
    ended = enclasp("manifest", "build", file)
    assert (3, b"", True) == (ended.code, ended.out, "E011" in ended.err)
    file.write_text("Include: [absent.yaml]\n")
    ended = enclasp("manifest", "build", file)
    assert (3, True) == (ended.code, "absent.yaml" in ended.err)


def test_names_cannot_write_lines_or_move_the_cursor(enclasp: Enclasp, tmp_path: Path) -> None:
    name = "web\nsecrets\n  key: read by nobody\x1b[2J"
    document = json.loads(json.dumps(yaml.safe_load(TDX.read_text())))
    document["Marbles"] = {name: document["Marbles"]["api"]}
    file = tmp_path / "odd.json"
    file.write_text(json.dumps(document))
    for arguments in (("check", file), ("explain", file), ("diff", TDX, file), ("test", file), ("graph", file)):
        ended = enclasp("manifest", *arguments)
        assert ended.code == 0
        assert "\x1b" not in ended.text
        assert "  key: read by nobody" not in ended.text.splitlines()


# What MarbleRun's command line would send

YAML = 'Marbles: {m: {Package: p, MaxActivations: 010}}\nPackages:\n  p: {UniqueID: "%s"}\n' % ("ab" * 32)
SENT = '{"Marbles":{"m":{"MaxActivations":8,"Package":"p"}},"Packages":{"p":{"UniqueID":"%s"}}}' % ("ab" * 32)


def test_convert_writes_the_bytes_and_their_fingerprint(enclasp: Enclasp, tmp_path: Path) -> None:
    file, out = tmp_path / "m.yaml", tmp_path / "m.json"
    file.write_text(YAML)
    ended = enclasp("manifest", "convert", file, "--out", out)
    assert (0, SENT) == (ended.code, out.read_text())
    fingerprint = hashlib.sha256(SENT.encode()).hexdigest()
    assert fingerprint in ended.err
    assert "MarbleRun reads the number 8" in ended.err
    again = enclasp("manifest", "convert", out, "-o", "json").document
    assert {"manifest": SENT, "fingerprint": fingerprint, "converted": False} == again


def test_convert_refuses_what_marbleruns_command_line_refuses(enclasp: Enclasp, tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("a: 1\na: 2\n")
    ended = enclasp("manifest", "convert", file)
    assert (3, True) == (ended.code, "E002" in ended.err)


def test_explain_tells_the_mode_and_the_fingerprint_of_the_bytes_that_are_sent(
    enclasp: Enclasp, tmp_path: Path
) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(YAML)
    document = enclasp("manifest", "explain", file, "--compatible", "-o", "json").document
    assert ("compatible", hashlib.sha256(SENT.encode()).hexdigest()) == (document["mode"], document["fingerprint"])
    assert "MarbleRun's way" in enclasp("manifest", "explain", file, "--compatible").text
    assert "strict" == enclasp("manifest", "explain", SGX, "-o", "json").document["mode"]
