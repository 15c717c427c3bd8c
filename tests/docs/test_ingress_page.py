"""docs/ingress.md: its objects name what the chart renders, and its commands do what it says."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.docs.ingress_blocks import block, objects

ROOT = Path(__file__).parents[2]


def released() -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all((ROOT / "manifests" / "kubernetes" / "enclasp.yaml").read_text())


SERVICES = {each["metadata"]["name"]: each for each in released() if each["kind"] == "Service"}
PODS = {each["metadata"]["name"]: each["spec"]["template"] for each in released() if each["kind"] == "Deployment"}


def test_the_gateway_passes_tls_through_to_the_coordinators_service() -> None:
    gateway, route = objects("gateway")
    (listener,) = gateway["spec"]["listeners"]
    assert ("TLS", {"mode": "Passthrough"}) == (listener["protocol"], listener["tls"])
    assert [{"name": gateway["metadata"]["name"], "sectionName": listener["name"]}] == route["spec"]["parentRefs"]
    assert [listener["hostname"]] == route["spec"]["hostnames"]
    ((backend,),) = (rule["backendRefs"] for rule in route["spec"]["rules"])
    assert backend["port"] in [port["port"] for port in SERVICES[backend["name"]]["spec"]["ports"]]


def test_the_ingress_passes_tls_through_to_the_coordinators_service() -> None:
    (ingress,) = objects("ingress")
    assert "true" == ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/ssl-passthrough"]
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    service = path["backend"]["service"]
    assert service["port"]["name"] in [port["name"] for port in SERVICES[service["name"]]["spec"]["ports"]]
    assert "tls" not in ingress["spec"], "nothing ends TLS there"


def test_the_load_balancer_reaches_the_coordinators_pods_also_while_they_wait_for_recovery() -> None:
    (service,) = objects("load-balancer")
    labels, container = PODS["coordinator"]["metadata"]["labels"], PODS["coordinator"]["spec"]["containers"][0]
    assert service["spec"]["selector"].items() <= labels.items()
    assert {each["targetPort"] for each in service["spec"]["ports"]} <= {each["name"] for each in container["ports"]}
    assert service["spec"]["publishNotReadyAddresses"] is True


def test_no_pod_of_the_chart_gets_a_proxy_of_a_mesh() -> None:
    for pod in PODS.values():
        labels, annotations = pod["metadata"]["labels"], pod["metadata"]["annotations"]
        assert ("false", "none") == (labels["sidecar.istio.io/inject"], labels["istio.io/dataplane-mode"])
        assert ("false", "disabled") == (annotations["sidecar.istio.io/inject"], annotations["linkerd.io/inject"])


def test_the_marbles_annotations_exclude_the_coordinators_door() -> None:
    (part,) = objects("mesh")
    annotations = part["metadata"]["annotations"]
    (port,) = SERVICES["coordinator-mesh-api"]["spec"]["ports"]
    outbound = [value for name, value in annotations.items() if "utbound" in name]
    assert [str(port["port"])] * 2 == outbound


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    pkcs8 = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption()).decode()


def run(name: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-euo", "pipefail", "-c", block(name)]
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return subprocess.run(
        command, cwd=folder, env=path | environ, capture_output=True, text=True, timeout=30, check=False
    )


def test_the_signing_request_is_of_the_manifests_key_and_holds_the_name(
    key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    done = run("request", tmp_path, SITE_KEY=pem(key))
    assert 0 == done.returncode, done.stderr
    request = x509.load_pem_x509_csr(done.stdout.encode())
    assert (True, key.public_key()) == (request.is_signature_valid, request.public_key())
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ["shop.example.org"] == names.get_values_for_type(x509.DNSName)
    assert [] == list(tmp_path.iterdir()), "the key is in no file"


def certificate(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    now = datetime.now(UTC)  # noqa: TID251 - a test's clock
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def test_the_comparison_tells_the_manifests_key_from_another(key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> None:
    (tmp_path / "from-coordinator.pem").write_bytes(certificate(key, "by the coordinator"))
    (tmp_path / "shown.pem").write_bytes(certificate(key, "by a public authority"))
    assert 0 == run("compare", tmp_path).returncode
    (tmp_path / "shown.pem").write_bytes(certificate(ec.generate_private_key(ec.SECP256R1()), "of somebody else"))
    assert 0 != run("compare", tmp_path).returncode
