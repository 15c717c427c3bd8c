"""configfs-tsm: a report is ours, whole, and of our request, or there is none."""

import errno
from pathlib import Path
from typing import Any

import pytest

from attestation.configfs_tsm import ConfigfsTsm
from attestation.errors import NoDevice
from tests.fakes.tsm import Entry, FakeTsm

REPORTS = Path("/config/tsm/report")


def fake(**changes: Any) -> FakeTsm:
    return FakeTsm(REPORTS, lambda inblob: b"report over " + inblob * 20, **changes)


def client(kernel: FakeTsm) -> ConfigfsTsm:
    return ConfigfsTsm(REPORTS, kernel)


def test_a_report_is_read_whole_through_short_reads_and_leaves_nothing_behind() -> None:
    kernel = fake(auxblob=b"certificates")

    report = client(kernel).report(b"\x07" * 64, {"privlevel": b"0"})

    assert b"report over " + b"\x07" * 64 * 20 == report.outblob
    assert ("arm_cca_guest", b"certificates") == (report.provider, report.auxblob)
    assert {} == kernel.entries
    assert {} == kernel.opened


def test_a_provider_without_an_auxiliary_blob_has_an_empty_one() -> None:
    assert b"" == client(fake()).report(bytes(64)).auxblob


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EAGAIN, errno.EINTR])
def test_an_interruption_is_tried_again(number: int) -> None:
    kernel = fake(interruptions=[number, number])

    assert client(kernel).report(b"\x07" * 64).outblob.endswith(b"\x07" * 64)


def test_a_report_of_somebody_elses_request_is_never_taken() -> None:
    others = iter([b"\xee" * 64, b"\xee" * 64])

    def interfere(entry: Entry) -> None:
        other = next(others, None)
        if other is not None:
            entry.inblob, entry.writes = other, entry.writes + 1

    report = client(fake(after_write=interfere)).report(b"\x07" * 64)

    assert report.outblob.endswith(b"\x07" * 64)


def test_whoever_is_interrupted_for_ever_gives_up_with_a_reason() -> None:
    def interfere(entry: Entry) -> None:
        entry.writes += 1

    kernel = fake(after_write=interfere)

    with pytest.raises(NoDevice, match="5 interruptions: others write to it too"):
        client(kernel).report(bytes(64))
    assert {} == kernel.entries


@pytest.mark.parametrize(
    ("changes", "reports", "sentence"),
    [
        ({"loaded": False}, REPORTS, "no driver of a confidential computing environment is loaded"),
        ({}, Path("/elsewhere"), "the kernel has no configfs-tsm"),
        ({"interruptions": [errno.EIO]}, REPORTS, "Input/output error"),
    ],
)
def test_no_interface_is_said_in_words(changes: dict, reports: Path, sentence: str) -> None:
    with pytest.raises(NoDevice, match=sentence):
        ConfigfsTsm(reports, fake(**changes)).report(bytes(64))


def test_an_attribute_that_the_provider_lacks_is_refused() -> None:
    with pytest.raises(NoDevice, match="No such file"):
        client(fake()).report(bytes(64), {"service_provider": b"svsm"})


@pytest.mark.parametrize("size", [0, 65])
def test_a_request_of_another_length_is_a_mistake_of_ours(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 64 bytes"):
        client(fake()).report(bytes(size))


def test_the_real_system_calls_say_that_there_is_no_such_folder(tmp_path: Path) -> None:
    assert "the kernel has no configfs-tsm" in ConfigfsTsm(tmp_path / "tsm" / "report").obstacle("tdx_guest")
