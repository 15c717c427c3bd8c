"""`simulate vendor`: evidence of every platform with every fault is refused, by the check that the table names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attestation.kinds import Kind
from attestation.simulation.samples.faults import FAULTS, faults_of
from tests.cli.conftest import Enclasp

NONCE = "0f" * 32
CASES = [(kind, fault) for kind in Kind for fault in faults_of(kind)]
Sample = Callable[..., Any]


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from attestation.simulation.folder import create

    folder = tmp_path_factory.mktemp("simulate") / "vendors"
    create(folder)
    return folder


@pytest.fixture
def verified(enclasp: Enclasp, vendors: Path, tmp_path: Path) -> Sample:
    """Issue a sample with the command line, verify it with the command line; the verdict's document and exit code."""

    def sample(kind: Kind, *faults: str, policy: bool = True, bound: str = "--report-data") -> tuple[Any, int]:
        folder = tmp_path / "-".join((kind, bound, *faults))
        if not folder.exists():
            options = [option for fault in faults for option in ("--fault", fault)]
            place = (vendors, folder)
            issued = enclasp(
                "simulate", "vendor", "issue", "--platform", kind, bound, NONCE, *options, *place, "--", "/bin/true"
            )
            assert 0 == issued.code, issued.err
        wanted = ("--policy", folder / "reference.yaml") if policy else ()
        ended = enclasp(
            "evidence", "verify", folder, "--trust", vendors / "trust.pem", bound, NONCE, *wanted, "-o", "json"
        )
        return ended.document, ended.code

    return sample


@pytest.mark.parametrize("kind", Kind)
def test_a_sample_without_faults_is_affirmed_and_says_that_it_is_simulated(kind: Kind, verified: Sample) -> None:
    for policy, bound in ((True, "--report-data"), (False, "--report-data"), (True, "--nonce")):
        verdict, code = verified(kind, policy=policy, bound=bound)
        assert ("affirming", 0, str(kind)) == (verdict["verdict"], code, verdict["platform"])
        assert verdict["genuine"]
        assert verdict["simulated"]


@pytest.mark.parametrize(("kind", "fault"), CASES)
def test_a_fault_is_refused_by_the_check_that_the_table_names(kind: Kind, fault: str, verified: Sample) -> None:
    verdict, code = verified(kind, fault, bound="--nonce" if fault == "nonce" else "--report-data")

    wrong = {check["name"]: check for check in verdict["checks"] if check["status"] != "passed"}
    name = FAULTS[fault].checks[kind]
    assert name in wrong, f"{verdict['verdict']}: {sorted(wrong)}"
    assert ("none" if kind in FAULTS[fault].missing else "contraindicated") == verdict["verdict"]
    assert 4 == code
    assert all(wrong[name][field] for field in ("expected", "found", "source", "hint", "code"))


def test_two_faults_are_refused_for_both_reasons(verified: Sample) -> None:
    verdict, _ = verified(Kind.SEV_SNP, "debug", "expired-certificate")

    failed = {check["name"] for check in verdict["checks"] if check["status"] == "failed"}
    assert {"sev-snp.debug", "sev-snp.validity"} <= failed


def test_a_fault_that_a_platform_cannot_have_is_refused_with_those_that_it_can(
    enclasp: Enclasp, vendors: Path, tmp_path: Path
) -> None:
    command = ("simulate", "vendor", "issue", "--platform", "nitro", "--fault")

    ended = enclasp(*command, "old-tcb", vendors, tmp_path / "sample")

    assert 2 == ended.code
    assert all(name in ended.err for name in faults_of(Kind.NITRO))
    assert not (tmp_path / "sample").exists()
    assert 0 == enclasp(*command, "stale", vendors, tmp_path / "sample").code
    assert 2 == enclasp(*command[:-1], "--nonce", "00", "--report-data", "00", vendors, tmp_path / "other").code


def test_a_sample_is_not_put_beside_other_files(enclasp: Enclasp, vendors: Path, tmp_path: Path) -> None:
    command = ("simulate", "vendor", "issue", "--platform", "sgx", vendors, tmp_path)
    (tmp_path / "quote.bin").write_bytes(b"mine")

    ended = enclasp(*command)

    assert 3 == ended.code
    assert "U540" in ended.err
    assert b"mine" == (tmp_path / "quote.bin").read_bytes()
    (tmp_path / "quote.bin").unlink()
    assert 0 == enclasp(*command).code


def test_vendors_of_chosen_platforms_alone_are_made_once(enclasp: Enclasp, tmp_path: Path) -> None:
    folder = tmp_path / "vendors"

    made = enclasp("simulate", "vendor", "new", folder, "--platform", "nitro", "-o", "json").document

    names = {path.name for path in folder.iterdir()}
    assert {"trust.pem", "collateral.json", "aws.private.json", "sealing.private.json"} == names
    before = Path(made["trust"]).read_bytes()
    assert 1 == before.count(b"BEGIN CERTIFICATE")
    assert 0 == enclasp("simulate", "vendor", "new", folder).code
    assert before == Path(made["trust"]).read_bytes()
    issue = ("simulate", "vendor", "issue", "--platform")
    assert 0 == enclasp(*issue, "nitro", folder, tmp_path / "nitro").code
    refused = enclasp(*issue, "tdx", folder, tmp_path / "tdx")
    assert 3 == refused.code
    assert "enclasp simulate vendor new" in refused.err


def test_a_command_without_any_file_has_no_measurement(enclasp: Enclasp, tmp_path: Path) -> None:
    program = tmp_path / "server.py"
    refused = enclasp("simulate", "measure", "--", "python3", program)
    assert 3 == refused.code
    assert "is a file, so there is nothing to measure" in refused.err
    program.write_text("print(1)")
    assert 0 == enclasp("simulate", "measure", "--", "python3", program).code


def test_the_help_lists_every_fault(enclasp: Enclasp) -> None:
    shown = enclasp("simulate", "vendor", "issue", "--help").text

    assert [] == [name for name, fault in FAULTS.items() if f"{name} " not in shown or fault.words[:20] not in shown]


def test_the_handbook_has_the_table_of_faults() -> None:
    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()

    rows = [
        f"| `{name}` | {fault.words} | {' '.join(kind for kind in Kind if kind in fault.checks)} |"
        for name, fault in FAULTS.items()
    ]
    assert [] == [row for row in rows if row not in text]
