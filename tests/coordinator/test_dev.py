"""A coordinator for one's own desk: what it finds in its folder, on each platform."""

import json
from pathlib import Path

import pytest

from attestation.kinds import Kind
from attestation.simulation.measure import measure_program
from coordinator.cli.main import run
from coordinator.dev import prepare
from coordinator.manifest.package import parse_reference
from coordinator.program import own_program
from marble.reference import parse_reference as parse_for_a_marble


@pytest.mark.parametrize("kind", ["", "tdx", "sgx", "sev-snp", "nitro", "cca", "azure-vtpm"])
def test_its_reference_values_are_of_its_platform_and_read_by_visitors_and_marbles(kind: str, tmp_path: Path) -> None:
    environ = prepare(tmp_path / "dev", {"ENCLASP_SIMULATION_KIND": kind})

    reference = (tmp_path / "dev" / "reference.yaml").read_bytes()
    for read in (parse_reference, parse_for_a_marble):
        assert [kind or "tdx"] == [values.kind for values in read(reference, name="reference.yaml")]
    assert (tmp_path / "dev" / "simulation" / "trust.pem").read_bytes() == Path(environ["ENCLASP_TRUST"]).read_bytes()
    if kind == "sev-snp":
        assert measure_program(own_program()).measurement.hex() in reference.decode()


def test_with_gpus_its_reference_values_demand_both(tmp_path: Path) -> None:
    prepare(tmp_path / "dev", {"ENCLASP_SIMULATION_KIND": "sev-snp", "ENCLASP_GPUS": "all"})

    reference = (tmp_path / "dev" / "reference.yaml").read_bytes()
    for read in (parse_reference, parse_for_a_marble):
        assert [Kind.COMPOSITE] == [values.kind for values in read(reference, name="reference.yaml")]
    assert ["SEVSNP", "NvidiaGPU"] == [key for part in json.loads(reference)["AllOf"] for key in part]


def test_vendors_that_are_there_stay(tmp_path: Path) -> None:
    prepare(tmp_path / "dev", {})
    trust = (tmp_path / "dev" / "simulation" / "trust.pem").read_bytes()

    prepare(tmp_path / "dev", {"ENCLASP_SIMULATION_KIND": "nitro"})

    assert trust == (tmp_path / "dev" / "simulation" / "trust.pem").read_bytes()


def test_a_platform_is_chosen_for_simulated_hardware_only(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert 2 == run(["coordinator", "run", "--platform", "nitro", "--state-dir", str(tmp_path)])
    assert "--platform is for --dev" in capsys.readouterr().err
    assert 2 == run(["coordinator", "run", "--dev", "--platform", "riscv", "--state-dir", str(tmp_path)])
    assert "sev-snp" in capsys.readouterr().err
