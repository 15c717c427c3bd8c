"""The REST rows of the contract (sections 1.1-1.9), asked with curl of a running coordinator."""

import base64
import hashlib
import json
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.evidence import recognise

MANIFEST = b'{"Packages":{"p":{"UniqueID":"' + b"ab" * 32 + b'"}},"Marbles":{"m":{"Package":"p"}}}'


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def curl(address: str, path: str, *options: str, body: bytes | None = None) -> Answer:
    data = ("--data-binary", "@-") if body is not None else ()
    command = ["curl", "-sk", "--path-as-is", "-i", *data, *options, f"https://{address}{path}"]
    done = subprocess.run(command, input=body, capture_output=True, timeout=30, check=False)
    assert 0 == done.returncode, done.stderr
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head, _, rest = rest.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return Answer(int(lines[0].split()[1]), headers, rest)


@pytest.fixture(scope="module")
def address(fresh_coordinator_module: Any) -> str:
    return str(fresh_coordinator_module.client_address)


def test_1_6_status_says_that_a_manifest_is_awaited(address: str) -> None:
    v1, v2 = curl(address, "/status"), curl(address, "/api/v2/status")
    assert (200, "application/json") == (v1.status, v1.headers["content-type"])
    assert ["StatusCode", "StatusMessage"] == list(v1.json()["data"])
    assert 2 == v1.json()["data"]["StatusCode"]
    assert ["code", "message"] == list(v2.json()["data"])
    assert v2.body.startswith(b'{"status":"success","data":{"code":2,"message":"')
    assert v2.body.endswith(b"\n")


@pytest.mark.parametrize("path", ["/nothing", "/status/", "/api/v2/nothing", "/recover/x"])
def test_1_1_an_unknown_path_is_405_never_404(address: str, path: str) -> None:
    answer = curl(address, path)
    assert (405, b'{"status":"error","data":null}\n') == (answer.status, answer.body)
    assert "text/plain; charset=utf-8" == answer.headers["content-type"]
    assert "nosniff" == answer.headers["x-content-type-options"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/status"), ("PUT", "/manifest"), ("DELETE", "/api/v2/quote")])
def test_1_1_a_wrong_method_is_405(address: str, method: str, path: str) -> None:
    assert 405 == curl(address, path, "-X", method).status


def test_1_1_a_double_slash_is_redirected(address: str) -> None:
    answer = curl(address, "//status")
    assert (307, "/status") == (answer.status, answer.headers["location"])


@pytest.mark.parametrize("version", ["--tlsv1.2", "--tlsv1.3"])
def test_1_1_tls_1_2_and_1_3_are_served(address: str, version: str) -> None:
    extra = ("--tls-max", "1.2") if version == "--tlsv1.2" else ()
    assert 200 == curl(address, "/status", version, *extra).status


def test_1_7_quote_has_intermediate_then_root_and_binds_the_root(address: str) -> None:
    data = curl(address, "/api/v2/quote").json()["data"]
    intermediate, root = x509.load_pem_x509_certificates(data["cert"].encode())
    assert "CN=MarbleRun Coordinator" == root.subject.rfc4514_string() == root.issuer.rfc4514_string()
    assert "CN=MarbleRun Coordinator - Intermediate CA" == intermediate.subject.rfc4514_string()
    intermediate.verify_directly_issued_by(root)
    assert _report_data(data["quote"]) == _digest(root)


def test_1_7_a_nonce_makes_fresh_evidence(address: str) -> None:
    nonce = bytes(range(200, 232))
    data = curl(address, "/api/v2/quote?nonce=" + base64.urlsafe_b64encode(nonce).decode()).json()["data"]
    root = x509.load_pem_x509_certificates(data["cert"].encode())[1]
    assert _report_data(data["quote"]) == _digest(root, nonce)
    bad = curl(address, "/api/v2/quote?nonce=%21")
    assert (400, "fail") == (bad.status, bad.json()["status"])


def test_1_7_v1_spells_its_keys_with_capitals(address: str) -> None:
    assert ["Cert", "Quote"] == list(curl(address, "/quote").json()["data"])


def test_1_8_before_a_manifest_v1_answers_nulls_and_v2_500(address: str) -> None:
    v1, v2 = curl(address, "/manifest"), curl(address, "/api/v2/manifest")
    assert (200, {"ManifestSignatureRootECDSA": None, "ManifestSignature": "", "Manifest": None}) == (
        v1.status,
        v1.json()["data"],
    )
    assert (500, "error") == (v2.status, v2.json()["status"])


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense: [", b'{"Packages":{}}'])
def test_1_9_an_invalid_manifest_is_400_or_500_and_a_new_try_is_allowed(address: str, body: bytes) -> None:
    v1 = curl(address, "/manifest", body=body)
    v2 = curl(address, "/api/v2/manifest", body=json.dumps({"manifest": base64.b64encode(body).decode()}).encode())
    assert (400, 500) == (v1.status, v2.status), (v1.body, v2.body)
    assert "error" == v1.json()["status"] == v2.json()["status"]
    assert 2 == curl(address, "/status").json()["data"]["StatusCode"]


def test_1_5_a_body_that_is_not_json_is_400_fail(address: str) -> None:
    answer = curl(address, "/api/v2/manifest", body=b"nonsense")
    assert (400, "fail", "application/json") == (
        answer.status,
        answer.json()["status"],
        answer.headers["content-type"],
    )


def test_a_body_over_the_limit_is_refused_before_it_is_read(address: str) -> None:
    answer = curl(address, "/manifest", body=b"x" * (9 * 1024 * 1024))
    assert 413 == answer.status
    assert "expected at most 8388608 bytes" in answer.json()["message"]


def test_1_8_and_1_9_a_manifest_set_once_is_served_with_fingerprint_and_signature(fresh_coordinator: Any) -> None:
    address = str(fresh_coordinator.client_address)
    before = x509.load_pem_x509_certificates(curl(address, "/quote").json()["data"]["Cert"].encode())[1]
    body = json.dumps({"manifest": base64.b64encode(MANIFEST).decode()}).encode()
    answer = curl(address, "/api/v2/manifest", body=body)
    assert (200, {"RecoverySecrets": {}}) == (answer.status, answer.json()["data"])

    data = curl(address, "/api/v2/manifest").json()["data"]
    assert ["manifestSignatureRootECDSA", "manifestFingerprint", "manifest"] == list(data)
    assert MANIFEST == base64.b64decode(data["manifest"])
    assert hashlib.sha256(MANIFEST).hexdigest() == data["manifestFingerprint"]
    root = x509.load_pem_x509_certificates(curl(address, "/quote").json()["data"]["Cert"].encode())[1]
    key = root.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(base64.b64decode(data["manifestSignatureRootECDSA"]), MANIFEST, ec.ECDSA(hashes.SHA256()))
    assert before.public_key() == key, "clients that pinned the first root go on working"
    assert 3 == curl(address, "/status").json()["data"]["StatusCode"]
    assert ["ManifestSignatureRootECDSA", "ManifestSignature", "Manifest"] == list(
        curl(address, "/manifest").json()["data"]
    )
    again = curl(address, "/manifest", body=MANIFEST)
    assert (400, "error") == (again.status, again.json()["status"])


def _digest(root: x509.Certificate, nonce: bytes = b"") -> bytes:
    der = root.public_bytes(Encoding.DER)
    return hashlib.sha256(der + nonce).digest() + bytes(32)


def _report_data(quote: str) -> bytes:
    evidence = recognise(base64.b64decode(quote))
    return evidence.raw[48 + 520 : 48 + 584]
