"""The configuration that a coordinator shows is compared with what its evidence holds, and said in words."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.checks import Status
from attestation.init_data import FIELDS, make_init_data
from attestation.kinds import Kind
from coordinator.client.client import CoordinatorClient
from coordinator.client.configuration import is_told, read_configuration, with_configuration
from coordinator.client.verify import VerificationRefused, VerifiedDeployment, verify_answer
from coordinator.config import ENTRY, ConfigInvalid
from coordinator.wire.configuration import ConfigurationFormatError, document, parse
from tests.client.test_verify import NONCE, exchange_with
from tests.fakes.front_door import NOON, FrontDoor

TOKEN = hashlib.sha256(b"token").hexdigest()
TOLD = make_init_data({ENTRY: f"claim_token_sha256 = '{TOKEN}'\n"})


@pytest.fixture(scope="module")
def deployment() -> VerifiedDeployment:
    door = FrontDoor()
    answer = CoordinatorClient(exchange_with(door)).quote(NONCE)
    return verify_answer(answer, NONCE, door.expectation(), now=NOON)


def told(deployment: VerifiedDeployment, held: bytes, kind: Kind = Kind.TDX) -> VerifiedDeployment:
    """The same with evidence that holds this."""
    claims = deployment.verdict.claims
    changed = replace(claims, kind=kind, measurements={**claims.measurements, FIELDS[Kind.TDX].claim: held})
    return replace(deployment, verdict=replace(deployment.verdict, claims=changed))


def test_what_it_shows_and_its_evidence_holds_is_said_and_is_one_check_more(deployment: VerifiedDeployment) -> None:
    measured = told(deployment, TOLD.digest(48))
    assert is_told(measured)
    verified, configuration = with_configuration(measured, TOLD.document)
    assert "configuration.digest" == verified.checks[-1].name
    assert Status.PASSED is verified.checks[-1].status
    assert configuration.words.startswith("measured: setters: a claim token; ")
    said = configuration.as_json()
    assert (True, TOLD.digest(48).hex()) == (said["measured"], said["digest"])
    assert {"claim_token_sha256": TOKEN} == said["settings"]


@pytest.mark.parametrize("shown", [make_init_data({}).document, TOLD.document + b"\n", b"", b"\xff" * 9])
def test_what_it_shows_and_its_evidence_does_not_hold_is_refused(deployment: VerifiedDeployment, shown: bytes) -> None:
    with pytest.raises(VerificationRefused) as refused:
        with_configuration(told(deployment, TOLD.digest(48)), shown)
    assert "V138" == refused.value.code
    assert "configuration.digest" == refused.value.checks[-1].name


def test_a_machine_that_was_told_nothing_is_not_measured(deployment: VerifiedDeployment) -> None:
    assert not is_told(deployment)
    verified, configuration = with_configuration(deployment, None)
    assert deployment == verified
    assert "not measured: the host can choose who may set the first manifest" == configuration.words
    assert (False, None) == (configuration.as_json()["measured"], configuration.as_json()["digest"])


def test_a_file_alone_does_not_show_it(deployment: VerifiedDeployment) -> None:
    _, configuration = with_configuration(told(deployment, TOLD.digest(48)), None)
    assert configuration.words.startswith("not shown")
    assert TOLD.digest(48).hex() == configuration.as_json()["digest"]


def test_of_a_platform_without_a_place_for_it_that_is_said(deployment: VerifiedDeployment) -> None:
    _, configuration = with_configuration(told(deployment, b"", Kind.SGX), None)
    assert configuration.words.startswith("not measured apart from its program")


def test_init_data_without_a_configuration_leaves_it_to_the_host(deployment: VerifiedDeployment) -> None:
    other = make_init_data({"policy.rego": "package agent_policy\n"})
    _, configuration = with_configuration(told(deployment, other.digest(48)), other.document)
    assert configuration.words.startswith("not measured: the init-data says nothing of it")


def test_a_setting_of_a_later_version_is_said_to_be_unreadable_and_the_evidence_stands(
    deployment: VerifiedDeployment,
) -> None:
    later = make_init_data({ENTRY: "later = 1\n"})
    _, configuration = with_configuration(told(deployment, later.digest(48)), later.document)
    assert configuration.words.startswith("measured, and this version cannot read it")
    with pytest.raises(ConfigInvalid):
        read_configuration(later, b"")


def says(lines: str, **texts: str) -> str:
    return read_configuration(make_init_data({ENTRY: lines, **texts}), b"").words


def test_every_setting_that_matters_for_trust_is_in_the_words() -> None:
    assert "measured: setters: anyone; key devices: none; witness: none; simulated roots: none" == says("")
    words = says(
        "startup_manifest = 'm'\ntrust = 't'\ntpm = 'device:x'\nwitness = 'tpm'\npkcs11_module = '/l.so'\n"
        "compatible = true\n",
        m="{}",
        t="PEM",
    )
    assert f"first manifest: sha256 {hashlib.sha256(b'{}').hexdigest()}" in words
    for each in ("TPM and PKCS#11 token", "witness: TPM", "simulated roots: ACCEPTED", "as MarbleRun reads them"):
        assert each in words


@given(st.none() | st.binary(max_size=200))
def test_the_answer_reads_back(raw: bytes | None) -> None:
    assert raw == parse(document(raw))


@pytest.mark.parametrize("data", [None, {}, [], {"initData": 1}, {"initData": "%"}, "initData"])
def test_an_answer_that_is_none_is_refused(data: object) -> None:
    with pytest.raises(ConfigurationFormatError):
        parse(data)
