"""Reports are collected as Linux hands them out, against stand-ins that behave as the kernel does."""

import ctypes
import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from attestation.errors import NoDevice
from attestation.sev_snp import device
from attestation.sev_snp.device import SevGuestDevice, TsmDevice
from attestation.sev_snp.endorsements import SevSnpEndorsements
from attestation.sev_snp.format import parse_evidence
from attestation.simulation.amd import Guest, SimulatedAmd
from attestation.verification import Verification

GUEST = Guest(bytes([0x44]) * 48)
DATA = bytes(range(64))


class FakeConfigfs:
    """configfs-tsm behind `os`: entries with their attributes, a generation that counts every write, short reads."""

    def __init__(self, root: Path, amd: SimulatedAmd) -> None:
        self.root, self.amd = root, amd
        self.provider = "sev_guest"
        self.busy = 0
        self.disturbances = 0
        self.certificates = True
        self.generation = 0
        self._open: dict[int, list] = {}

    def open(self, path: Path, flags: int, *_: int) -> int:
        if path.name == "outblob" and self.busy:
            self.busy -= 1
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        handle = 1000 + len(self._open)
        self._open[handle] = [path, None]
        return handle

    def read(self, handle: int, size: int) -> bytes:
        path, rest = self._open[handle]
        if rest is None:
            rest = self._content(path)
        part = rest[: min(size, 700)]
        self._open[handle][1] = rest[len(part) :]
        return part

    def write(self, handle: int, content: bytes) -> int:
        path, _ = self._open[handle]
        assert path.name == "inblob"
        if len(content) > 64:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self.inblob = content
        self.generation += 1
        return len(content)

    def close(self, handle: int) -> None:
        assert handle in self._open

    def _content(self, path: Path) -> bytes:
        if path.name == "provider":
            return self.provider.encode() + b"\n"
        if path.name == "generation":
            return f"{self.generation}\n".encode()
        if path.name == "auxblob":
            return self.amd.chip.table() if self.certificates else b""
        if self.disturbances:
            self.disturbances -= 1
            self.generation += 1
        return self.amd.chip.report(GUEST, self.inblob).raw


@pytest.fixture
def configfs(tmp_path: Path, amd: SimulatedAmd, monkeypatch: pytest.MonkeyPatch) -> FakeConfigfs:
    fake = FakeConfigfs(tmp_path, amd)
    for name in ("open", "read", "write", "close"):
        monkeypatch.setattr(device.os, name, getattr(fake, name))
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path.name == "auxblob" or exists(path))
    return fake


def test_configfs_gives_an_extended_report_over_the_report_data(
    configfs: FakeConfigfs, check_simulated: Callable[..., Verification]
) -> None:
    tsm = TsmDevice(configfs.root)

    evidence = tsm.issue(DATA)

    assert "" == tsm.usable()
    verification = check_simulated(evidence, SevSnpEndorsements.none())
    assert verification.genuine
    assert DATA == verification.claims.report_data
    assert [] == list(configfs.root.iterdir())


def test_a_host_without_certificates_gives_the_bare_report(configfs: FakeConfigfs) -> None:
    configfs.certificates = False

    assert b"" == parse_evidence(TsmDevice(configfs.root).issue(DATA).raw).table


def test_a_busy_or_disturbed_entry_is_tried_again(configfs: FakeConfigfs) -> None:
    configfs.busy, configfs.disturbances = 2, 2

    assert DATA == parse_evidence(TsmDevice(configfs.root).issue(DATA).raw).report.report_data


@pytest.mark.parametrize(("fault", "words"), [("busy", "busy"), ("disturbances", "somebody else wrote")])
def test_an_entry_that_is_never_left_alone_is_given_up(configfs: FakeConfigfs, fault: str, words: str) -> None:
    setattr(configfs, fault, 100)

    with pytest.raises(NoDevice, match=words):
        TsmDevice(configfs.root).issue(DATA)
    assert [] == list(configfs.root.iterdir())


def test_configfs_of_another_environment_is_not_usable(configfs: FakeConfigfs, tmp_path: Path) -> None:
    configfs.provider = "tdx_guest"

    assert "tdx_guest" in TsmDevice(configfs.root).usable()
    assert "not there" in TsmDevice(tmp_path / "nothing").usable()
    with pytest.raises(NoDevice, match="cannot make an entry"):
        TsmDevice(tmp_path / "nothing" / "deeper").issue(DATA)


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
