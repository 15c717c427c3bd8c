"""A package says what proves a program, and where it says so."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.claims import TcbPolicy, TcbStatus
from attestation.sgx.claims import SgxReferenceValues
from attestation.tdx.claims import TdxReferenceValues
from coordinator.manifest.errors import Finding, ManifestInvalid
from coordinator.manifest.package import parse_reference
from coordinator.manifest.parse import Parsed, parse

Parse = Callable[..., Parsed]
Refuse = Callable[..., list[Finding]]

HEAD = "Packages:\n  web:\n"
TAIL = "Marbles:\n  web:\n    Package: web\n"


def alternatives(package: str) -> tuple[Any, ...]:
    indented = "".join(f"    {line}\n" for line in package.splitlines())
    parsed = parse((HEAD + indented + TAIL).encode(), name="m.yaml", compatible=False)
    return parsed.manifest.packages["web"].alternatives


def test_tdx_values_carry_the_place_of_every_demand() -> None:
    package = f"TDX:\n  MRTD: '{'0a' * 48}'\n  RTMR2: '{'0B' * 48}'\n  AcceptedTCBStatuses: [SWHardeningNeeded]"
    (values,) = alternatives(package)
    assert values == TdxReferenceValues(
        mrtd=b"\x0a" * 48,
        rtmrs={2: b"\x0b" * 48},
        tcb=TcbPolicy(frozenset({TcbStatus.SW_HARDENING_NEEDED})),
        sources={
            "": "m.yaml:3 /Packages/web/TDX",
            "mrtd": "m.yaml:4 /Packages/web/TDX/MRTD",
            "rtmr2": "m.yaml:5 /Packages/web/TDX/RTMR2",
            "tcb": "m.yaml:6 /Packages/web/TDX/AcceptedTCBStatuses",
        },
    )


def test_marbleruns_fields_describe_an_enclave_with_its_default_platform_states() -> None:
    (values,) = alternatives(f"SignerID: '{'02' * 32}'\nProductID: 0\nSecurityVersion: 3")
    assert values == SgxReferenceValues(
        mrsigner=b"\x02" * 32,
        isvprodid=0,
        isvsvn=3,
        tcb=TcbPolicy(frozenset({TcbStatus.SW_HARDENING_NEEDED})),
        sources={
            "": "m.yaml:2 /Packages/web",
            "mrsigner": "m.yaml:3 /Packages/web/SignerID",
            "isvprodid": "m.yaml:4 /Packages/web/ProductID",
            "isvsvn": "m.yaml:5 /Packages/web/SecurityVersion",
        },
    )


def test_our_own_fields_accept_only_up_to_date_platforms() -> None:
    (values,) = alternatives(f"SGX:\n  MRENCLAVE: '{'01' * 32}'")
    assert (values.mrenclave, values.tcb, values.debug) == (b"\x01" * 32, TcbPolicy(), False)


def test_named_platform_states_replace_the_default() -> None:
    package = f"UniqueID: '{'01' * 32}'\nAcceptedTCBStatuses: [ConfigurationNeeded]\nAcceptedAdvisories: [INTEL-SA-1]"
    (values,) = alternatives(package)
    assert values.tcb == TcbPolicy(frozenset({TcbStatus.CONFIGURATION_NEEDED}), frozenset({"INTEL-SA-1"}))


def test_platforms_beside_each_other_are_alternatives() -> None:
    both = alternatives(f"SGX:\n  UniqueID: '{'01' * 32}'\nTDX:\n  MRTD: '{'02' * 48}'")
    assert [type(values) for values in both] == [SgxReferenceValues, TdxReferenceValues]


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ({}, "E021"),
        ({"SGX": {}}, "E021"),
        ({"SGX": {"MRSIGNER": "01" * 32, "ISVProdID": 1}}, "E021"),
        ({"SGX": {"MRENCLAVE": "01" * 32, "UniqueID": "01" * 32}}, "E021"),
        ({"TDX": {"RTMR0": "01" * 48}}, "E021"),
        ({"TDX": {"MRTD": "01" * 48}, "Debug": True}, "E021"),
        ({"TDX": {"MRTD": "01" * 48, "Debug": True}}, "E010"),
        ({"UniqueID": "01" * 32, "SignerID": "01" * 32}, "E021"),
        ({"SignerID": "01" * 32, "ProductID": 1}, "E021"),
        ({"UniqueID": "01" * 31}, "E012"),
        ({"UniqueID": "0x" + "01" * 31}, "E012"),
        ({"TDX": {"MRTD": "01" * 32}}, "E012"),
        ({"SGX": {"MRENCLAVE": ""}}, "E012"),
        ({"SGX": {"MRSIGNER": "01" * 32, "ISVProdID": 65536, "ISVSVN": 1}}, "E015"),
        ({"UniqueID": "01" * 32, "AcceptedTCBStatuses": ["Outdated"]}, "E013"),
        ({"UniqueID": "01" * 32, "Debug": "true"}, "E014"),
    ],
)
def test_a_package_that_proves_nothing_is_refused(
    package: dict[str, Any], code: str, document: dict[str, Any], refused: Refuse
) -> None:
    document["Packages"]["web"] = package
    assert {finding.code for finding in refused(document)} == {code}


def test_a_debug_package_needs_no_identity_but_a_warning(document: dict[str, Any], parsed: Parse) -> None:
    document["Packages"]["web"] = {"Debug": True}
    result = parsed(document)
    (values,) = result.manifest.packages["web"].alternatives
    assert isinstance(values, SgxReferenceValues)
    assert values.debug
    assert result.manifest.packages["web"].debug
    assert [finding.code for finding in result.findings] == ["E021", "E029"]


def test_in_compatible_mode_an_unknown_status_never_matches(document: dict[str, Any], parsed: Parse) -> None:
    document["Packages"]["web"] = {"UniqueID": "01" * 32, "AcceptedTCBStatuses": ["Outdated"]}
    (values,) = parsed(document, compatible=True).manifest.packages["web"].alternatives
    assert isinstance(values, SgxReferenceValues)
    assert values.tcb == TcbPolicy()


def test_in_compatible_mode_an_unused_package_may_prove_nothing(document: dict[str, Any], parsed: Parse) -> None:
    document["Packages"]["spare"] = {}
    assert "spare" not in parsed(document, compatible=True).manifest.packages


def test_reference_values_stand_alone_in_a_document_of_their_own() -> None:
    (values,) = parse_reference(f"TDX:\n  MRTD: '{'0c' * 48}'\n".encode(), name="reference.yaml")
    assert values == TdxReferenceValues(
        mrtd=b"\x0c" * 48, sources={"": "reference.yaml:1 /TDX", "mrtd": "reference.yaml:2 /TDX/MRTD"}
    )
    (flat,) = parse_reference(b'{"UniqueID": "' + b"01" * 32 + b'"}', name="r.json")
    assert isinstance(flat, SgxReferenceValues)


@pytest.mark.parametrize("raw", [b"", b"{}", b"TDX: {}", b"TDX:\n  MRTD: 12\n", b"Packages: {}", b"[1]", b"\xff"])
def test_a_reference_that_names_nothing_is_refused(raw: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        parse_reference(raw, name="reference.yaml")


@given(st.text(alphabet="0123456789abcdefABCDEF xg", min_size=60, max_size=68))
@settings(max_examples=100, deadline=None)
def test_a_measurement_is_64_hex_digits_and_nothing_else(text: str) -> None:
    raw = f"SGX:\n  MRENCLAVE: '{text}'\n".encode()
    is_measurement = len(text) == 64 and all(character in "0123456789abcdefABCDEF" for character in text)
    try:
        (values,) = parse_reference(raw, name="r")
    except ManifestInvalid:
        assert not is_measurement
    else:
        assert is_measurement
        assert isinstance(values, SgxReferenceValues)
        assert values.mrenclave == bytes.fromhex(text)
