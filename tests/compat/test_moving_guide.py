"""`docs/marblerun.md`: the commands of the move are run as they stand there, on a coordinator that a test starts."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.simulation.measure import measure_program
from tests.support.coordinator_process import start
from tests.support.people import person

PAGE = (Path(__file__).parents[2] / "docs" / "marblerun.md").read_text()
COMMANDS = [
    line.strip()
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
ENDPOINT = "localhost:4433"


def prepare(folder: Path) -> None:
    """What a MarbleRun user has: a manifest with people, a recovery key and a secret to be set, and their files."""
    (folder / "program").write_text("a program\n")
    alice = person(folder, "alice")
    key = rsa.generate_private_key(65537, 2048).public_key()
    owner = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    manifest = {
        "Packages": {"web": {"UniqueID": measure_program([str(folder / "program")]).mrenclave.hex(), "Debug": False}},
        "Marbles": {"web": {"Package": "web", "Parameters": {"Env": {"KEY": "{{ hex .Secrets.data }}"}}}},
        "Secrets": {"data": {"Type": "symmetric-key", "Size": 128, "UserDefined": True}},
        "Users": {"alice": alice.entry("writer")},
        "Roles": {"writer": {"ResourceType": "Secrets", "ResourceNames": ["data"], "Actions": ["WriteSecret"]}},
        "RecoveryKeys": {"owner": owner},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "secrets.json").write_text(json.dumps({"data": {"Key": "AAAAAAAAAAAAAAAAAAAAAA=="}}))


def test_the_move_is_what_the_guide_says(tmp_path: Path) -> None:
    prepare(tmp_path)
    running = start(tmp_path / "dev", EDG_COORDINATOR_DNS_NAMES="localhost")
    (tmp_path / "reference.yaml").write_bytes(running.reference.read_bytes())
    environ = {
        **os.environ,
        "ENCLASP_COORDINATOR_TRUST": str(running.trust),
        "ENCLASP_COORDINATOR_COLLATERAL": str(running.collateral),
    }
    endpoint = "localhost:" + running.client_address.rsplit(":", 1)[1]
    ran = []
    try:
        for command in COMMANDS:
            if command.startswith("enclasp coordinator run"):
                continue  # the one that runs already
            words = [word.replace(ENDPOINT, endpoint) for word in command.split()]
            assert "enclasp" == words[0], command
            call = [sys.executable, "-m", "coordinator", *words[1:]]
            done = subprocess.run(
                call, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
            )
            assert 0 == done.returncode, f"{command}\n{done.stdout}{done.stderr}"
            ran.append(command)
    finally:
        running.kill()
    assert 7 == len(ran)
    assert (tmp_path / "root.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert "owner" in json.loads((tmp_path / "shares.json").read_text())["RecoverySecrets"]


_GROUPS = "manifest|recovery|journal|secret|certificate|collateral|coordinator"
_VERBS = sorted(set(re.findall(rf"`(?:enclasp )?((?:{_GROUPS}) [a-z-]+)", PAGE)))
_THEIRS = {"manifest signature"}


@pytest.mark.parametrize("verb", [verb for verb in _VERBS if verb not in _THEIRS])
def test_every_verb_that_the_page_names_is_one_of_ours(verb: str) -> None:
    group, name = verb.split()
    module = importlib.import_module(f"coordinator.cli.{group}")
    assert name in getattr(module, group).commands
