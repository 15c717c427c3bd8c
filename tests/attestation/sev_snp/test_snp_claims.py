"""What a manifest may demand of a SEV-SNP guest: each demand refuses what misses it, and its twin passes."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from attestation.appraisal import appraise
from attestation.checks import Check, Status
from attestation.claims import TcbPolicy, TcbStatus
from attestation.kinds import Kind
from attestation.sev_snp.claims import SevSnpReferenceValues
from attestation.sev_snp.format import SigningKey
from attestation.simulation.amd import Guest, SimulatedAmd
from attestation.verification import Verification

MEASUREMENT = bytes([0x44]) * 48
GUEST = Guest(
    MEASUREMENT,
    host_data=bytes([0x11]) * 32,
    id_key_digest=bytes([0x22]) * 48,
    author_key_digest=bytes([0x33]) * 48,
    family_id=bytes([0x55]) * 16,
    image_id=bytes([0x66]) * 16,
    guest_svn=5,
    vmpl=1,
)
OTHER = "ab" * 48

# Field of the Reference Values: (value that the guest meets, value that it misses, name of the check).
DEMANDS: Mapping[str, tuple[Any, Any, str]] = {
    "measurement": (MEASUREMENT, bytes.fromhex(OTHER), "sev-snp.measurement"),
    "host_data": (GUEST.host_data, bytes(32), "sev-snp.host-data"),
    "id_key_digest": (GUEST.id_key_digest, bytes.fromhex(OTHER), "sev-snp.id-key-digest"),
    "author_key_digest": (GUEST.author_key_digest, bytes.fromhex(OTHER), "sev-snp.author-key-digest"),
    "family_id": (GUEST.family_id, bytes(16), "sev-snp.family-id"),
    "image_id": (GUEST.image_id, bytes(16), "sev-snp.image-id"),
    "guest_svn": (5, 6, "sev-snp.guest-svn"),
    "vmpl": (1, 0, "sev-snp.vmpl"),
    "debug": (False, True, "sev-snp.debug"),
    "smt": (True, False, "sev-snp.policy-smt"),
    "single_socket": (False, True, "sev-snp.policy-single-socket"),
    "platform_flags": (frozenset({"ecc"}), frozenset({"ecc", "ciphertext-hiding"}), "sev-snp.platform"),
    "minimum_tcb": ({"snp": 20}, {"snp": 21}, "sev-snp.reported-tcb-snp"),
    "minimum_launch_tcb": ({"microcode": 20}, {"microcode": 21}, "sev-snp.launch-tcb-microcode"),
    "products": (frozenset({"Milan"}), frozenset({"Genoa", "Turin"}), "sev-snp.product-allowed"),
    "signing_keys": (frozenset({"VCEK"}), frozenset({"VLEK"}), "sev-snp.signing-key-allowed"),
    "chip_ids": (None, frozenset({"00"}), "sev-snp.chip-allowed"),
    "revocation": (False, True, "sev-snp.revocation"),
}
DEMANDED = SevSnpReferenceValues(measurement=MEASUREMENT)


@pytest.fixture(scope="session")
def verification(amd: SimulatedAmd, check_simulated: Callable[..., Verification]) -> Verification:
    return check_simulated(amd.chip.report(GUEST, bytes(64)))


def failures(checks: tuple[Check, ...]) -> list[Check]:
    return [check for check in checks if check.status is not Status.PASSED]


@pytest.mark.parametrize("field", DEMANDS)
def test_each_demand_refuses_what_misses_it_and_says_so(field: str, verification: Verification) -> None:
    met, missed, name = DEMANDS[field]
    sources = {field: "manifest.yaml:7 /Packages/web"}

    passing = replace(DEMANDED, sources=sources, **{field: met}).appraise(verification.claims)
    refusing = replace(DEMANDED, sources=sources, **{field: missed}).appraise(verification.claims)

    assert [] == failures(passing)
    (failure,) = failures(refusing)
    assert name == failure.name
    assert "manifest.yaml:7 /Packages/web" == failure.source
    assert failure.expected != failure.found
    assert failure.hint
    assert failure.code


def test_every_field_is_demanded_by_a_test() -> None:
    tested = set(DEMANDS) | {"migration_agent", "tcb", "sources"}

    assert set(SevSnpReferenceValues.__dataclass_fields__) == tested


def test_an_allowed_machine_is_accepted(verification: Verification, amd: SimulatedAmd) -> None:
    values = replace(DEMANDED, chip_ids=frozenset({amd.chip.chip_id.hex()}))

    assert [] == failures(values.appraise(verification.claims))


def test_a_checked_revocation_meets_the_demand(amd: SimulatedAmd, check_simulated: Callable[..., Verification]) -> None:
    checked = check_simulated(amd.chip.report(GUEST, bytes(64)), amd.endorsements(crls=(amd.crl(),)))

    assert [] == failures(replace(DEMANDED, revocation=True).appraise(checked.claims))


@pytest.mark.parametrize(
    "values",
    [
        SevSnpReferenceValues(),
        SevSnpReferenceValues(host_data=GUEST.host_data, vmpl=1, guest_svn=1),
        SevSnpReferenceValues(family_id=GUEST.family_id, image_id=GUEST.image_id),
    ],
)
def test_values_without_an_identity_are_met_by_nothing(
    values: SevSnpReferenceValues, verification: Verification
) -> None:
    assert not appraise(verification.attested(), (values,)).accepted
    assert "sev-snp.identity" in {c.name for c in failures(values.appraise(verification.claims))}


def test_zeros_are_no_identity(amd: SimulatedAmd, check_simulated: Callable[..., Verification]) -> None:
    """A guest without an ID block reports zeros, so a demand for zeros would be met by every such guest."""
    nobody = check_simulated(amd.chip.report(Guest(MEASUREMENT), bytes(64)))

    checks = SevSnpReferenceValues(id_key_digest=bytes(48)).appraise(nobody.claims)

    assert ["sev-snp.identity"] == [c.name for c in failures(checks)]


def test_a_debug_guest_is_accepted_only_where_debug_is_wanted(
    amd: SimulatedAmd, check_simulated: Callable[..., Verification]
) -> None:
    debug = check_simulated(amd.chip.report(GUEST.debuggable(), bytes(64)))

    assert not appraise(debug.attested(), (DEMANDED,)).accepted
    assert appraise(debug.attested(), (replace(DEMANDED, debug=True),)).accepted


def test_a_guest_that_can_be_moved_is_accepted_only_where_that_is_wanted(
    amd: SimulatedAmd, check_simulated: Callable[..., Verification]
) -> None:
    movable = check_simulated(amd.chip.report(replace(GUEST, policy=frozenset({"smt", "migration-agent"})), bytes(64)))

    (failure,) = failures(DEMANDED.appraise(movable.claims))
    assert "sev-snp.migration-agent" == failure.name
    assert [] == failures(replace(DEMANDED, migration_agent=True).appraise(movable.claims))


def test_policy_bits_meet_what_is_demanded_of_them(
    amd: SimulatedAmd, check_simulated: Callable[..., Verification]
) -> None:
    strict = check_simulated(amd.chip.report(replace(GUEST, policy=frozenset({"single-socket"})), bytes(64)))

    assert [] == failures(replace(DEMANDED, smt=False, single_socket=True).appraise(strict.claims))


def test_a_component_that_the_product_lacks_meets_no_minimum(verification: Verification) -> None:
    (failure,) = failures(replace(DEMANDED, minimum_tcb={"fmc": 0}).appraise(verification.claims))

    assert "no such component" == failure.found


def test_a_vlek_names_its_provider(amd: SimulatedAmd, check_simulated: Callable[..., Verification]) -> None:
    claims = check_simulated(amd.chip.report(GUEST, bytes(64), signing_key=SigningKey.VLEK)).claims

    assert ("simulated-provider", "VLEK", "") == (
        claims.details["csp_id"],
        claims.details["signing_key"],
        claims.hardware_id,
    )
    assert [] == failures(replace(DEMANDED, signing_keys=frozenset({"VLEK"})).appraise(claims))


def test_a_status_that_nobody_told_is_not_good_enough(verification: Verification) -> None:
    unknown = replace(verification.claims, tcb_status=None)
    revoked = replace(verification.claims, tcb_status=TcbStatus.OUT_OF_DATE)
    lenient = replace(DEMANDED, tcb=TcbPolicy(frozenset({TcbStatus.OUT_OF_DATE})))

    assert ["tcb.status"] == [c.name for c in failures(DEMANDED.appraise(unknown))]
    assert ["tcb.status"] == [c.name for c in failures(DEMANDED.appraise(revoked))]
    assert [] == failures(lenient.appraise(revoked))
    assert Kind.SEV_SNP is DEMANDED.kind
