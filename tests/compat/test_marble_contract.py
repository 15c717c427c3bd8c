"""The marble rows of the contract (section 2), with grpcio's own client against a running coordinator."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.binding import of_certificate
from attestation.kinds import Kind
from attestation.simulation.measure import measure_program
from tests.compat.test_rest_contract import curl
from tests.support import marble_client
from tests.support.coordinator_process import CoordinatorProcess, start


@dataclass
class Deployed:
    running: CoordinatorProcess
    tdx: Callable[[bytes], bytes]
    sgx: Callable[[bytes], bytes]
    other: Callable[[bytes], bytes]

    @property
    def mesh(self) -> str:
        return self.running.mesh_address


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("deployed")
    program, other = folder / "program.py", folder / "other.py"
    program.write_text("print('the agreed program')\n")
    other.write_text("print('another program')\n")
    running = start(folder / "dev")
    measured = measure_program([str(program)])
    document = {
        "Packages": {
            "tdx": {"TDX": {"MRTD": measured.mrtd.hex()}},
            "sgx": {"UniqueID": measured.mrenclave.hex()},
        },
        "Marbles": {
            "plain": {"Package": "tdx"},
            "enclave": {"Package": "sgx"},
            "twice": {"Package": "tdx", "MaxActivations": 2},
            "full": {
                "Package": "tdx",
                "TLS": ["web"],
                "Parameters": {
                    "Files": {"/f/key": "{{ raw .Secrets.own }}", "/f/cert": "{{ pem .Secrets.web.Cert }}"},
                    "Env": {
                        "SHARED": "{{ hex .Secrets.shared }}",
                        "OWN": "{{ hex .Secrets.own }}",
                        "ROOT": "{{ pem .MarbleRun.CoordinatorRoot.Cert }}",
                        "MARBLE_PREDEFINED_ROOT_CA": "overwritten",
                        "EC": "{{ pem .Secrets.each.Private }}",
                    },
                    "Argv": ["/bin/app", "{{ not a template }}"],
                },
            },
        },
        "Secrets": {
            "shared": {"Type": "symmetric-key", "Size": 128, "Shared": True},
            "own": {"Type": "symmetric-key", "Size": 256},
            "web": {"Type": "cert-ecdsa", "Size": 256, "Shared": True, "ValidFor": 7},
            "each": {"Type": "cert-ecdsa", "Size": 256},
            "unused": {"Type": "cert-rsa", "Size": 2048},
        },
        "TLS": {"web": {"Incoming": [{"Port": "8443"}], "Outgoing": [{"Addr": "db", "Port": "5432"}]}},
    }
    answer = curl(running.client_address, "/manifest", body=json.dumps(document).encode())
    assert 200 == answer.status, answer.body
    sim = marble_client.simulated
    yield Deployed(
        running,
        sim(running.folder, Kind.TDX, program),
        sim(running.folder, Kind.SGX, program),
        sim(running.folder, Kind.TDX, other),
    )
    running.kill()


def refusal(deployed: Deployed, join: marble_client.Join) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refused:
        marble_client.send(deployed.mesh, join)
    error = refused.value
    assert isinstance(error, grpc.Call)
    return error.code(), error.details() or ""


def test_2_6_and_2_7_an_attested_marble_gets_certificate_key_and_roots(deployed: Deployed) -> None:
    answer = marble_client.send(deployed.mesh, marble_client.prepare(deployed.tdx, "plain"))
    env = answer.Parameters.Env
    leaf, intermediate = x509.load_pem_x509_certificates(env["MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN"])
    (marble_root,) = x509.load_pem_x509_certificates(env["MARBLE_PREDEFINED_ROOT_CA"])
    (root,) = x509.load_pem_x509_certificates(env["MARBLE_PREDEFINED_COORDINATOR_ROOT_CA"])
    leaf.verify_directly_issued_by(intermediate)
    leaf.verify_directly_issued_by(marble_root)
    intermediate.verify_directly_issued_by(root)
    assert intermediate.public_key() == marble_root.public_key()
    assert f"CN={marble_client.UUID},C=DE" == leaf.subject.rfc4514_string()
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ["m.example"] == names.get_values_for_type(x509.DNSName)
    marble_type = leaf.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.9903.2.1")).value
    assert isinstance(marble_type, x509.UnrecognizedExtension)
    assert b"plain" == marble_type.value
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    key = serialization.load_pem_private_key(env["MARBLE_PREDEFINED_PRIVATE_KEY"], None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert ("secp384r1", leaf.public_key()) == (key.curve.name, key.public_key())
    assert not list(answer.Parameters.Argv)


def test_2_3_an_sgx_marble_joins_with_an_open_enclave_report(deployed: Deployed) -> None:
    join = marble_client.prepare(deployed.sgx, "enclave")
    assert join.quote.startswith(bytes.fromhex("0100000002000000"))
    assert marble_client.send(deployed.mesh, join).Parameters.Env["MARBLE_PREDEFINED_ROOT_CA"]


def test_2_9_parameters_are_rendered_and_reserved_names_win(deployed: Deployed) -> None:
    one = marble_client.send(deployed.mesh, marble_client.prepare(deployed.tdx, "full")).Parameters
    two = marble_client.send(deployed.mesh, marble_client.prepare(deployed.tdx, "full")).Parameters
    other = marble_client.prepare(deployed.tdx, "full")
    other.uuid = "{3F2C1B7E111142228333944455566678}"
    third = marble_client.prepare(deployed.tdx, "full")
    third.uuid = "3F2C1B7E111142228333944455566678"
    assert grpc.StatusCode.INVALID_ARGUMENT == refusal(deployed, other)[0]
    apart = marble_client.send(deployed.mesh, third).Parameters
    assert ["/bin/app", "{{ not a template }}"] == list(one.Argv)
    assert 32 == len(one.Env["SHARED"])
    assert one.Env["SHARED"] == two.Env["SHARED"] == apart.Env["SHARED"]
    assert one.Env["OWN"].decode() == one.Files["/f/key"].hex() == two.Env["OWN"].decode()
    assert one.Env["OWN"] != apart.Env["OWN"], "another UUID has another key"
    assert one.Env["EC"] != two.Env["EC"], "a per-marble certificate is new at each activation"
    assert one.Env["MARBLE_PREDEFINED_ROOT_CA"].startswith(b"-----BEGIN CERTIFICATE-----")
    web = x509.load_pem_x509_certificate(one.Files["/f/cert"])
    assert 7 == (web.not_valid_after_utc - web.not_valid_before_utc).days
    assert one.Env["ROOT"] == one.Env["MARBLE_PREDEFINED_COORDINATOR_ROOT_CA"]
    ttls = json.loads(one.Env["MARBLE_TTLS_CONFIG"])["tls"]
    assert ({"*:8443"}, {"db:5432"}) == (set(ttls["Incoming"]), set(ttls["Outgoing"]))
    assert ttls["Incoming"]["*:8443"]["clientAuth"] is True


def test_2_5_an_unknown_type_is_permission_denied(deployed: Deployed) -> None:
    code, details = refusal(deployed, marble_client.prepare(deployed.tdx, "nobody"))
    assert grpc.StatusCode.PERMISSION_DENIED == code
    assert details.startswith("marble verification failed: A201 unknown marble type")


def test_another_program_is_refused_and_the_operator_learns_why(deployed: Deployed) -> None:
    code, details = refusal(deployed, marble_client.prepare(deployed.other, "plain"))
    assert grpc.StatusCode.PERMISSION_DENIED == code
    assert details.startswith("marble verification failed: A204 evidence does not match the manifest")
    assert "tdx.mrtd" in deployed.running.log
    assert "/Packages/tdx/TDX/MRTD" in deployed.running.log


def test_evidence_of_another_kind_is_refused(deployed: Deployed) -> None:
    assert grpc.StatusCode.PERMISSION_DENIED == refusal(deployed, marble_client.prepare(deployed.sgx, "plain"))[0]
    assert grpc.StatusCode.PERMISSION_DENIED == refusal(deployed, marble_client.prepare(deployed.tdx, "enclave"))[0]


@pytest.mark.parametrize("quote", [b"", b"garbage", b"\0" * 5000])
def test_no_evidence_and_garbage_are_refused(deployed: Deployed, quote: bytes) -> None:
    join = replace(marble_client.prepare(deployed.tdx, "plain"), quote=quote)
    code, details = refusal(deployed, join)
    assert (grpc.StatusCode.PERMISSION_DENIED, True) == (code, "evidence is not genuine" in details)


def test_evidence_cut_or_flipped_is_refused_and_its_twin_passes(deployed: Deployed) -> None:
    changes: tuple[Callable[[bytes], bytes], ...] = (
        lambda q: q[:-3000],
        lambda q: q[:200] + bytes([q[200] ^ 1]) + q[201:],
    )
    for change in changes:
        join = marble_client.prepare(deployed.tdx, "plain")
        code, details = refusal(deployed, replace(join, quote=change(join.quote)))
        assert (grpc.StatusCode.PERMISSION_DENIED, True) == (code, "evidence is not genuine" in details)
        marble_client.send(deployed.mesh, join)


def test_evidence_of_another_certificate_is_refused(deployed: Deployed) -> None:
    stolen = marble_client.prepare(deployed.tdx, "plain")
    thief = replace(marble_client.prepare(deployed.tdx, "plain"), quote=stolen.quote)
    assert grpc.StatusCode.PERMISSION_DENIED == refusal(deployed, thief)[0]


def test_only_the_leaf_counts_not_what_follows_it_in_the_chain(deployed: Deployed) -> None:
    stolen = marble_client.prepare(deployed.tdx, "plain")
    thief = replace(marble_client.prepare(deployed.tdx, "plain"), quote=stolen.quote, extra_chain=[stolen.certificate])
    assert grpc.StatusCode.PERMISSION_DENIED == refusal(deployed, thief)[0]


def test_evidence_counts_once(deployed: Deployed) -> None:
    join = marble_client.prepare(deployed.tdx, "plain")
    marble_client.send(deployed.mesh, join)
    code, details = refusal(deployed, join)
    assert (grpc.StatusCode.PERMISSION_DENIED, True) == (code, "A203" in details)


def test_2_5_max_activations_is_exact(deployed: Deployed) -> None:
    for _ in range(2):
        marble_client.send(deployed.mesh, marble_client.prepare(deployed.tdx, "twice"))
    code, details = refusal(deployed, marble_client.prepare(deployed.tdx, "twice"))
    assert (grpc.StatusCode.PERMISSION_DENIED, True) == (code, "A202" in details)


@pytest.mark.parametrize("csr", [b"", b"nonsense"])
def test_2_5_a_bad_csr_is_internal(deployed: Deployed, csr: bytes) -> None:
    join = replace(marble_client.prepare(deployed.tdx, "plain"), csr=csr)
    assert grpc.StatusCode.INTERNAL == refusal(deployed, join)[0]


def test_2_5_a_csr_that_its_key_did_not_sign_is_internal(deployed: Deployed) -> None:
    join = marble_client.prepare(deployed.tdx, "plain")
    flipped = join.csr[:-1] + bytes([join.csr[-1] ^ 1])
    assert grpc.StatusCode.INTERNAL == refusal(deployed, replace(join, csr=flipped))[0]


def test_2_4_a_bad_uuid_is_an_invalid_argument(deployed: Deployed) -> None:
    join = replace(marble_client.prepare(deployed.tdx, "plain"), uuid="not a uuid")
    assert grpc.StatusCode.INVALID_ARGUMENT == refusal(deployed, join)[0]


def test_2_5_before_a_manifest_it_is_a_failed_precondition(fresh_coordinator: CoordinatorProcess) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    join = marble_client.Join(key, marble_client.self_signed(key), b"", marble_client.signing_request(key), "m")
    with pytest.raises(grpc.RpcError) as refused:
        marble_client.send(fresh_coordinator.mesh_address, join)
    assert isinstance(refused.value, grpc.Call)
    assert grpc.StatusCode.FAILED_PRECONDITION == refused.value.code()


def test_the_log_and_the_metrics_hold_no_secret_and_no_strangers_words(deployed: Deployed) -> None:
    parameters = marble_client.send(deployed.mesh, marble_client.prepare(deployed.tdx, "full")).Parameters
    refusal(deployed, marble_client.prepare(deployed.tdx, "stranger-9"))
    metrics = curl_plain(deployed.running.metrics_address, "/metrics")
    assert 'coordinator_marble_activations_success_total{type="full"}' in metrics
    assert "stranger-9" not in metrics
    for value in (parameters.Env["SHARED"].decode(), parameters.Env["OWN"].decode(), "PRIVATE KEY"):
        assert value not in deployed.running.log
        assert value not in metrics


def curl_plain(address: str, path: str) -> str:
    from urllib.request import urlopen

    with urlopen(f"http://{address}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def test_certificate_hash_binding_is_the_contracts(deployed: Deployed) -> None:
    join = marble_client.prepare(deployed.tdx, "plain")
    der = join.certificate.public_bytes(serialization.Encoding.DER)
    assert of_certificate(der).report_data in join.quote


def test_program_paths_do_not_matter_for_the_measurement(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("x")
    assert measure_program([str(tmp_path / "a")]) == measure_program([str(tmp_path / "b")])
