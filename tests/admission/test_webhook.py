"""The webhook as its own process, with a certificate in files, asked as the API server asks."""

import base64
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coordinator.admission.certificate import make
from pki.certificates import pem
from pki.keys import private_pem
from tests.admission.pods import applied, pod, variables
from tests.support.ports import free_port


class Webhook:
    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.renew()
        files = ["--tls-cert", str(folder / "tls.crt"), "--tls-key", str(folder / "tls.key")]
        command = [sys.executable, "-m", "coordinator", "kubernetes", "webhook", "--coordinator", "c.enclasp:2001"]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen([*command, "--port", str(self.port), *files], stderr=log, env=os.environ)
        deadline = time.monotonic() + 30
        while "admission door open" not in (folder / "log").read_text():
            assert self.process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "the webhook does not start"
            time.sleep(0.05)

    def renew(self) -> None:
        now = datetime.now(UTC)  # noqa: TID251 - a certificate for a real TLS client
        self.credential = make(("localhost",), timedelta(days=1), None, now=now, entropy=os.urandom(16))  # noqa: TID251
        (self.folder / "tls.key").write_bytes(private_pem(self.credential.key))
        (self.folder / "tls.crt").write_bytes(pem(self.credential.certificate))

    def ask(self, path: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, bytes]:
        context = ssl.create_default_context(cadata=pem(self.credential.certificate).decode())
        request = urllib.request.Request(f"https://localhost:{self.port}{path}", body, {"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    running = Webhook(tmp_path_factory.mktemp("webhook"))
    yield running
    running.process.terminate()
    assert 0 == running.process.wait(20)


def review(document: dict[str, Any], operation: str = "CREATE") -> bytes:
    request = {"uid": "u-1", "kind": {"kind": "Pod"}, "operation": operation, "namespace": "shop", "object": document}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def test_a_labelled_pod_is_admitted_with_a_patch(webhook: Webhook) -> None:
    document = pod({"enclasp/marble": "web"})
    status, body = webhook.ask("/mutate", review(document))
    response = json.loads(body)["response"]
    assert (200, "u-1", True, "JSONPatch") == (status, response["uid"], response["allowed"], response["patchType"])
    changed = applied(document, json.loads(base64.b64decode(response["patch"])))
    assert "c.enclasp:2001" == variables(changed["spec"]["containers"][0])["EDG_MARBLE_COORDINATOR_ADDR"]


def test_a_pod_that_is_refused_learns_code_reason_and_what_to_do(webhook: Webhook) -> None:
    _, body = webhook.ask("/mutate", review(pod({"enclasp/marble": "web", "enclasp/container": "x"})))
    response = json.loads(body)["response"]
    assert (False, 403) == (response["allowed"], response["status"]["code"])
    for words in ("K603", "expected one of main, got 'x'", "hint: name one of the pod's containers"):
        assert words in response["status"]["message"]


def test_what_is_no_making_of_a_pod_is_left_alone(webhook: Webhook) -> None:
    _, body = webhook.ask("/mutate", review(pod({"enclasp/marble": ""}), operation="DELETE"))
    assert {"uid": "u-1", "allowed": True} == json.loads(body)["response"]


def test_who_does_not_speak_as_the_api_server_is_told_what_was_expected(webhook: Webhook) -> None:
    assert (400, b"Content-Type: expected application/json\n") == webhook.ask("/mutate", b"{}", "text/plain")
    assert 400 == webhook.ask("/mutate", b"{}")[0]
    assert 413 == webhook.ask("/mutate", b"{" + b" " * (4 * 1024 * 1024))[0]
    assert (200, b"ok\n") == webhook.ask("/healthz")


def test_a_certificate_that_somebody_renews_is_shown_from_the_next_connection_on(webhook: Webhook) -> None:
    before = webhook.credential.certificate
    webhook.renew()
    assert before != webhook.credential.certificate
    assert 200 == webhook.ask("/healthz")[0], "the client trusts the new certificate only"
