"""What was measured at launch stands above what the host gives: it can add nothing to trust, and contradict nothing."""

from dataclasses import fields

import pytest

from attestation.init_data import InitData, make_init_data
from coordinator.config import ENTRY, FILES, FOR_TRUST, Config, ConfigInvalid, content, files_of, load
from marble.settings import Given

DIGEST = "ab" * 32
HOSTS = {
    "client",
    "collateral",
    "dns_names",
    "evidence_days",
    "evidence_megabytes",
    "http_log_level",
    "limits",
    "log_level",
    "mesh",
    "prometheus",
    "snapshot_every",
    "state_dir",
    "state_name",
    "store",
}
"""What the host may choose: where it listens, what it keeps on its disk, and signed collateral."""


def told(toml: str, **texts: str) -> InitData:
    return make_init_data({ENTRY: toml, **texts})


def test_every_setting_is_the_hosts_or_a_matter_of_trust() -> None:
    assert {field.name for field in fields(Config)} - {"told"} == HOSTS | FOR_TRUST
    assert not HOSTS & FOR_TRUST


def test_measured_settings_count_and_the_host_fills_in_the_rest() -> None:
    document = told(f"claim_token_sha256 = '{DIGEST}'\nevidence_days = 3\n")
    config = load(b'client = ":1"\n', {"EDG_COORDINATOR_MESH_ADDR": ":2"}, document)
    assert (DIGEST, 3, 1, 2) == (config.claim_token_sha256, config.evidence_days, config.client.port, config.mesh.port)
    assert config.measured
    assert document == config.told


def test_files_travel_with_the_settings_that_name_them() -> None:
    files = {"/etc/setters.pem": "P", "m.yaml": "M"}
    document = told("setters = '/etc/setters.pem'\nstartup_manifest = 'm.yaml'\n", **files)
    config = load(None, {}, document)
    assert Given("/etc/setters.pem", b"P") == config.setters
    assert (b"P", b"M") == (content(config.setters), content(config.startup_manifest))
    assert {"/etc/setters.pem", "m.yaml"} == files_of(document.data[ENTRY])


def test_init_data_for_others_measures_no_configuration() -> None:
    config = load(f"claim_token_sha256 = '{DIGEST}'".encode(), {}, make_init_data({"policy.rego": ""}))
    assert (DIGEST, False) == (config.claim_token_sha256, config.measured)


@pytest.mark.parametrize(
    ("toml", "environ", "measured", "words"),
    [
        (f"claim_token_sha256 = '{DIGEST}'", {}, "", f"the host gives '{DIGEST}', and the measured"),
        ("setters = '/host.pem'", {}, "setters = 'own.pem'", "the measured configuration says 'own.pem'"),
        ("setters = '/host.pem'", {}, "", "the measured configuration does not set it"),
        ("pkcs11_module = '/host.so'", {}, "", "setting 'pkcs11_module'"),
        ("tpm = 'device:/host'\nwitness = 'tpm'", {}, "tpm = 'device:/dev/tpmrm0'", "setting 'tpm'"),
        ("witness_index = 0x01800001", {}, "", "setting 'witness_index'"),
        ("", {"ENCLASP_TRUST": "/host.pem"}, "", "setting 'trust'"),
        ("", {"ENCLASP_COMPATIBLE": "1"}, "", "the host gives 'True'"),
        ("", {"EDG_STARTUP_MANIFEST": "/host.yaml"}, "", "setting 'startup_manifest'"),
        ("", {"EDG_COORDINATOR_CLIENT_ADDR": ":1"}, "client = ':2'", "setting 'client'"),
    ],
)  # fmt: skip
def test_a_host_that_contradicts_what_was_measured_is_refused(
    toml: str, environ: dict[str, str], measured: str, words: str
) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        load(toml.encode(), environ, told(measured, **{"own.pem": ""}))
    assert words in str(refused.value)
    load(toml.encode(), environ, make_init_data({"policy.rego": ""}))


@pytest.mark.parametrize(
    ("toml", "environ", "measured"),
    [
        (f"claim_token_sha256 = '{DIGEST}'", {}, f"claim_token_sha256 = '{DIGEST}'"),
        ("setters = 'own.pem'", {"ENCLASP_TRUST": "own.pem"}, "setters = 'own.pem'\ntrust = 'own.pem'"),
        ("compatible = false\ntpm = ''", {}, ""),
        ("", {"EDG_STARTUP_MANIFEST": "own.pem"}, f"startup_manifest = 'own.pem'\nclaim_token_sha256 = '{DIGEST}'"),
    ],
)
def test_a_host_that_says_the_same_is_not(toml: str, environ: dict[str, str], measured: str) -> None:
    config = load(toml.encode(), environ, told(measured, **{"own.pem": "measured"}))
    given = [getattr(config, name) for name in FILES if getattr(config, name)]
    assert all(isinstance(file, Given) and b"measured" == file.content for file in given)


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        ("setter = ''", f"init-data: {ENTRY}: unknown setting 'setter'"),
        ("told = ''", "unknown setting 'told'"),
        ("= 1", f"init-data: {ENTRY}: expected TOML"),
        ("trust = '/etc/trust.pem'", "'trust': expected the name of another text of the init-data, got '/etc"),
        ("witness = 'tpm'", "expected a TPM in setting 'tpm', got none"),
        ("witness = 1", "setting 'witness': expected text in quotes, got a whole number"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_it_is_named(measured: str, words: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        load(None, {}, told(measured))
    assert words in str(refused.value)
