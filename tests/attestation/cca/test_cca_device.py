"""Asking the realm's kernel for a token, through a stand-in that behaves as it does; keys on disk."""

import errno
import stat
from datetime import datetime
from pathlib import Path

import pytest

from attestation.binding import Bound
from attestation.cca.device import CcaDevice
from attestation.cca.verify import CcaVerifier
from attestation.errors import EndorsementFormatError, NoDevice
from attestation.simulation.arm import PRIVATE_FILE, Realm, SimulatedArm, load, save
from tests.fakes.tsm import FakeTsm

REPORTS = Path("/config/tsm/report")
CHALLENGE = bytes(range(64))


@pytest.fixture
def kernel(arm: SimulatedArm, realm: Realm) -> FakeTsm:
    return FakeTsm(REPORTS, lambda challenge: arm.token(realm, challenge).raw)


def test_the_kernel_gives_a_token_that_verifies(kernel: FakeTsm, simulated: CcaVerifier, now: datetime) -> None:
    device = CcaDevice(REPORTS, kernel)

    assert "" == device.usable()
    evidence = device.issue(CHALLENGE)
    assert simulated.verify(evidence, Bound(CHALLENGE, "a test"), now=now).genuine
    assert {} == kernel.entries


def test_a_busy_kernel_is_asked_again(kernel: FakeTsm) -> None:
    kernel.interruptions = [errno.EBUSY]

    assert CcaDevice(REPORTS, kernel).issue(CHALLENGE).raw


def test_another_provider_is_not_ours(kernel: FakeTsm) -> None:
    kernel.provider = "tdx_guest"
    device = CcaDevice(REPORTS, kernel)

    assert "the provider is 'tdx_guest', not 'arm_cca_guest'" in device.usable()
    with pytest.raises(NoDevice, match="expected provider 'arm_cca_guest', got 'tdx_guest'"):
        device.issue(CHALLENGE)


def test_no_provider_is_said_in_words(kernel: FakeTsm) -> None:
    kernel.loaded = False

    assert "no driver of a confidential computing environment is loaded" in CcaDevice(REPORTS, kernel).usable()


def test_a_token_that_is_none_or_not_ours_is_refused(kernel: FakeTsm, arm: SimulatedArm, realm: Realm) -> None:
    kernel.make = lambda challenge: b"no token"
    with pytest.raises(NoDevice, match="CCA token: expected"):
        CcaDevice(REPORTS, kernel).issue(CHALLENGE)
    kernel.make = lambda challenge: arm.token(realm, bytes(64)).raw
    with pytest.raises(NoDevice, match="a token with our challenge"):
        CcaDevice(REPORTS, kernel).issue(CHALLENGE)


def test_a_machine_without_the_interface_says_what_is_missing(tmp_path: Path) -> None:
    assert "the kernel has no configfs-tsm" in CcaDevice(tmp_path / "tsm" / "report").usable()


def test_report_data_of_another_length_is_a_mistake_of_ours(kernel: FakeTsm) -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        CcaDevice(REPORTS, kernel).issue(b"short")


def test_a_saved_maker_issues_as_before_and_only_its_owner_reads_its_keys(
    arm: SimulatedArm, simulated: CcaVerifier, realm: Realm, now: datetime, tmp_path: Path
) -> None:
    save(tmp_path, arm)
    again = load(tmp_path)

    assert 0o600 == stat.S_IMODE((tmp_path / PRIVATE_FILE).stat().st_mode)
    assert arm.endorsements == again.endorsements
    assert simulated.verify(again.token(realm, CHALLENGE), Bound(CHALLENGE, "a test"), now=now).genuine


@pytest.mark.parametrize("content", ["", "[]", '{"format": "enclasp-simulated-arm/1"}'])
def test_a_maker_that_is_not_whole_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / PRIVATE_FILE).write_text(content)

    with pytest.raises(EndorsementFormatError, match="simulated vendor: expected"):
        load(tmp_path)
