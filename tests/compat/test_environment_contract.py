"""The coordinator's environment variables, row by row (contract 5.6), and its files (5.1, 5.4)."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from coordinator.cluster.account import SERVICE_ACCOUNT, find_account
from coordinator.cluster.errors import NoAccount
from coordinator.config import Address, Config, ConfigInvalid, load
from tests.compat.test_rest_contract import curl
from tests.faults.clients import phase, root, run_to_its_end, wait_until
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.ports import free_ports

DEFAULT = Config()
VARIABLES = [
    "EDG_COORDINATOR_MESH_ADDR",
    "EDG_COORDINATOR_CLIENT_ADDR",
    "EDG_COORDINATOR_PROMETHEUS_ADDR",
    "EDG_COORDINATOR_DNS_NAMES",
    "EDG_COORDINATOR_SEAL_DIR",
    "EDG_COORDINATOR_DEV_MODE",
    "EDG_DEBUG_LOGGING",
    "EDG_HTTP_ERROR_LOG_LEVEL",
    "EDG_STARTUP_MANIFEST",
    "EDG_STORE_BACKEND",
    "EDG_K8S_STATE_NAME",
    "EDG_K8S_SERVICE_NAME",
    "EDG_K8S_KEK_MAP",
    "EDG_K8S_NAMESPACE",
    "EDG_DISTRIBUTED_COORDINATOR",
    "EDG_ENTERPRISE_LICENSED_FEATURES",
    "EDG_AZURE_HSM_VAULT_URL",
    "EDG_AZURE_HSM_KEY_NAME",
    "EDG_AZURE_HSM_KEY_VERSION",
    "EDG_MAA_URL",
    "EDG_AZURE_CLIENT_ID",
    "EDG_AZURE_TENANT_ID",
    "EDG_AZURE_CLIENT_SECRET",
    "EDG_AZURE_FEDERATED_TOKEN_FILE",
    "EDG_AZURE_AUTHORITY_HOST",
    "OE_SIMULATION",
]
"""Every row of 5.6."""
AZURE = [name for name in VARIABLES if name.startswith(("EDG_AZURE", "EDG_MAA"))]
MANIFEST = b'{"Packages":{"p":{"UniqueID":"' + b"ab" * 32 + b'"}},"Marbles":{"m":{"Package":"p"}}}'


READ: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({}, {"mesh": Address("", 2001), "client": Address("", 4433), "prometheus": None}),
    ({"EDG_COORDINATOR_MESH_ADDR": "localhost:1"}, {"mesh": Address("localhost", 1)}),
    ({"EDG_COORDINATOR_CLIENT_ADDR": ":1"}, {"client": Address("", 1)}),
    ({"EDG_COORDINATOR_PROMETHEUS_ADDR": "127.0.0.1:9"}, {"prometheus": Address("127.0.0.1", 9)}),
    ({"EDG_COORDINATOR_DNS_NAMES": "a,b"}, {"dns_names": ("a", "b")}),
    ({"EDG_COORDINATOR_SEAL_DIR": "/data"}, {"state_dir": "/data"}),
    ({"EDG_CWD": "/app"}, {"state_dir": "/app/marblerun-coordinator-data"}),
    ({"EDG_CWD": "/app", "EDG_COORDINATOR_SEAL_DIR": "/data"}, {"state_dir": "/data"}),
    ({"EDG_COORDINATOR_DEV_MODE": "1"}, {"log_level": "debug"}),
    ({"EDG_DEBUG_LOGGING": "1"}, {"log_level": "debug"}),
    ({"EDG_DEBUG_LOGGING": "0"}, {"log_level": "info"}),
    ({"EDG_HTTP_ERROR_LOG_LEVEL": "warn"}, {"http_log_level": "warning"}),
    ({"EDG_STARTUP_MANIFEST": "/m.json"}, {"startup_manifest": "/m.json"}),
    ({"EDG_DISTRIBUTED_COORDINATOR": "0", "EDG_STORE_BACKEND": "", "OE_SIMULATION": "0"}, {}),
    ({"EDG_STORE_BACKEND": "k8s-secret", "EDG_DISTRIBUTED_COORDINATOR": "1"}, {"store": "kubernetes"}),
    ({"EDG_K8S_STATE_NAME": "other"}, {"state_name": "other"}),
    ({"EDG_K8S_KEK_MAP": "m", "EDG_K8S_SERVICE_NAME": "s"}, {}),
    ({"EDG_K8S_NAMESPACE": "elsewhere"}, {}),
    ({"EDG_ENTERPRISE_LICENSED_FEATURES": "other"}, {}),
    (
        {"EDG_STORE_BACKEND": "k8s-secret", "EDG_ENTERPRISE_LICENSED_FEATURES": "distributedcoordinator"},
        {"store": "kubernetes"},
    ),
    *(({name: "x"}, {}) for name in AZURE),
]
"""Without the gate AzureHSMSealing, which is refused, MarbleRun does not look at Azure's variables either."""
REFUSED = [
    {"EDG_DISTRIBUTED_COORDINATOR": "1"},
    {"EDG_ENTERPRISE_LICENSED_FEATURES": "DistributedCoordinator,other"},
    {"OE_SIMULATION": "1"},
]


@pytest.mark.parametrize("variable", VARIABLES)
def test_5_6_every_variable_has_a_row_here_and_empty_counts_as_unset(variable: str) -> None:
    assert any(variable in environ for environ in [*(environ for environ, _ in READ), *REFUSED])
    assert DEFAULT == load(None, {variable: ""})


