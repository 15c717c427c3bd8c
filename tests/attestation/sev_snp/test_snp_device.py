"""Reports are collected as Linux hands them out, against stand-ins that behave as the kernel does."""

import ctypes
import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from attestation.configfs_tsm import REPORTS
from attestation.errors import NoDevice
from attestation.sev_snp.device import SevGuestDevice, TsmDevice
from attestation.sev_snp.endorsements import SevSnpEndorsements
from attestation.sev_snp.format import parse_evidence
from attestation.simulation.amd import Guest, SimulatedAmd
from attestation.verification import Verification

GUEST = Guest(bytes([0x44]) * 48)
DATA = bytes(range(64))


class FakeConfigfs:
    """The kernel's side of configfs-tsm: a generation that counts every write, EBUSY, short reads, no ENODATA."""

    def __init__(self, amd: SimulatedAmd) -> None:
        self.amd = amd
        self.provider = "sev_guest"
        self.busy = 0
        self.disturbances = 0
        self.certificates = True
        self.stale = False
        self.folders: set[Path] = set()
        self._generation = 0
        self._inblob = b""
        self._open: dict[int, tuple[Path, bytes]] = {}

    def mkdir(self, folder: Path) -> None:
        if folder.parent != REPORTS:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        self.folders.add(folder)

    def rmdir(self, folder: Path) -> None:
        self.folders.remove(folder)

    def open(self, place: Path, flags: int) -> int:
        if place.name == "outblob" and self.busy:
            self.busy -= 1
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        descriptor = 1000 + len(self._open)
        self._open[descriptor] = (place, b"" if flags & os.O_WRONLY else self._content(place.name))
        return descriptor

    def write(self, descriptor: int, content: bytes) -> int:
        if len(content) > 64:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._inblob = self._inblob or content if self.stale else content
        self._generation += 1
        return len(content)

    def read(self, descriptor: int, size: int) -> bytes:
        place, rest = self._open[descriptor]
        part = rest[: min(size, 700)]
        self._open[descriptor] = (place, rest[len(part) :])
        return part

    def close(self, descriptor: int) -> None:
        assert descriptor in self._open

    def _content(self, name: str) -> bytes:
        if name in ("provider", "generation"):
            return f"{self.provider if name == 'provider' else self._generation}\n".encode()
        if name == "auxblob":
            return self.amd.chip.table() if self.certificates else b""
        if self.disturbances:
            self.disturbances -= 1
            self._generation += 1
        return self.amd.chip.report(GUEST, self._inblob).raw


@pytest.fixture
def configfs(amd: SimulatedAmd) -> FakeConfigfs:
    return FakeConfigfs(amd)


def test_configfs_gives_an_extended_report_over_the_report_data(
    configfs: FakeConfigfs, check_simulated: Callable[..., Verification]
) -> None:
    tsm = TsmDevice(REPORTS, configfs)

    evidence = tsm.issue(DATA)

    assert "" == tsm.usable()
    verification = check_simulated(evidence, SevSnpEndorsements.none())
    assert verification.genuine
    assert DATA == verification.claims.report_data
    assert not configfs.folders


def test_a_host_without_certificates_gives_the_bare_report(configfs: FakeConfigfs) -> None:
    configfs.certificates = False

    assert b"" == parse_evidence(TsmDevice(REPORTS, configfs).issue(DATA).raw).table


def test_a_busy_or_disturbed_request_is_made_again(configfs: FakeConfigfs) -> None:
    configfs.busy, configfs.disturbances = 2, 2

    assert DATA == parse_evidence(TsmDevice(REPORTS, configfs).issue(DATA).raw).report.report_data


@pytest.mark.parametrize("fault", ["busy", "disturbances"])
def test_a_request_that_is_never_left_alone_is_given_up(configfs: FakeConfigfs, fault: str) -> None:
    setattr(configfs, fault, 100)

    with pytest.raises(NoDevice, match="others write to it too"):
        TsmDevice(REPORTS, configfs).issue(DATA)
    assert not configfs.folders


