"""The configuration: MarbleRun's variables, a TOML file, and one clear sentence for what is wrong."""

from dataclasses import fields
from pathlib import Path

import pytest

from coordinator.config import Address, Config, ConfigInvalid, load
from coordinator.limits import RestLimits


def test_without_anything_the_defaults_are_marbleruns() -> None:
    assert Config(client=Address("", 4433), mesh=Address("", 2001)) == load(None, {})


def test_environment_variables_win_over_the_file() -> None:
    toml = b'client = "127.0.0.1:1"\nmesh = "127.0.0.1:2"\n'
    config = load(toml, {"EDG_COORDINATOR_CLIENT_ADDR": "[::1]:5", "EDG_COORDINATOR_DNS_NAMES": "a.example, 10.0.0.1"})
    assert Address("::1", 5) == config.client
    assert Address("127.0.0.1", 2) == config.mesh
    assert ("a.example", "10.0.0.1") == config.dns_names


def test_an_empty_variable_counts_as_unset() -> None:
    assert Config() == load(None, {"EDG_COORDINATOR_CLIENT_ADDR": ""})


@pytest.mark.parametrize("word", ["kubernetes", "k8s-secret"])
def test_the_state_may_live_in_the_cluster_by_our_word_or_marbleruns(word: str) -> None:
    config = load(None, {"EDG_STORE_BACKEND": word, "EDG_K8S_STATE_NAME": "marblerun-state"})
    assert ("kubernetes", "marblerun-state") == (config.store, config.state_name)


@pytest.mark.parametrize(
    ("toml", "environ", "words"),
    [
        (b"cliemt = 1", {}, "unknown setting 'cliemt'"),
        (b"client = 1", {}, "setting 'client': expected text in quotes, got a whole number"),
        (b"\xff", {}, "expected TOML"),
        (b"snapshot_every = 0", {}, "expected a whole number from 1, got 0"),
        (b"snapshot_every = true", {}, "expected a whole number, got true or false"),
        (None, {"EDG_COORDINATOR_MESH_ADDR": "nowhere"}, "expected HOST:PORT or :PORT, got 'nowhere'"),
        (None, {"EDG_COORDINATOR_MESH_ADDR": ":99999"}, "expected HOST:PORT or :PORT"),
        (None, {"EDG_COORDINATOR_DNS_NAMES": "a,,b"}, "expected names separated by commas"),
        (None, {"EDG_DEBUG_LOGGING": "yes"}, "expected 0 or 1, got 'yes'"),
        (b'store = "etcd"', {}, "expected sqlite, kubernetes, k8s-secret"),
        (None, {"EDG_K8S_STATE_NAME": "State"}, "got 'State'"),
        (None, {"EDG_K8S_STATE_NAME": "a" * 31}, "at most 30 characters"),
        (None, {"EDG_HTTP_ERROR_LOG_LEVEL": "loud"}, "expected debug, info, warn, warning, error, got 'loud'"),
        (None, {"EDG_DISTRIBUTED_COORDINATOR": "1"}, "got a state in one directory"),
        (None, {"OE_SIMULATION": "1"}, "has simulated hardware that is verified"),
        (b"evidence_days = -1", {}, "expected a whole number from 0, got -1"),
        (b"[limits]\nheaders = 1", {}, "unknown setting 'limits.headers'; did you mean 'limits.header'?"),
        (b"[limits]\nheader = 1.5", {}, "setting 'limits.header': expected a whole number, got a number"),
        (b"[limits]\nheader = 0", {}, "setting 'limits.header': expected a number above 0, got 0"),
        (b"[limits]\nidle_seconds = inf", {}, "setting 'limits.idle_seconds': expected a number above 0"),
        (b"[limits]\nidle_seconds = nan", {}, "setting 'limits.idle_seconds': expected a number above 0"),
        (b"limits = 1", {}, "setting 'limits': expected a table, got a whole number"),
        (b'witness = "paper"', {}, "witness: expected tpm, or nothing, got 'paper'"),
        (b'witness = "tpm"', {}, "expected a TPM in setting 'tpm', got none"),
        (b'tpm = "device:x"\nwitness = "tpm"', {"EDG_STORE_BACKEND": "kubernetes"}, "a TPM is one machine's"),
        (b"witness_index = 0x01c00000", {}, "from 0x01800000 to 0x01bfffff, got 0x01c00000"),
    ],
)
def test_what_is_wrong_is_named(toml: bytes | None, environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        load(toml, environ)
    assert words in str(refused.value)


def test_a_tpm_may_be_the_witness_where_the_file_says_so() -> None:
    config = load(b'tpm = "device:x"\nwitness = "tpm"\nwitness_index = 0x01bfffff', {})
    assert ("tpm", 0x01BF_FFFF) == (config.witness, config.witness_index)


def test_limits_of_the_front_door_are_a_table_of_the_file() -> None:
    limits = load(b"[limits]\nrequest_seconds = 5\nidle_seconds = 0.5\nheader = 4096\n", {}).limits
    assert (5.0, 0.5, 10.0, 4096) == (
        limits.request_seconds, limits.idle_seconds, limits.answer_seconds, limits.header
    )  # fmt: skip
    assert type(limits.request_seconds) is float


def test_the_documented_configuration_is_the_default_and_complete() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    block = page.split("```toml\n", 1)[1].split("```", 1)[0]
    assert Config() == load(block.encode(), {})
    named = {line.lstrip("# ").split(" ")[0] for line in block.splitlines() if " = " in line}
    settings, limits = ({field.name for field in fields(each)} for each in (Config, RestLimits))
    assert settings - {"limits", "told"} | limits == named