@pytest.mark.parametrize(("environ", "changed"), READ)
def test_5_6_a_variable_is_read_as_marblerun_reads_it(environ: dict[str, str], changed: dict[str, Any]) -> None:
    assert replace(DEFAULT, **changed) == load(None, environ)


@pytest.mark.parametrize("environ", REFUSED)
def test_5_6_what_this_version_does_not_do_is_refused_not_ignored(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigInvalid, match="=".join(next(iter(environ.items())))):
        load(None, environ)


def test_5_6_the_namespace_of_the_states_objects_is_the_pods_own_unless_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("mine\n")
    environ = {"KUBERNETES_SERVICE_HOST": "api", SERVICE_ACCOUNT: str(tmp_path)}
    assert "mine" == find_account(environ).namespace
    assert "mine" == find_account(environ | {"EDG_K8S_NAMESPACE": ""}).namespace
    assert "other" == find_account(environ | {"EDG_K8S_NAMESPACE": "other"}).namespace
    for name in ("../x", "Other", "a" * 64, "-a", "a/b"):
        with pytest.raises(NoAccount, match="EDG_K8S_NAMESPACE"):
            find_account(environ | {"EDG_K8S_NAMESPACE": name})


def test_5_6_dns_names_are_in_the_root_certificate_with_loopback(tmp_path: Path) -> None:
    running = start(tmp_path / "dev", EDG_COORDINATOR_DNS_NAMES="coordinator.example, 10.1.2.3")
    try:
        names = root(running.client_address).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    finally:
        running.kill()
    assert ["coordinator.example"] == names.get_values_for_type(x509.DNSName)
    assert {"10.1.2.3", "127.0.0.1", "::1"} == {str(ip) for ip in names.get_values_for_type(x509.IPAddress)}


def test_5_1_files_are_the_owners_alone_and_a_disabled_seal_mode_writes_no_state(tmp_path: Path) -> None:
    running = start(tmp_path / "dev")
    try:
        body = json.dumps(json.loads(MANIFEST) | {"Config": {"SealMode": "Disabled"}}).encode()
        assert 200 == curl(running.client_address, "/manifest", body=body).status
        state = running.folder / "state"
        assert 0o700 == state.stat().st_mode & 0o777
        assert all(0o600 == file.stat().st_mode & 0o777 for file in state.iterdir())
        running.kill()
        running = start(tmp_path / "dev")
        assert 2 == phase(running.client_address)
    finally:
        running.kill()


def test_5_1_a_state_of_marbleruns_in_the_directory_is_left_alone_and_said(tmp_path: Path) -> None:
    state = tmp_path / "dev" / "state"
    state.mkdir(parents=True)
    (state / "sealed_data").write_bytes(b"theirs")
    running = start(tmp_path / "dev")
    running.kill()
    assert "holds a state of MarbleRun's, which is not read" in running.log
    assert b"theirs" == (state / "sealed_data").read_bytes()


@pytest.fixture
def startup(tmp_path: Path) -> Iterator[Callable[[bytes], CoordinatorProcess]]:
    """Start the coordinator of this test with a start-up manifest; what ran before is killed."""
    running: list[CoordinatorProcess] = []

    def begin(manifest: bytes) -> CoordinatorProcess:
        if running:
            running[-1].kill()
        (tmp_path / "manifest.json").write_bytes(manifest)
        running.append(start(tmp_path / "dev", EDG_STARTUP_MANIFEST=str(tmp_path / "manifest.json")))
        return running[-1]

    yield begin
    for each in running:
        each.kill()


def test_5_4_a_start_up_manifest_is_set_once_and_a_restart_goes_on(
    startup: Callable[[bytes], CoordinatorProcess],
) -> None:
    running = startup(MANIFEST)
    shown = root(running.client_address)
    assert 3 == phase(running.client_address)
    running = startup(MANIFEST)
    assert shown == root(running.client_address)
    assert "start-up manifest is in force already" in running.log
    running = startup(MANIFEST + b"\n")
    assert shown == root(running.client_address), "another one changes nothing"
    assert "start-up manifest ignored: another manifest is in force" in running.log


def test_5_4_a_start_up_manifest_that_is_refused_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(MANIFEST.replace(b"UniqueID", b"UnqueID"))
    done = run_to_its_end(
        "--dev", "--state-dir", str(tmp_path / "dev"), EDG_STARTUP_MANIFEST=str(tmp_path / "manifest.json")
    )
    assert 3 == done.returncode
    assert "invalid manifest" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="a new process namespace needs root here")
def test_as_process_1_of_a_container_sigterm_ends_it_in_order(tmp_path: Path) -> None:
    client, mesh = (f"127.0.0.1:{port}" for port in free_ports(2))
    environ = {**os.environ, "EDG_COORDINATOR_CLIENT_ADDR": client, "EDG_COORDINATOR_MESH_ADDR": mesh}
    command = [sys.executable, "-m", "coordinator", "coordinator", "run", "--dev", "--state-dir", str(tmp_path / "dev")]
    with (tmp_path / "log").open("wb") as log:
        outside = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", *command], env=environ, stdout=log, stderr=log
        )
    try:
        assert wait_until(lambda: b"coordinator ready" in (tmp_path / "log").read_bytes(), seconds=30)
        (child,) = Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text().split()
        inner = [line for line in Path(f"/proc/{child}/status").read_text().splitlines() if line.startswith("NSpid")]
        assert "1" == inner[0].split()[-1], "it is process 1 of its own namespace"
        subprocess.run(["kill", "-TERM", child], check=True)
        assert 0 == outside.wait(20)
        assert b'"stopping"' in (tmp_path / "log").read_bytes()
    finally:
        outside.kill()
        outside.wait()