def test_a_report_over_other_data_is_not_handed_on(configfs: FakeConfigfs) -> None:
    configfs.stale = True
    tsm = TsmDevice(REPORTS, configfs)
    tsm.issue(bytes(63) + b"\1")

    with pytest.raises(NoDevice, match="over other data"):
        tsm.issue(DATA)


def test_configfs_of_another_environment_is_not_usable(configfs: FakeConfigfs) -> None:
    configfs.provider = "tdx_guest"

    assert "tdx_guest" in TsmDevice(REPORTS, configfs).usable()
    with pytest.raises(NoDevice, match="expected provider 'sev_guest', got 'tdx_guest'"):
        TsmDevice(REPORTS, configfs).issue(DATA)
    assert "no configfs-tsm" in TsmDevice(Path("/nothing"), configfs).usable()
    with pytest.raises(NoDevice, match="no configfs-tsm"):
        TsmDevice(Path("/nothing"), configfs).issue(DATA)


class FakeSevGuest:
    """The ioctls of /dev/sev-guest, with the memory that they point to."""

    def __init__(self, amd: SimulatedAmd) -> None:
        self.amd = amd
        self.busy = 0
        self.table = amd.chip.table()
        self.firmware_error = 0

    def __call__(self, handle: int, command: int, message: bytearray) -> int:
        version, request, response, _ = struct.unpack("<B7xQQQ", message)
        assert 1 == version
        if self.busy:
            self.busy -= 1
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        if self.firmware_error:
            struct.pack_into("<Q", message, 24, self.firmware_error)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        data = ctypes.string_at(request, 64)
        if command & 0xFF == 2:
            address, size = struct.unpack("<QI", ctypes.string_at(request + 96, 12))
            if size < len(self.table):
                ctypes.memmove(request + 104, struct.pack("<I", len(self.table)), 4)
                struct.pack_into("<Q", message, 24, 1 << 32)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            ctypes.memmove(address, self.table, len(self.table))
        report = self.amd.chip.report(GUEST, data).raw
        ctypes.memmove(response, struct.pack("<II24x", 0, len(report)) + report, 32 + len(report))
        return 0


def test_sev_guest_gives_an_extended_report_over_the_report_data(
    amd: SimulatedAmd, tmp_path: Path, check_simulated: Callable[..., Verification]
) -> None:
    node = tmp_path / "sev-guest"
    node.touch()
    kernel = FakeSevGuest(amd)
    kernel.busy = 2
    guest = SevGuestDevice(node, kernel)

    evidence = guest.issue(DATA)

    assert "" == guest.usable()
    verification = check_simulated(evidence, SevSnpEndorsements.none())
    assert verification.genuine
    assert DATA == verification.claims.report_data


def test_sev_guest_without_certificates_gives_the_bare_report(amd: SimulatedAmd, tmp_path: Path) -> None:
    node = tmp_path / "sev-guest"
    node.touch()
    kernel = FakeSevGuest(amd)
    kernel.table = b""

    assert b"" == parse_evidence(SevGuestDevice(node, kernel).issue(DATA).raw).table


def test_sev_guest_says_what_the_firmware_said(amd: SimulatedAmd, tmp_path: Path) -> None:
    node = tmp_path / "sev-guest"
    node.touch()
    kernel = FakeSevGuest(amd)
    kernel.firmware_error = 0x16

    with pytest.raises(NoDevice, match="firmware error 0x16"):
        SevGuestDevice(node, kernel).issue(DATA)
    assert "not there" in SevGuestDevice(tmp_path / "nothing").usable()
    with pytest.raises(NoDevice, match="cannot be opened"):
        SevGuestDevice(tmp_path / "nothing").issue(DATA)


def test_report_data_of_another_length_is_refused(amd: SimulatedAmd, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected 64 bytes, got 3"):
        SevGuestDevice(tmp_path, FakeSevGuest(amd)).issue(b"abc")
    with pytest.raises(ValueError, match="expected 64 bytes, got 65"):
        TsmDevice(tmp_path).issue(bytes(65))
