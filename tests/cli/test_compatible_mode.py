"""A coordinator in MarbleRun's mode: it takes what MarbleRun's command line sends, and says in which mode it reads."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Enclasp
from tests.compat.test_rest_contract import curl
from tests.support.coordinator_process import CoordinatorProcess, start

# An unknown field, an octal number and a word of YAML 1.1: MarbleRun takes them.
YAML = f"""Packages: {{p: {{UniqueID: "{"ab" * 32}"}}}}
Marbles: {{m: {{Package: p, MaxActivations: 010, DisableSecretBinding: yes, Comment: ours}}}}
"""
SENT = (
    '{"Marbles":{"m":{"Comment":"ours","DisableSecretBinding":true,"MaxActivations":8,"Package":"p"}},'
    f'"Packages":{{"p":{{"UniqueID":"{"ab" * 32}"}}}}}}'
)


@pytest.fixture(scope="module")
def lax(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorProcess]:
    running = start(tmp_path_factory.mktemp("lax"), ENCLASP_COMPATIBLE="1")
    yield running
    running.kill()


def test_the_converted_bytes_are_set_and_the_mode_is_told_everywhere(
    lax: CoordinatorProcess, enclasp: Enclasp, tmp_path: Path
) -> None:
    endpoint = lax.client_address
    flags = ("--reference", lax.reference, "--trust", lax.trust, "--collateral", lax.collateral)
    file = tmp_path / "m.yaml"
    file.write_text(YAML)
    assert not enclasp("status", endpoint, "-o", "json").document["mode"]

    done = enclasp("manifest", "set", file, endpoint, *flags, "--compatible", "-o", "json")
    fingerprint = hashlib.sha256(SENT.encode()).hexdigest()
    assert (0, fingerprint) == (done.code, done.document["fingerprint"]), done.err
    assert "are taken as" in done.err
    assert fingerprint in done.err

    assert enclasp("manifest", "verify", file, endpoint, *flags, "--compatible").code == 0
    assert enclasp("manifest", "verify", file, endpoint, *flags).code == 5
    active = enclasp("manifest", "get", endpoint, *flags)
    assert (SENT.encode(), True) == (active.out, "compatible" in active.err)
    assert "compatible" == enclasp("manifest", "get", endpoint, *flags, "-o", "json").document["mode"]
    assert "compatible" == enclasp("status", endpoint, "-o", "json").document["mode"]
    assert "compatible" == json.loads(curl(endpoint, "/api/v2/manifest").body)["data"]["mode"]
    assert ["code", "message", "mode"] == list(json.loads(curl(endpoint, "/api/v2/status").body)["data"])
    assert ["StatusCode", "StatusMessage"] == list(json.loads(curl(endpoint, "/status").body)["data"])
