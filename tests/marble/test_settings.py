"""What the host says before the start: defaults of the contract, and one clear refusal for each mistake."""

import ipaddress
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from marble import settings
from marble.errors import SettingsInvalid
from marble.settings import Address, CoordinatorTrust, Settings, parse_address, parse_subject_names

LOOPBACK = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))


def test_only_the_type_is_needed_and_the_rest_is_as_the_contract_says() -> None:
    found = Settings.from_environ({"EDG_MARBLE_TYPE": "web"})
    assert found == Settings(
        coordinator=Address("localhost", 2001),
        marble_type="web",
        dns_names=("localhost",),
        ip_addresses=LOOPBACK,
        uuid_file=PurePath("uuid"),
        coordinator_trust=None,
        timeout_seconds=None,
        json_log=False,
    )


def test_every_variable_is_read() -> None:
    found = Settings.from_environ(
        {
            "EDG_MARBLE_TYPE": "web",
            "EDG_MARBLE_COORDINATOR_ADDR": "[::1]:2001",
            "EDG_MARBLE_DNS_NAMES": "web,10.0.0.1, b",
            "EDG_MARBLE_UUID_FILE": "/data/uuid",
            "EDG_LOG_FORMAT": "json",
            "ENCLASP_COORDINATOR_REFERENCE": "r.json",
            "ENCLASP_COORDINATOR_TRUST": "trust.pem",
            "ENCLASP_COORDINATOR_COLLATERAL": "collateral.json",
            "ENCLASP_MARBLE_TIMEOUT": "2.5",
        }
    )
    assert found == Settings(
        coordinator=Address("::1", 2001),
        marble_type="web",
        dns_names=("web", " b"),
        ip_addresses=(ipaddress.ip_address("10.0.0.1"), *LOOPBACK),
        uuid_file=PurePath("/data/uuid"),
        coordinator_trust=CoordinatorTrust(PurePath("r.json"), PurePath("trust.pem"), PurePath("collateral.json")),
        timeout_seconds=2.5,
        json_log=True,
    )


def test_the_uuid_file_stands_in_egos_working_directory() -> None:
    found = Settings.from_environ({"EDG_MARBLE_TYPE": "web", "EDG_CWD": "/edg/hostfs/app"})
    assert PurePath("/edg/hostfs/app/uuid") == found.uuid_file


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("EDG_MARBLE_TYPE", "", "A252"),
        ("EDG_MARBLE_TYPE", "we\nb", "A252"),
        ("EDG_MARBLE_TYPE", "\udc80", "A252"),
        ("EDG_MARBLE_COORDINATOR_ADDR", "localhost", "A250"),
        ("EDG_MARBLE_DNS_NAMES", "bücher.example", "A251"),
        ("ENCLASP_COORDINATOR_TRUST", "trust.pem", "A253"),
        ("ENCLASP_COORDINATOR_COLLATERAL", "collateral.json", "A253"),
        ("ENCLASP_MARBLE_TIMEOUT", "0", "A254"),
        ("ENCLASP_MARBLE_TIMEOUT", "nan", "A254"),
        ("ENCLASP_MARBLE_TIMEOUT", "5s", "A254"),
    ],
)
def test_a_wrong_variable_is_named_with_its_code(name: str, value: str, code: str) -> None:
    with pytest.raises(SettingsInvalid, match=name) as refused:
        Settings.from_environ({"EDG_MARBLE_TYPE": "web", name: value})
    assert code == refused.value.code


@pytest.mark.parametrize(
    "text", ["c", ":1", "c:", "c:0", "c:65536", "c:+1", "c:1 ", "::1:2001", "[c:1", "[c]:1", "c:²"]
)
def test_an_address_without_host_or_port_is_refused(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="expected host:port"):
        parse_address(text)


@given(st.text(max_size=30))
@run(max_examples=100)
def test_an_address_is_read_back_or_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except SettingsInvalid:
        return
    assert address == parse_address(str(address))


def test_names_are_taken_once() -> None:
    assert parse_subject_names("a,a,127.0.0.1,,::1") == (("a",), LOOPBACK)


def test_reserved_names_are_the_contracts() -> None:
    expected = {
        "MARBLE_PREDEFINED_ROOT_CA",
        "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN",
        "MARBLE_PREDEFINED_PRIVATE_KEY",
        "MARBLE_PREDEFINED_COORDINATOR_ROOT_CA",
        "MARBLE_TTLS_CONFIG",
    }
    assert expected == settings.RESERVED
