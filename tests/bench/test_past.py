"""A past is what a coordinator would have written itself."""

from pathlib import Path

import pytest

from attestation.simulation.measure import measure_program
from bench.coordinator import Coordinator
from bench.documents import manifest
from bench.generator import Generator, LoadFailed
from bench.load import Plan
from bench.past import record_activations


def test_recorded_activations_count_against_the_limit_and_their_evidence_is_kept(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("a program\n")
    unique_id = measure_program([str(program)]).mrenclave.hex()
    document = manifest(2, 0, unique_id=unique_id, limits=True).replace(b"1000000", b"101")
    with Coordinator(tmp_path / "past") as first:
        first.set_manifest(document)
        assert 0 == first.evidence_bytes()
    record_activations(tmp_path / "past", 200, 2)
    with Coordinator(tmp_path / "past") as again:
        assert 200 * 5000 < again.evidence_bytes() < again.state_bytes()
        plan = Plan(again.mesh_port, again.client_port, str(again.simulation), str(program), 2, 2)
        with Generator(plan) as load:
            load.prepare(2)
            assert 2 == len(load.activate().latencies_ms)
            load.prepare(1)
            with pytest.raises(LoadFailed, match="maximum number of activations reached"):
                load.activate()
