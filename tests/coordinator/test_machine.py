"""Whose evidence counts at a coordinator: never a simulated vendor's on real hardware, whatever its host configures."""

from functools import partial

import pytest

from attestation.binding import Bound
from attestation.collect.finder import HardwareIssuer
from attestation.collect.sealing import refuse
from attestation.endorsements import parse_bundle
from attestation.evidence import Evidence
from attestation.kinds import Kind
from coordinator.config import ConfigInvalid, load
from coordinator.machine import make_verifier
from tests.support.replica_house import House


class Device:
    """Of real hardware, as far as anybody can tell."""

    def usable(self) -> str:
        return ""

    def issue(self, report_data: bytes) -> Evidence:
        raise AssertionError("nobody asks for evidence here")


HARDWARE = HardwareIssuer("test", Kind.TDX, Device(), partial(refuse, Kind.TDX))


def test_a_host_cannot_make_a_coordinator_on_real_hardware_trust_a_simulated_vendor(house: House) -> None:
    simulation = house.folder / "simulation"
    host = load(None, {"ENCLASP_TRUST": str(simulation / "trust.pem")})
    endorsements = parse_bundle((simulation / "collateral.json").read_bytes())
    with pytest.raises(ConfigInvalid, match=r"ENCLASP_TRUST.*expected none on real hardware \(tdx\)"):
        make_verifier(host, HARDWARE, endorsements)

    evidence = house.issuer("intruder").issue(bytes(64))
    for verifier, believed in (
        (make_verifier(load(None, {}), HARDWARE, endorsements), False),
        (make_verifier(host, house.issuer(), endorsements), True),
    ):
        assert believed is verifier.verify(evidence, Bound(bytes(64), "zeros"), now=house.now).genuine
