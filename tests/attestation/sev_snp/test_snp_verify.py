"""Each check of SEV-SNP evidence refuses what no other check would, and each has a twin that passes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.anchors import Anchor
from attestation.binding import Bound, Unbound
from attestation.checks import Status
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.sev_snp.certificate import HWID, SVNS
from attestation.sev_snp.endorsements import SevSnpEndorsements
from attestation.sev_snp.format import SIGNED_BYTES, SigningKey, TableEntry, encode_table
from attestation.sev_snp.tcb import Product
from attestation.sev_snp.verify import SevSnpVerifier
from attestation.simulation.amd import Chip, Guest, SimulatedAmd, new_amd, sign_report
from attestation.verification import Verification

GUEST = Guest(bytes([0x44]) * 48)
DATA = bytes(range(64))
BOUND = Bound(DATA, "these bytes")


def problems(verification: Verification) -> set[str]:
    """Names of the checks that did not pass; the revocation list is left out where none was given."""
    return {c.name for c in verification.checks if c.status is not Status.PASSED and c.name != "sev-snp.crl"} | {
        c.name for c in verification.checks if c.status is Status.FAILED
    }


def changed(chip: Chip, changes: Mapping[int, bytes], key: ec.EllipticCurvePrivateKey | None = None) -> Evidence:
    """A report with other bytes at some offsets, signed again by the chip, or by another key."""
    raw = bytearray(chip.report(GUEST, DATA).raw[:SIGNED_BYTES])
    for offset, value in changes.items():
        raw[offset : offset + len(value)] = value
    return Evidence(Kind.SEV_SNP, sign_report(key or chip.vcek_key, bytes(raw)))


def reissued(
    amd: SimulatedAmd,
    leaf: x509.Certificate,
    *,
    without: x509.ObjectIdentifier | None = None,
    instead: Mapping[x509.ObjectIdentifier, bytes] | None = None,
    issuer: str = "ask",
) -> x509.Certificate:
    """A leaf certificate, issued again with other extensions or by another authority."""
    ca: x509.Certificate = getattr(amd, issuer)
    builder = (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(ca.subject)
        .public_key(leaf.public_key())
        .serial_number(leaf.serial_number)
        .not_valid_before(leaf.not_valid_before_utc)
        .not_valid_after(leaf.not_valid_after_utc)
    )
    for extension in leaf.extensions:
        if extension.oid != without:
            value = (instead or {}).get(extension.oid)
            kept = extension.value if value is None else x509.UnrecognizedExtension(extension.oid, value)
            builder = builder.add_extension(kept, critical=False)
    pss = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
    return builder.sign(getattr(amd, f"{issuer}_key"), hashes.SHA384(), rsa_padding=pss)


def with_leaf(amd: SimulatedAmd, leaf: x509.Certificate) -> SevSnpEndorsements:
    return SevSnpEndorsements(tuple(c.public_bytes(Encoding.DER) for c in (leaf, amd.ask, amd.asvk, amd.ark)))


@dataclass(frozen=True)
class Forgery:
    """Evidence with one fault, and what else belongs to it."""

    evidence: Evidence
    endorsements: SevSnpEndorsements | None = None
    at: datetime | None = None
    binding: Bound = field(default=BOUND)


def forge_version(amd: SimulatedAmd) -> Forgery:
    return Forgery(changed(amd.chip, {0: b"\x01"}))


def forge_algorithm(amd: SimulatedAmd) -> Forgery:
    return Forgery(changed(amd.chip, {0x34: b"\x02"}))


def forge_masked_key(amd: SimulatedAmd) -> Forgery:
    return Forgery(changed(amd.chip, {0x48: b"\x02"}))


def forge_other_root(amd: SimulatedAmd) -> Forgery:
    other = new_amd(amd.made_at, amd.product)
    return Forgery(other.chip.report(GUEST, DATA), other.endorsements())


def forge_role(amd: SimulatedAmd) -> Forgery:
    vlek = reissued(amd, amd.chip.vlek, issuer="ask")
    return Forgery(amd.chip.report(GUEST, DATA, signing_key=SigningKey.VLEK), with_leaf(amd, vlek))


def forge_time(amd: SimulatedAmd) -> Forgery:
    return Forgery(amd.chip.report(GUEST, DATA), at=amd.made_at + timedelta(days=8 * 365))


def forge_revoked(amd: SimulatedAmd) -> Forgery:
    return Forgery(amd.chip.report(GUEST, DATA), amd.endorsements(crls=(amd.crl([amd.ask]),)))


def forge_old_list(amd: SimulatedAmd) -> Forgery:
    return Forgery(amd.chip.report(GUEST, DATA), amd.endorsements(crls=(amd.crl(validity=timedelta(hours=-1)),)))


def forge_extensions(amd: SimulatedAmd) -> Forgery:
    vcek = reissued(amd, amd.chip.vcek, without=SVNS["microcode"])
    return Forgery(amd.chip.report(GUEST, DATA), with_leaf(amd, vcek))


def forge_product(amd: SimulatedAmd) -> Forgery:
    return Forgery(changed(amd.chip, {0x188: b"\x19\x11\x01"}))


def forge_chip(amd: SimulatedAmd) -> Forgery:
    return Forgery(changed(amd.chip, {0x1A0: b"\x01" * 64}))


def forge_tcb(amd: SimulatedAmd) -> Forgery:
    return Forgery(amd.chip.report(GUEST, DATA, reported={**amd.chip.svns, "snp": 19}))


def forge_tcb_order(amd: SimulatedAmd) -> Forgery:
    return Forgery(changed(amd.chip, {0x1E0: b"\x01"}))


def forge_signature(amd: SimulatedAmd) -> Forgery:
    return Forgery(changed(amd.chip, {}, key=ec.generate_private_key(ec.SECP384R1())))


def forge_binding(amd: SimulatedAmd) -> Forgery:
    return Forgery(amd.chip.report(GUEST, DATA), binding=Bound(bytes(64), "zeros"))


def forge_table(amd: SimulatedAmd) -> Forgery:
    return Forgery(Evidence(Kind.SEV_SNP, amd.chip.report(GUEST, DATA).raw + b"\x01"))


FORGERIES: dict[Callable[[SimulatedAmd], Forgery], set[str]] = {
    forge_table: {"sev-snp.format"},
    forge_version: {"sev-snp.version"},
    forge_algorithm: {"sev-snp.algorithm"},
    forge_masked_key: {"sev-snp.signing-key"},
    forge_other_root: {"sev-snp.chain", "anchor.class"},
    forge_role: {"sev-snp.roles"},
    forge_time: {"sev-snp.validity"},
    forge_revoked: {"sev-snp.crl"},
    forge_old_list: {"sev-snp.crl"},
    forge_extensions: {"sev-snp.extensions"},
    forge_product: {"sev-snp.product"},
    forge_chip: {"sev-snp.chip-id"},
    forge_tcb: {"sev-snp.tcb"},
    forge_tcb_order: {"sev-snp.tcb-order"},
    forge_signature: {"sev-snp.signature"},
    forge_binding: {"binding.report-data"},
}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_one_check_alone_finds_each_forgery(
    forge: Callable[[SimulatedAmd], Forgery], amd: SimulatedAmd, check_simulated: Callable[..., Verification]
) -> None:
    forgery = forge(amd)

    verification = check_simulated(forgery.evidence, forgery.endorsements, forgery.binding, forgery.at)

    assert FORGERIES[forge] == problems(verification)
    assert not verification.genuine
    for check in verification.checks:
        if check.status is Status.FAILED:
            assert check.expected
            assert check.found
            assert check.hint
            assert check.code.startswith(("V1", "V2"))
            assert check.source


def test_every_check_has_a_forgery(amd: SimulatedAmd, check_simulated: Callable[..., Verification]) -> None:
    honest = check_simulated(amd.chip.report(GUEST, DATA), amd.endorsements(crls=(amd.crl(),)), BOUND)

    assert {c.name for c in honest.checks} == set().union(*FORGERIES.values())


@pytest.mark.parametrize("product", list(Product))
@pytest.mark.parametrize("signing_key", [SigningKey.VCEK, SigningKey.VLEK])
@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_an_honest_report_of_every_product_passes(
    product: Product,
    signing_key: SigningKey,
    version: int,
    amds: Mapping[Product, SimulatedAmd],
    check_simulated: Callable[..., Verification],
) -> None:
    amd = amds[product]
    evidence = amd.chip.report(GUEST, DATA, version=version, signing_key=signing_key)

    verification = check_simulated(evidence, amd.endorsements(crls=(amd.crl(),)), BOUND)

    assert set() == problems(verification)
    assert verification.genuine
    assert verification.complete
    assert verification.simulated
    assert verification.claims.details["revocation_checked"] is True
    assert product == verification.claims.details["product"]
    assert verification.claims.details["reported_snp_svn"] == 20


@pytest.mark.parametrize("signing_key", [SigningKey.VCEK, SigningKey.VLEK])
def test_an_extended_report_brings_its_certificates(
    signing_key: SigningKey, amd: SimulatedAmd, check_simulated: Callable[..., Verification]
) -> None:
    evidence = amd.chip.report(GUEST, DATA, signing_key=signing_key, extended=True)

    assert check_simulated(evidence, SevSnpEndorsements.none(), BOUND).genuine
    bare = check_simulated(amd.chip.report(GUEST, DATA, signing_key=signing_key), SevSnpEndorsements.none(), BOUND)
    assert not bare.genuine
    assert not bare.complete


def test_a_table_without_the_chain_is_completed_by_the_endorsements(
    amd: SimulatedAmd, check_simulated: Callable[..., Verification]
) -> None:
    vlek = amd.chip.vlek.public_bytes(Encoding.DER)
    report = amd.chip.report(GUEST, DATA, signing_key=SigningKey.VLEK).raw
    evidence = Evidence(Kind.SEV_SNP, report + encode_table(((TableEntry.VLEK, vlek),)))
    chain = SevSnpEndorsements((amd.asvk.public_bytes(Encoding.DER),))

    assert check_simulated(evidence, chain, BOUND).genuine
    alone = check_simulated(evidence, SevSnpEndorsements.none(), BOUND)
    assert (False, False) == (alone.genuine, alone.complete)


@pytest.mark.parametrize(("count", "whole"), [(8, True), (9, False)])
def test_a_table_has_no_more_certificates_than_any_chain(
    amd: SimulatedAmd, check_simulated: Callable[..., Verification], count: int, whole: bool
) -> None:
    pem = amd.chip.vcek.public_bytes(Encoding.PEM) * count
    table = encode_table(((TableEntry.VCEK, pem),))
    found = check_simulated(Evidence(Kind.SEV_SNP, amd.chip.report(GUEST, DATA).raw + table), None, BOUND)
    assert whole is found.genuine
    assert whole is ("sev-snp.format" not in problems(found))


def test_a_revocation_list_in_the_table_counts_as_one_that_was_given(
    amd: SimulatedAmd, check_simulated: Callable[..., Verification]
) -> None:
    def extended(crl: bytes) -> Evidence:
        table = encode_table(((TableEntry.CRL, crl),))
        return Evidence(Kind.SEV_SNP, amd.chip.report(GUEST, DATA).raw + table)

    assert check_simulated(extended(amd.crl()), None, BOUND).claims.details["revocation_checked"] is True
    assert {"sev-snp.crl"} == problems(check_simulated(extended(amd.crl([amd.ask])), None, BOUND))


def test_a_list_of_another_root_revokes_nothing_and_checks_nothing(
    amd: SimulatedAmd, amds: Mapping[Product, SimulatedAmd], check_simulated: Callable[..., Verification]
) -> None:
    foreign = amds[Product.GENOA].crl([amd.ask])

    verification = check_simulated(amd.chip.report(GUEST, DATA), amd.endorsements(crls=(foreign,)), BOUND)

    assert verification.genuine
    assert verification.claims.details["revocation_checked"] is False


def test_a_hidden_chip_id_is_known_from_the_certificate(
    amd: SimulatedAmd, check_simulated: Callable[..., Verification]
) -> None:
    verification = check_simulated(amd.chip.report(GUEST, DATA, masked=True), None, BOUND)

    assert verification.genuine
    assert amd.chip.chip_id.hex() == verification.claims.hardware_id


def test_the_key_decides_where_chip_and_patch_level_fit_several(
    amd: SimulatedAmd, check_simulated: Callable[..., Verification]
) -> None:
    other = amd.new_chip()
    both = amd.endorsements(other).and_those(amd.endorsements())

    for chip in (amd.chip, other):
        assert check_simulated(chip.report(GUEST, DATA, masked=True), both, BOUND).genuine
        assert check_simulated(chip.report(GUEST, DATA, signing_key=SigningKey.VLEK), both, BOUND).genuine


def test_a_certificate_of_another_patch_level_is_passed_over(
    amd: SimulatedAmd, check_simulated: Callable[..., Verification]
) -> None:
    newer = reissued(amd, amd.chip.vcek, instead={SVNS["snp"]: b"\x02\x01\x15"})
    both = with_leaf(amd, newer).and_those(amd.endorsements())

    assert check_simulated(amd.chip.report(GUEST, DATA), both, BOUND).genuine
    assert {"sev-snp.tcb"} == problems(check_simulated(amd.chip.report(GUEST, DATA), with_leaf(amd, newer), BOUND))


def test_a_chip_id_wrapped_in_der_is_read_too(amd: SimulatedAmd, check_simulated: Callable[..., Verification]) -> None:
    wrapped = reissued(amd, amd.chip.vcek, instead={HWID: b"\x04\x40" + amd.chip.chip_id})
    short = reissued(amd, amd.chip.vcek, instead={HWID: amd.chip.chip_id[:63]})

    assert check_simulated(amd.chip.report(GUEST, DATA), with_leaf(amd, wrapped), BOUND).genuine
    assert {"sev-snp.extensions"} == problems(
        check_simulated(amd.chip.report(GUEST, DATA), with_leaf(amd, short), BOUND)
    )


def test_simulated_evidence_is_refused_under_amds_roots(
    amd: SimulatedAmd, genuine: tuple[Anchor, ...], now: datetime
) -> None:
    verifier = SevSnpVerifier(genuine, amd.endorsements())

    verification = verifier.verify(amd.chip.report(GUEST, DATA), BOUND, now=now)

    assert not verification.genuine
    assert verification.simulated
    (check,) = [c for c in verification.checks if c.name == "sev-snp.chain"]
    assert "simulated vendor" in check.found
    assert "--trust" in check.hint


def test_real_evidence_is_refused_under_a_simulated_root(snp_case: Callable, simulated: tuple[Anchor, ...]) -> None:
    case = snp_case("02")
    verifier = SevSnpVerifier(simulated, SevSnpEndorsements.from_files(case.files))

    verification = verifier.verify(Evidence(Kind.SEV_SNP, case.report), Unbound(), now=case.at)

    assert not verification.genuine
    assert not verification.simulated


def test_what_was_found_of_a_machine_is_never_found_of_another(
    amd: SimulatedAmd, simulated: tuple[Anchor, ...], now: datetime
) -> None:
    verifier = SevSnpVerifier(simulated, amd.endorsements(crls=(amd.crl(),)))
    honest = amd.chip.report(GUEST, DATA)

    assert verifier.verify(honest, BOUND, now=now).genuine
    for forge in FORGERIES:
        forgery = forge(amd)
        if forgery.endorsements is None and forgery.at is None:
            assert not verifier.verify(forgery.evidence, forgery.binding, now=now).genuine
    assert not verifier.verify(honest, BOUND, now=now + timedelta(days=9 * 365)).genuine
    assert verifier.verify(honest, BOUND, now=now).genuine


def test_a_debug_guest_is_genuine_and_says_so(amd: SimulatedAmd, check_simulated: Callable[..., Verification]) -> None:
    verification = check_simulated(amd.chip.report(replace(GUEST).debuggable(), DATA), None, BOUND)

    assert verification.genuine
    assert verification.claims.debuggable
