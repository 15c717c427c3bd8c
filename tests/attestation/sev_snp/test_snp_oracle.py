"""omne-attest, an independent verifier, says the same of recorded and simulated reports, where it can say.

Known differences: it knows the VCEK of Milan and Genoa only (no VLEK, no Turin, no masked chip ids), looks at no
dates, roles and revocation lists, and takes a chip id that begins with the byte of DER's OCTET STRING for one.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256

import omne_attest
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.sev_snp.tcb import Product
from attestation.simulation.amd import Chip, Guest, SimulatedAmd
from attestation.verification import Verification

# It loads AMD's certificates, whose serial numbers are zero.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number:UserWarning")
ANY = omne_attest.Policy(max_vmpl=3, reject_debug=False)
SUPPORTED = ("01", "02", "03", "05", "06", "08")
CHAIN = ("vcek.der", "ask.der", "ark.der")
FLIPS = 100
SIGNED = 0x2A0 + 48
OCTET_STRING = 0x04


def accepts(report: bytes, vcek: bytes, ask: bytes, ark: bytes) -> bool:
    try:
        omne_attest.verify(report, vcek, ask, ark, sha256(ark).digest(), ANY)
    except omne_attest.Fail:
        return False
    return True


def readable_chip(vendor: SimulatedAmd) -> Chip:
    """A new chip whose id the oracle reads as it stands."""
    while (chip := vendor.new_chip()).chip_id[0] == OCTET_STRING:
        pass
    return chip


@pytest.mark.parametrize("number", SUPPORTED)
def test_both_accept_a_recorded_report_and_refuse_every_change(snp_case: Callable, number: str) -> None:
    case = snp_case(number)
    chain = [case.files[name] for name in CHAIN]
    assert (True, True) == (case.verify().genuine, accepts(case.report, *chain))
    chosen = random.Random(number)

    for _ in range(FLIPS):
        changed = bytearray(case.report)
        changed[chosen.randrange(SIGNED)] ^= 1 << chosen.randrange(8)
        assert (False, False) == (case.verify(bytes(changed)).genuine, accepts(bytes(changed), *chain))


@pytest.mark.parametrize("leaf", ["vcek-invalid-legacy.der", "vcek-invalid-new.der"])
def test_both_refuse_the_certificate_of_another_chip(snp_case: Callable, leaf: str) -> None:
    case = snp_case("03")
    other = replace(case, files={**case.files, "vcek.der": case.files[leaf]})
    chain = [other.files[name] for name in CHAIN]
    assert (False, False) == (other.verify().genuine, accepts(case.report, *chain))


@pytest.mark.parametrize("product", [Product.MILAN, Product.GENOA])
@pytest.mark.parametrize("version", [2, 3, 5])
def test_both_say_the_same_of_simulated_reports(
    amds: Mapping[Product, SimulatedAmd],
    check_simulated: Callable[..., Verification],
    product: Product,
    version: int,
) -> None:
    vendor = amds[product]
    chip = readable_chip(vendor)
    ask, _, ark = (certificate.public_bytes(Encoding.DER) for certificate in chip.issuers)
    other, guest = vendor.new_chip(), Guest(b"\1" * 48)
    newer = {name: svn + 1 for name, svn in chip.svns.items()}
    for report, good in (
        (chip.report(guest, bytes(64), version=version), True),
        (chip.report(guest.debuggable(), bytes(64), version=version), True),
        (chip.report(guest, bytes(64), version=version, reported=newer), False),
        (other.report(guest, bytes(64), version=version), False),
    ):
        ours = check_simulated(report, vendor.endorsements(chip)).genuine
        vcek = chip.vcek.public_bytes(Encoding.DER)
        assert (good, good) == (ours, accepts(report.raw, vcek, ask, ark))
