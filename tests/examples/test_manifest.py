"""The manifest of the example is current, and legal."""

import pytest
import yaml

from examples.common_customers.stage import HERE

MANIFEST = HERE / "manifest.yaml"
COMMAND = "enclasp simulate measure python3 examples/common_customers/{}.py"


def test_the_measurements_are_those_of_the_programs() -> None:
    measure = pytest.importorskip("attestation.simulation.measure").measure_program
    packages = yaml.safe_load(MANIFEST.read_bytes())["Packages"]
    for name, field, where in (("intersection", "mrtd", "TDX"), ("receipts", "mrenclave", "SGX")):
        measured = getattr(measure(["python3", str(HERE / f"{name}.py")]), field).hex()
        assert measured == packages[name][where][field.upper()], f"manifest.yaml: see `{COMMAND.format(name)}`"


def test_the_manifest_is_accepted_as_it_stands() -> None:
    parse = pytest.importorskip("coordinator.manifest.parse").parse
    parsed = parse(MANIFEST.read_bytes(), name="manifest.yaml", compatible=False)
    assert {"intersection", "receipts"} == set(parsed.manifest.marbles)
    assert parsed.manifest.marbles["intersection"].max_activations == 1
    assert not [finding for finding in parsed.findings if finding.severity == "error"]


def test_only_the_receipts_service_gets_the_receipt_key() -> None:
    parse = pytest.importorskip("coordinator.manifest.parse").parse
    marbles = parse(MANIFEST.read_bytes(), name="manifest.yaml", compatible=False).manifest.marbles
    assert frozenset() == marbles["intersection"].secrets
    assert {"receiptKey", "receiptStore"} == marbles["receipts"].secrets
