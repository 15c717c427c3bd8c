"""The templates for SGX enclaves by Gramine: closed, measured, and covering what is in the image.

No Gramine is to be had here; what is legal in a manifest is from its documentation and its own checker (1.8 and 1.9).
"""

import re
import tarfile
import tomllib
from pathlib import PurePosixPath
from typing import Any

import pytest

from coordinator.config import _VARIABLES
from marble import settings
from tests.image.conftest import ROOT

FOLDER = ROOT / "packaging" / "gramine"
GIVEN = {
    "gramine.libos": "/usr/lib/x86_64-linux-gnu/gramine/libsysdb.so",
    "gramine.runtimedir()": "/usr/lib/x86_64-linux-gnu/gramine/runtime/glibc",
    "arch_libdir": "/lib/x86_64-linux-gnu",
    "marble": "web",
    "program": "/app/server",
}
LEGAL = {
    "loader": {"entrypoint", "argv", "env", "log_level"},
    "libos": {"entrypoint"},
    "fs": {"mounts"},
    "sys": {
        "disallow_subprocesses",
        "enable_sigterm_injection",
        "enable_extra_runtime_domain_names_conf",
        "experimental__enable_flock",
        "stack",
    },
    "sgx": {
        "debug",
        "remote_attestation",
        "enclave_size",
        "max_threads",
        "isvprodid",
        "isvsvn",
        "trusted_files",
        "allowed_files",
    },
}
TEMPLATES = ["coordinator", "marble"]


def manifest(name: str, version: str = "python3.11") -> dict[str, Any]:
    """The template as gramine-manifest renders it: it uses no more of Jinja than variables."""
    text = (FOLDER / f"{name}.manifest.template").read_text()
    given = {**GIVEN, "version": version}
    rendered = re.sub(r"\{\{ ([a-z_.()]+) \}\}", lambda found: given[found[1]], text)
    assert "{{" not in rendered
    assert "{%" not in rendered
    return tomllib.loads(rendered)


def passed_through(document: dict[str, Any]) -> set[str]:
    return {name for name, value in document["loader"]["env"].items() if value == {"passthrough": True}}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_has_only_keys_that_gramine_knows_and_none_that_is_insecure(name: str) -> None:
    document = manifest(name)
    assert LEGAL.keys() == document.keys()
    for table, keys in LEGAL.items():
        assert document[table].keys() <= keys, table
    for mount in document["fs"]["mounts"]:
        assert ({"type", "path"} if mount.get("type") == "tmpfs" else {"path", "uri"}) == mount.keys()


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_enclave_is_no_debug_enclave_logs_nothing_and_attests(name: str) -> None:
    document = manifest(name)
    assert (False, "dcap") == (document["sgx"]["debug"], document["sgx"]["remote_attestation"])
    assert "error" == document["loader"]["log_level"]
    assert isinstance(document["loader"]["argv"], list), "the host chooses no arguments"
    assert "-I" == document["loader"]["argv"][1], "the host chooses no modules"
    assert document["libos"]["entrypoint"].rpartition("/")[2] == document["loader"]["argv"][0]


def test_the_host_gives_a_coordinator_addresses_and_names_and_nothing_to_trust() -> None:
    passed = passed_through(manifest("coordinator"))
    cluster = {"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}
    assert passed <= _VARIABLES.keys() | cluster
    trusting = {
        "ENCLASP_TRUST",
        "ENCLASP_COMPATIBLE",
        "EDG_STARTUP_MANIFEST",
        "EDG_DEBUG_LOGGING",
        "ENCLASP_SIMULATION",
    }
    assert set() == passed & trusting
    chosen_here = {"EDG_COORDINATOR_SEAL_DIR", "EDG_COORDINATOR_DEV_MODE", "EDG_HTTP_ERROR_LOG_LEVEL"}
    assert _VARIABLES.keys() - trusting - chosen_here == passed - cluster


def test_the_host_gives_a_marble_addresses_and_names_and_not_whom_to_trust() -> None:
    document = manifest("marble")
    allowed = {settings.COORDINATOR_ADDRESS, settings.DNS_NAMES, settings.COORDINATOR_COLLATERAL}
    assert allowed == passed_through(document)
    env = document["loader"]["env"]
    assert ("web", "/web-uid/uuid-file") == (env[settings.TYPE], env[settings.UUID_FILE])
    assert f"file:{env[settings.COORDINATOR_REFERENCE]}" in document["sgx"]["trusted_files"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_file_is_both_measured_and_the_hosts_and_each_is_mounted(name: str) -> None:
    document = manifest(name)
    trusted, allowed = (
        [uri.removeprefix("file:") for uri in document["sgx"][key]] for key in ("trusted_files", "allowed_files")
    )
    for free in allowed:
        assert not [each for each in trusted if each.startswith(free) or free.startswith(each)]
    mounts = [each["uri"].removeprefix("file:") for each in document["fs"]["mounts"] if "uri" in each]
    libos = GIVEN["gramine.libos"]
    for path in (*trusted, *allowed):
        assert path == libos or any(PurePosixPath(path).is_relative_to(mount) for mount in mounts), path
    code = ("/usr", "/lib", "/opt", "/app", "/bin")
    assert not [free for free in allowed if free.startswith(code)], "what is executed is measured"


@pytest.mark.parametrize(("name", "prefix"), [("coordinator", "usr/local"), ("marble", "opt/enclasp-marble")])
def test_every_file_of_the_image_that_the_enclave_needs_is_measured(
    name: str, prefix: str, layer: tarfile.TarFile
) -> None:
    version = layer.getmember("usr/local/bin/python3").linkname
    trusted = [uri.removeprefix("file:") for uri in manifest(name, version)["sgx"]["trusted_files"]]
    files = [each.name for each in layer if each.isreg() or each.islnk()]
    needed = [f"/{each}" for each in files if each.startswith((prefix, "lib/x86_64-linux-gnu/"))]
    assert len(needed) > 100
    left = [path for path in needed if not any(path == each or path.startswith(each) for each in trusted)]
    by_hand = ["/usr/local/bin/enclasp"]  # argv names the interpreter and the module instead of this script
    assert by_hand[: len(left)] == left
    assert manifest(name, version)["libos"]["entrypoint"] in needed
