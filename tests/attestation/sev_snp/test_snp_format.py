"""No bytes make the parsers of SEV-SNP fail in any other way than by their own error."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.anchors import Anchor
from attestation.appraisal import DefaultPolicy, judge
from attestation.binding import Unbound
from attestation.errors import EndorsementFormatError, EvidenceFormatError
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.sev_snp.endorsements import SevSnpEndorsements
from attestation.sev_snp.format import (
    REPORT_BYTES,
    TableEntry,
    encode_table,
    parse_evidence,
    parse_report,
    parse_table,
)
from attestation.sev_snp.tcb import LAYOUTS, Product, components, encode, product_of_cpuid
from attestation.sev_snp.verify import SevSnpVerifier
from attestation.simulation.amd import Guest, SimulatedAmd, load, save
from attestation.starts import kind_by_start

reports = st.binary(max_size=200) | st.binary(min_size=REPORT_BYTES, max_size=REPORT_BYTES + 100)


@given(reports)
@settings(max_examples=60, deadline=None)
def test_no_bytes_make_the_parser_fail_in_any_other_way(raw: bytes) -> None:
    try:
        evidence = parse_evidence(raw)
    except EvidenceFormatError:
        return
    assert len(evidence.report.report_data) == 64
    assert len(evidence.signature) == 512


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_table_makes_its_parser_fail_in_any_other_way(raw: bytes) -> None:
    try:
        entries = parse_table(raw)
    except EvidenceFormatError:
        return
    assert all(content for _, content in entries)


@given(st.lists(st.tuples(st.uuids().filter(lambda guid: guid.int), st.binary(min_size=1, max_size=50)), max_size=16))
@settings(max_examples=50, deadline=None)
def test_a_table_reads_back_as_it_was_written(entries: list[tuple[UUID, bytes]]) -> None:
    assert tuple(entries) == parse_table(encode_table(tuple(entries)))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (b"\x01" * 24 + b"\x01" * 23, "ends at byte"),
        (TableEntry.VCEK.bytes_le + bytes(8), "entry of zeros at its end"),
        ((TableEntry.VCEK.bytes_le + bytes(8)) * 17, "at most 16 entries"),
        (TableEntry.VCEK.bytes_le + b"\xff\xff\xff\xff\xff\xff\xff\xff" + bytes(24), "ends at byte 8589934590"),
    ],
)
def test_a_table_that_points_outside_or_never_ends_is_refused(table: bytes, words: str) -> None:
    with pytest.raises(EvidenceFormatError, match=words):
        parse_table(table)


def test_a_table_whose_entries_share_bytes_is_refused() -> None:
    """Sixteen times the same 60 kB made a request of strangers cost as much as a hundred and fifty others."""
    apart = encode_table(((TableEntry.ASK, b"a" * 100), (TableEntry.ARK, b"b" * 100)))
    first, _ = (apart[at : at + 24] for at in (0, 24))
    with pytest.raises(EvidenceFormatError, match="do not overlap"):
        parse_table(first + first + first + bytes(24) + bytes(100))
    assert 2 == len(parse_table(apart))


def test_a_report_that_is_cut_short_is_refused(snp_case: Callable) -> None:
    report = snp_case("02").report
    for length in (0, 1, 0x29F, 0x2A0, REPORT_BYTES - 1):
        with pytest.raises(EvidenceFormatError, match=f"expected 1184 bytes, got {length}"):
            parse_evidence(report[:length])
        assert kind_by_start(report[:length]) is not Kind.SEV_SNP
        verification = snp_case("02").verify(report[:length])
        assert not judge(verification, DefaultPolicy()).genuine
    with pytest.raises(EvidenceFormatError, match="expected 1184 bytes, got 1185"):
        parse_report(report + b"\0")
    with pytest.raises(EvidenceFormatError, match="at most 65536 bytes"):
        parse_evidence(report + bytes(65537))


@given(raw=st.binary(min_size=REPORT_BYTES, max_size=REPORT_BYTES), table=st.binary(max_size=120))
@settings(max_examples=40, deadline=None)
def test_made_up_evidence_ends_in_a_verdict(raw: bytes, table: bytes) -> None:
    verifier = SevSnpVerifier((), SevSnpEndorsements.none())

    verification = verifier.verify(Evidence(Kind.SEV_SNP, raw + table), Unbound(), now=datetime(2026, 1, 1, tzinfo=UTC))

    assert not verification.genuine


@given(at=st.integers(min_value=0, max_value=4000), value=st.integers(min_value=1, max_value=255))
@settings(max_examples=40, deadline=None)
def test_an_altered_extended_report_ends_in_a_verdict(
    at: int, value: int, extended_report: bytes, simulated: tuple[Anchor, ...], now: datetime
) -> None:
    changed = bytearray(extended_report)
    changed[at % len(changed)] ^= value
    verifier = SevSnpVerifier(simulated, SevSnpEndorsements.none())

    verification = verifier.verify(Evidence(Kind.SEV_SNP, bytes(changed)), Unbound(), now=now)

    assert verification.checks
    if at < REPORT_BYTES:
        assert not verification.genuine


@pytest.fixture(scope="session")
def extended_report(amd: SimulatedAmd) -> bytes:
    return amd.chip.report(Guest(bytes(48)), bytes(64), extended=True).raw


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_security_versions_read_back_as_they_were_written(data: st.DataObject) -> None:
    product = data.draw(st.sampled_from(list(Product)))
    svns = {name: data.draw(st.integers(min_value=0, max_value=255)) for name in LAYOUTS[product]}

    assert svns == components(encode(svns, product), product)


@pytest.mark.parametrize(
    ("cpuid", "product"),
    [
        ((0x19, 0x01), Product.MILAN),
        ((0x19, 0x11), Product.GENOA),
        ((0x19, 0xA0), Product.GENOA),
        ((0x1A, 0x02), Product.TURIN),
        ((0x1A, 0x11), Product.TURIN),
        ((0x1B, 0x00), None),
        ((0x19, 0x20), None),
    ],
)
def test_cpuid_names_the_product(cpuid: tuple[int, int], product: Product | None) -> None:
    assert product_of_cpuid(*cpuid) is product


def test_endorsements_read_back_from_the_bundle(amd: SimulatedAmd) -> None:
    endorsements = amd.endorsements(crls=(amd.crl(),))

    assert endorsements == SevSnpEndorsements.from_json(endorsements.to_json())


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ({}, "expected a list, got an object"),
        (["x"], "expected an object with one key, got text"),
        ([{"certificate": "AA==", "crl": "AA=="}], "expected an object with one key"),
        ([{"other": "AA=="}], "expected the key 'certificate' or 'crl', got 'other'"),
        ([{"certificate": 1}], "expected base64 text, got a number"),
        ([{"certificate": "!"}], "expected base64 text"),
        ([{"certificate": "AAAA"}], "expected X.509 certificates"),
        ([{"crl": "AAAA"}], "expected a revocation list"),
    ],
)
def test_a_bundle_that_cannot_be_read_says_where(items: object, words: str) -> None:
    with pytest.raises(EndorsementFormatError, match=words):
        SevSnpEndorsements.from_json(items)


def test_amds_parts_are_read_in_either_encoding_and_other_files_are_left_alone(amd: SimulatedAmd) -> None:
    chain = amd.ask.public_bytes(Encoding.PEM) + amd.ark.public_bytes(Encoding.PEM)
    files: Mapping[str, bytes] = {
        "vcek.pem": amd.chip.vcek.public_bytes(Encoding.PEM),
        "cert_chain.pem": chain,
        "x.der": b"x",
    }

    assert 3 == len(SevSnpEndorsements.from_files(files).certificates)
    with pytest.raises(EndorsementFormatError, match=r"vcek\.der: expected X\.509"):
        SevSnpEndorsements.from_files({"vcek.der": b"x"})


def test_a_simulated_amd_is_kept_for_its_owner_only(
    amd: SimulatedAmd, tmp_path: Path, check_simulated: Callable
) -> None:
    save(tmp_path, amd)

    (private,) = tmp_path.iterdir()
    assert 0o600 == private.stat().st_mode & 0o777
    again = load(tmp_path)
    assert amd.trust_pem == again.trust_pem
    assert check_simulated(again.chip.report(Guest(bytes(48)), bytes(64)), again.endorsements()).genuine
    with pytest.raises(FileExistsError):
        save(tmp_path, amd)
    private.chmod(0o600)
    for content, words in (("{}", "to have format"), ('{"format": "enclasp-simulated-amd/1"}', "to be whole")):
        private.write_text(content)
        with pytest.raises(EndorsementFormatError, match=words):
            load(tmp_path)
    private.unlink()
    with pytest.raises(EndorsementFormatError, match="to be readable"):
        load(tmp_path)
