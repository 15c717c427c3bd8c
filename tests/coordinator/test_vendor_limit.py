"""No vendor alone may hold more instances than the manifest says: counted durably, whatever platform proved them."""

import json
from pathlib import Path

import grpc
import pytest

from attestation.claims import Claims
from attestation.composite.claims import CompositeClaims
from attestation.kinds import Kind
from attestation.simulation.measure import measure_program
from coordinator.decisions.vendors import vendor_of
from tests.compat.test_rest_contract import curl
from tests.support import marble_client
from tests.support.coordinator_process import start


def claims(kind: Kind, **details: str) -> Claims:
    return Claims(kind, False, bytes(64), {}, None, (), None, "", details)


@pytest.mark.parametrize(
    ("kind", "vendor"),
    [(Kind.SGX, "Intel"), (Kind.TDX, "Intel"), (Kind.SEV_SNP, "AMD"), (Kind.NITRO, "AWS"), (Kind.CCA, "Arm")],
)
def test_a_platform_is_of_its_processors_vendor(kind: Kind, vendor: str) -> None:
    assert vendor == vendor_of(claims(kind))
    assert vendor == vendor_of(claims(Kind.AZURE_VTPM, hardware=kind.value))
    parts = (claims(kind), claims(Kind.NVIDIA_GPU))
    together = CompositeClaims(Kind.COMPOSITE, False, bytes(64), {}, None, (), None, "", parts=parts)
    assert vendor == vendor_of(together)


def test_a_vendor_s_part_is_used_up_after_a_restart_too(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("print('the agreed program')\n")
    measured = measure_program([str(program)])
    document = {
        "Packages": {
            "p": {
                "TDX": {"MRTD": measured.mrtd.hex()},
                "SGX": {"MRENCLAVE": measured.mrenclave.hex()},
                "SEVSNP": {"Measurement": measured.measurement.hex()},
            }
        },
        "Marbles": {"m": {"Package": "p", "MaxActivations": 3, "MaxActivationsPerVendor": 1}},
    }
    folder = tmp_path / "dev"
    running = start(folder)
    answer = curl(running.client_address, "/manifest", body=json.dumps(document).encode())
    assert 200 == answer.status, answer.body
    tdx, sgx, snp = (marble_client.simulated(folder, kind, program) for kind in (Kind.TDX, Kind.SGX, Kind.SEV_SNP))
    marble_client.send(running.mesh_address, marble_client.prepare(tdx, "m"))
    running.kill()

    running = start(folder)
    with pytest.raises(grpc.RpcError) as refused:
        marble_client.send(running.mesh_address, marble_client.prepare(sgx, "m"))
    assert isinstance(refused.value, grpc.Call)
    details = refused.value.details() or ""
    assert grpc.StatusCode.PERMISSION_DENIED == refused.value.code()
    assert "maximum number of activations on one vendor's hardware reached" in details
    assert "on hardware of Intel reached: expected at most 1" in running.log
    marble_client.send(running.mesh_address, marble_client.prepare(snp, "m"))
    running.kill()
