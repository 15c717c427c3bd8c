"""Asking the Nitro Security Module, through a stand-in that behaves as the kernel's driver; keys on disk."""

import errno
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from attestation.binding import Bound
from attestation.errors import EndorsementFormatError, NoDevice
from attestation.nitro.device import NitroDevice
from attestation.nitro.endorsements import NitroEndorsements
from attestation.nitro.verify import NitroVerifier
from attestation.simulation.aws import PRIVATE_FILE, NitroEnclave, SimulatedAws, load, save
from tests.fakes.nsm import FakeNsm

REPORT_DATA = bytes(range(64))


@pytest.fixture
def nsm(aws: SimulatedAws, enclave: NitroEnclave, now: datetime) -> FakeNsm:
    return FakeNsm(aws, enclave, now)


@pytest.fixture
def device(nsm: FakeNsm, tmp_path: Path) -> NitroDevice:
    (tmp_path / "nsm").touch()
    return NitroDevice(tmp_path / "nsm", nsm.ioctl)


def test_the_module_gives_a_document_that_verifies(
    device: NitroDevice, simulated: NitroVerifier, now: datetime
) -> None:
    assert "" == device.usable()
    evidence = device.issue(REPORT_DATA)

    assert simulated.verify(evidence, Bound(REPORT_DATA, "a test"), now=now).genuine


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EINTR, errno.EAGAIN])
def test_a_busy_module_is_asked_again(device: NitroDevice, nsm: FakeNsm, number: int) -> None:
    nsm.interruptions = [number, number]

    assert device.issue(REPORT_DATA).raw
    assert 3 == nsm.calls


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(errno.EPERM, "CAP_SYS_ADMIN"), (errno.EIO, "Input/output error"), (errno.ENOTTY, "Inappropriate ioctl")],
)
def test_a_refusal_of_the_kernel_is_said_in_words(
    device: NitroDevice, nsm: FakeNsm, number: int, sentence: str
) -> None:
    nsm.interruptions = [number]

    with pytest.raises(NoDevice, match=sentence):
        device.issue(REPORT_DATA)


def test_a_module_that_is_busy_for_ever_is_given_up(device: NitroDevice, nsm: FakeNsm) -> None:
    nsm.interruptions = [errno.EBUSY] * 9

    with pytest.raises(NoDevice, match="Device or resource busy"):
        device.issue(REPORT_DATA)
    assert 3 == nsm.calls


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"Error": "InvalidOperation"}, "got error 'InvalidOperation'"),
        ({"Attestation": {}}, "got fields Attestation"),
        ({"Attestation": {"document": "text"}}, "got fields Attestation"),
        ({"Attestation": {"document": b"no document"}}, "Nitro document: expected"),
        (b"", "NSM response: expected CBOR"),
        (b"\x80", "NSM response: expected a map"),
        (b"\xa1", "NSM response: expected CBOR"),
    ],
)
def test_an_answer_that_is_no_document_is_said_in_words(
    device: NitroDevice, nsm: FakeNsm, answer: Any, sentence: str
) -> None:
    nsm.answer = answer

    with pytest.raises(NoDevice, match=sentence):
        device.issue(REPORT_DATA)


def test_a_document_with_other_user_data_is_not_ours(
    device: NitroDevice, nsm: FakeNsm, aws: SimulatedAws, enclave: NitroEnclave, now: datetime
) -> None:
    nsm.answer = {"Attestation": {"document": aws.document(enclave, bytes(64), now=now).raw}}

    with pytest.raises(NoDevice, match="other user data"):
        device.issue(REPORT_DATA)


def test_a_machine_without_the_module_says_what_is_missing(tmp_path: Path) -> None:
    device = NitroDevice(tmp_path / "nsm")

    assert "does not exist: this is no Nitro enclave" in device.usable()
    with pytest.raises(NoDevice, match="No such file"):
        device.issue(REPORT_DATA)


def test_report_data_of_another_length_is_a_mistake_of_ours(device: NitroDevice) -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        device.issue(b"short")


def test_a_saved_vendor_issues_as_before_and_only_its_owner_reads_its_keys(
    aws: SimulatedAws, simulated: NitroVerifier, enclave: NitroEnclave, now: datetime, tmp_path: Path
) -> None:
    save(tmp_path, aws)
    again = load(tmp_path)

    assert aws.trust_pem == again.trust_pem
    assert 0o600 == stat.S_IMODE((tmp_path / PRIVATE_FILE).stat().st_mode)
    evidence = again.document(enclave, REPORT_DATA, now=now)
    assert simulated.verify(evidence, Bound(REPORT_DATA, "a test"), now=now).genuine
    assert "PRIVATE" not in repr(again)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "enclasp-simulated-aws/1"}'])
def test_a_vendor_that_is_not_whole_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(EndorsementFormatError, match="to be readable"):
        load(tmp_path)
    (tmp_path / PRIVATE_FILE).write_text(content)
    with pytest.raises(EndorsementFormatError, match="simulated vendor: expected"):
        load(tmp_path)


def test_nitro_has_no_endorsements() -> None:
    nothing = NitroEndorsements.from_files({"root.der": b"not believed"})

    assert nothing == NitroEndorsements.from_json(nothing.to_json())
    with pytest.raises(EndorsementFormatError, match="an empty list"):
        NitroEndorsements.from_json([{}])
