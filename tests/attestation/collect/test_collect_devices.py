"""Gramine, Occlum and TDX are asked as their documents say, against stand-ins that behave as they do."""

import errno
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from attestation.binding import Bound
from attestation.collect.gramine import FOLDER, GramineDevice
from attestation.collect.occlum import OcclumDevice
from attestation.collect.sealing import SnpDerivedKey, refuse
from attestation.collect.tdx_device import TdxGuestDevice, TdxTsmDevice
from attestation.configfs_tsm import REPORTS
from attestation.errors import NoDevice, NoSealingKey
from attestation.kinds import Kind
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor
from attestation.verify import Verifier
from tests.fakes.gramine import FakeGramine
from tests.fakes.guest_devices import FakeKeySource, FakeOcclum, FakeTdxGuest
from tests.fakes.tsm import FakeTsm

DATA = bytes(range(64))
OTHER = bytes([7]) * 64

Make = Callable[[bytes], bytes]


@pytest.fixture
def sgx(vendor: SimulatedVendor) -> Make:
    quoting = QuotingEnclave(vendor.machine, Kind.SGX)
    return lambda data: quoting.quote_enclave(Enclave(b"\x11" * 32, b"\x22" * 32), data).raw


@pytest.fixture
def tdx(vendor: SimulatedVendor) -> Make:
    quoting = QuotingEnclave(vendor.machine, Kind.TDX)
    return lambda data: quoting.quote_trust_domain(TrustDomain(b"\x33" * 48), data).raw


@pytest.fixture
def node(tmp_path: Path) -> Path:
    (tmp_path / "node").touch()
    return tmp_path / "node"


def test_gramines_quote_is_genuine_and_over_our_data(sgx: Make, verifier: Verifier, now: datetime) -> None:
    device = GramineDevice(files=FakeGramine(FOLDER, sgx))
    assert "" == device.usable()
    verification = verifier.verify(device.issue(DATA), Bound(DATA, "test"), now=now)
    assert verification.genuine


def test_gramine_without_attestation_says_how_to_get_it(sgx: Make) -> None:
    assert "does not run under Gramine" in GramineDevice(files=FakeGramine(FOLDER, sgx, b"")).usable()
    assert 'sgx.remote_attestation = "dcap"' in GramineDevice(files=FakeGramine(FOLDER, sgx, b"none")).usable()


def test_a_quote_over_the_data_of_somebody_else_is_not_handed_out(sgx: Make) -> None:
    def interfere(gramine: FakeGramine) -> None:
        gramine.report_data = OTHER

    device = GramineDevice(files=FakeGramine(FOLDER, sgx, after_write=interfere))
    with pytest.raises(NoDevice, match="over our report data, got one over other data"):
        device.issue(DATA)


def test_report_data_that_is_taken_in_parts_is_no_report_data(sgx: Make) -> None:
    with pytest.raises(NoDevice, match="expected 64 bytes to be taken at once, got 10"):
        GramineDevice(files=FakeGramine(FOLDER, sgx, taken=10)).issue(DATA)


def test_what_is_no_quote_is_refused(sgx: Make) -> None:
    with pytest.raises(NoDevice, match="expected a quote, got something else"):
        GramineDevice(files=FakeGramine(FOLDER, lambda data: b"no quote")).issue(DATA)
    with pytest.raises(NoDevice, match="expected at most 65536 bytes"):
        GramineDevice(files=FakeGramine(FOLDER, lambda data: bytes(100_000))).issue(DATA)
    with pytest.raises(ValueError, match="expected 64 bytes, got 3"):
        GramineDevice(files=FakeGramine(FOLDER, sgx)).issue(b"abc")


def test_gramines_keys_differ_by_mode_and_are_the_same_again(sgx: Make) -> None:
    keys = {"_sgx_mrenclave": b"e" * 16, "_sgx_mrsigner": b"s" * 16}
    device = GramineDevice(files=FakeGramine(FOLDER, sgx, keys=keys))
    unique, product = device.sealing_key("UniqueKey"), device.sealing_key("ProductKey")
    assert unique != product
    assert unique == device.sealing_key("UniqueKey")
    assert 32 == len(unique) == len(product)
    assert unique == GramineDevice(files=FakeGramine(FOLDER, sgx, keys={"_sgx_mrenclave": b"e" * 16})).sealing_key(
        "UniqueKey"
    )


@pytest.mark.parametrize("key", [b"", bytes(16), b"short"])
def test_a_key_that_is_none_seals_nothing(sgx: Make, key: bytes) -> None:
    device = GramineDevice(files=FakeGramine(FOLDER, sgx, keys={"_sgx_mrsigner": key}))
    with pytest.raises(NoSealingKey, match="expected 16 bytes"):
        device.sealing_key("ProductKey")
    with pytest.raises(NoSealingKey, match="cannot be read"):
        device.sealing_key("UniqueKey")
    with pytest.raises(ValueError, match="got 'Disabled'"):
        device.sealing_key("Disabled")


def test_occlums_quote_is_cut_to_its_length(sgx: Make, node: Path, verifier: Verifier, now: datetime) -> None:
    device = OcclumDevice(node, FakeOcclum(sgx))
    assert "" == device.usable()
    evidence = device.issue(DATA)
    assert len(evidence.raw) < 8192
    assert verifier.verify(evidence, Bound(DATA, "test"), now=now).genuine


