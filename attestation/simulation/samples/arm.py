"""Samples of Arm CCA tokens."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import cbor2

from attestation.cbor import encode
from attestation.cca.format import COLLECTION_TAG, PLATFORM_LABEL, REALM_LABEL
from attestation.kinds import Kind
from attestation.simulation.arm import (
    DEBUG,
    Platform,
    Realm,
    SimulatedArm,
    load,
    new_arm,
    new_key,
    with_certificate_until,
)
from attestation.simulation.samples.draft import ENDED, OTHER_DATA, OTHER_PROGRAM, Order, Written, flipped


@dataclass(frozen=True, slots=True)
class ArmDraft:
    """realm_by: whose realm it is, if not the platform's own; bit: flipped in the token."""

    vendor: SimulatedArm
    realm: Realm
    report_data: bytes
    platform: Platform = field(default_factory=Platform)
    realm_by: SimulatedArm | None = None
    endorsed_by: SimulatedArm | None = None
    altered: bool = False
    bit: int | None = None

    def with_fault(self, name: str) -> Self:
        """The same with a fault of this platform."""
        match name:
            case "report-data":
                return replace(self, report_data=OTHER_DATA)
            case "signature":
                return replace(self, bit=-1)
            case "altered":
                return replace(self, altered=True)
            case "other-program":
                return replace(self, realm=replace(self.realm, rim=OTHER_PROGRAM.rim))
            case "debug":
                return replace(self, platform=replace(self.platform, lifecycle=DEBUG))
            case "other-machine":
                return replace(self, vendor=replace(self.vendor, cpak=new_key()))
            case "wrong-binding":
                return replace(self, realm_by=replace(self.vendor, rak=new_key()))
            case "expired-certificate":
                expired = with_certificate_until(self.vendor, self.vendor.made_at + ENDED)
                return replace(self, endorsed_by=expired)
            case "no-collateral":
                return replace(self, endorsed_by=None)
            case "unknown-root":
                other = new_arm(self.vendor.made_at)
                return replace(self, vendor=other, endorsed_by=other)
        raise KeyError(name)

    def write(self) -> Written:
        """The token, and the platform's key."""
        raw = self.vendor.token(self.realm, self.report_data, self.platform).raw
        if self.realm_by is not None:
            platform, realm = cbor2.loads(raw).value, cbor2.loads(self.realm_by.token(self.realm, self.report_data).raw)
            parts = {PLATFORM_LABEL: platform[PLATFORM_LABEL], REALM_LABEL: realm.value[REALM_LABEL]}
            raw = encode(cbor2.CBORTag(COLLECTION_TAG, parts))
        if self.altered:
            raw = flipped(raw, raw.index(self.realm.rim))
        endorsed = {} if self.endorsed_by is None else {Kind.CCA: tuple(self.endorsed_by.endorsements.to_json())}
        return Written({"token.cbor": raw if self.bit is None else flipped(raw, self.bit)}, sections=endorsed)


def start(folder: Path, order: Order) -> ArmDraft:
    """A sample without faults, of a folder's vendor.  Raises EndorsementFormatError if there is none."""
    vendor = load(folder)
    return ArmDraft(vendor, Realm(order.program.rim), order.report_data, endorsed_by=vendor)