def test_what_is_no_occlum_says_so(sgx: Make, node: Path, tmp_path: Path) -> None:
    assert "does not run under Occlum" in OcclumDevice(tmp_path / "nothing").usable()
    assert "is the SGX driver's folder" in OcclumDevice(tmp_path).usable()
    assert os.strerror(errno.ENOTTY) in OcclumDevice(node, FakeOcclum(sgx, problem=errno.ENOTTY)).usable()
    assert "expected a quote of 1 to 65536 bytes, got 0" in OcclumDevice(node, FakeOcclum(sgx, room=0)).usable()
    with pytest.raises(NoDevice, match="expected to open it"):
        OcclumDevice(tmp_path / "nothing").issue(DATA)
    with pytest.raises(NoSealingKey, match="only Gramine's does"):
        OcclumDevice(node).sealing_key("UniqueKey")


def test_a_trust_domain_gets_its_quote_through_configfs(tdx: Make, verifier: Verifier, now: datetime) -> None:
    device = TdxTsmDevice(files=FakeTsm(REPORTS, tdx, provider="tdx_guest", interruptions=[errno.EBUSY]))
    assert "" == device.usable()
    assert verifier.verify(device.issue(DATA), Bound(DATA, "test"), now=now).genuine


def test_configfs_of_another_platform_is_no_trust_domain(tdx: Make) -> None:
    device = TdxTsmDevice(files=FakeTsm(REPORTS, tdx, provider="sev_guest"))
    assert "the provider is 'sev_guest', not 'tdx_guest'" in device.usable()
    with pytest.raises(NoDevice, match="expected provider 'tdx_guest', got 'sev_guest'"):
        device.issue(DATA)
    with pytest.raises(NoDevice, match="over other data"):
        TdxTsmDevice(files=FakeTsm(REPORTS, lambda _: tdx(OTHER), provider="tdx_guest")).issue(DATA)


def test_a_trust_domain_gets_its_quote_by_ioctl(tdx: Make, node: Path, verifier: Verifier, now: datetime) -> None:
    device = TdxGuestDevice(node, FakeTdxGuest(tdx, interruptions=[errno.EBUSY, errno.EINTR]))
    assert "" == device.usable()
    assert verifier.verify(device.issue(DATA), Bound(DATA, "test"), now=now).genuine


def test_a_kernel_without_quotes_is_told_from_a_busy_one(tdx: Make, node: Path, tmp_path: Path) -> None:
    assert "quotes need configfs-tsm" in TdxGuestDevice(node, FakeTdxGuest(tdx, quotes=False)).usable()
    busy = TdxGuestDevice(node, FakeTdxGuest(tdx, interruptions=[errno.EBUSY] * 5))
    assert os.strerror(errno.EBUSY) in busy.usable()
    assert "does not exist" in TdxGuestDevice(tmp_path / "nothing").usable()
    with pytest.raises(NoDevice, match="expected to open it"):
        TdxGuestDevice(tmp_path / "nothing").issue(DATA)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(0x8000000000000001, "no quote generation service"), (0xFFFFFFFFFFFFFFFF, "in flight"), (5, "status 0x5")],
)
def test_a_host_that_makes_no_quote_says_why(tdx: Make, node: Path, status: int, sentence: str) -> None:
    with pytest.raises(NoDevice, match=sentence):
        TdxGuestDevice(node, FakeTdxGuest(tdx, status=status)).issue(DATA)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: m[:20], "expected at least 24 bytes, got 20"),
        (lambda m: m[:4] + b"\x02" + m[5:], "got type 2 of version 1"),
        (lambda m: m[:12] + b"\x01" + m[13:], "expected no error, got 0x1"),
        (lambda m: m + b"\0", "announced as"),
    ],
)
def test_a_malformed_answer_of_the_host_is_refused(
    tdx: Make, node: Path, change: Callable[[bytes], bytes], sentence: str
) -> None:
    with pytest.raises(NoDevice, match=sentence):
        TdxGuestDevice(node, FakeTdxGuest(tdx, change=change)).issue(DATA)


def test_a_derived_key_is_of_the_measurement_the_policy_and_the_chip(node: Path) -> None:
    key = SnpDerivedKey(node, FakeKeySource(b"one", interruptions=[errno.EBUSY]))("UniqueKey")
    assert 32 == len(key)
    assert key == SnpDerivedKey(node, FakeKeySource(b"one"))("UniqueKey")
    others = [
        FakeKeySource(b"two"),
        FakeKeySource(b"one", policy=0x30000 | 1 << 19),
        FakeKeySource(b"one", chip=b"another"),
    ]
    assert 4 == len({key, *(SnpDerivedKey(node, other)("UniqueKey") for other in others)})


def test_a_guest_without_a_key_is_told_what_to_do(node: Path, tmp_path: Path) -> None:
    with pytest.raises(NoSealingKey, match="set Config/SealMode to UniqueKey"):
        SnpDerivedKey(node, FakeKeySource(b"one"))("ProductKey")
    with pytest.raises(NoSealingKey, match="cannot be opened"):
        SnpDerivedKey(tmp_path / "nothing")("UniqueKey")
    with pytest.raises(NoSealingKey, match="firmware error 0x16"):
        SnpDerivedKey(node, FakeKeySource(b"one", firmware_error=0x16))("UniqueKey")
    with pytest.raises(NoSealingKey, match="status 0x27"):
        SnpDerivedKey(node, FakeKeySource(b"one", status=0x27))("UniqueKey")
    with pytest.raises(ValueError, match="got 'Disabled'"):
        SnpDerivedKey(node, FakeKeySource(b"one"))("Disabled")


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.SEV_SNP, Kind.COMPOSITE)])
def test_every_kind_without_keys_says_why(kind: Kind) -> None:
    with pytest.raises(NoSealingKey, match=r"sealing key UniqueKey: .*SealMode to Disabled"):
        refuse(kind, "UniqueKey")
