"""One interface is found, and each of the others says why not."""

import pytest

from attestation.collect.finder import INTERFACES, Interface, ask, find
from attestation.errors import NoDevice
from attestation.evidence import Evidence
from attestation.issue import find_issuer
from attestation.kinds import Kind


class Way:
    """A device with a given reason not to be usable."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def usable(self) -> str:
        return self.reason

    def issue(self, report_data: bytes) -> Evidence:
        return Evidence(Kind.TDX, report_data)


def interface(name: str, reason: str = "", *, for_programs: bool = True) -> Interface:
    return Interface(name, Kind.TDX, lambda: (Way(reason), lambda mode: mode.encode()), for_programs)


def test_the_first_usable_interface_is_taken_and_those_after_it_are_not_asked() -> None:
    def never() -> tuple[Way, None]:
        raise AssertionError("asked")

    found = find([interface("a", "no a"), interface("b"), Interface("c", Kind.TDX, never)])  # type: ignore[arg-type]
    assert "b" == found.interface
    assert not found.simulated
    assert bytes(64) == found.issue(bytes(64)).raw
    assert b"UniqueKey" == found.sealing_key("UniqueKey")


def test_without_any_each_says_why() -> None:
    with pytest.raises(NoDevice, match=r"can be used:\n  a: no a\n  b: no b$"):
        find([interface("a", "no a"), interface("b", "no b")])


def test_a_device_beside_the_program_is_not_its_environment() -> None:
    gpu = interface("gpu", for_programs=False)
    assert ["gpu"] == [answer.issuer.interface for answer in ask([gpu]) if answer.issuer]
    with pytest.raises(NoDevice):
        find([gpu])


def test_every_kind_has_an_interface_and_every_interface_answers_here() -> None:
    assert {str(kind) for kind in Kind} - {way.kind for way in INTERFACES} <= {"composite"}, "which is made of others"
    names = [answer.interface.name for answer in ask(INTERFACES) if answer.reason or answer.issuer]
    assert [way.name for way in INTERFACES] == names


def test_a_machine_without_hardware_names_all_interfaces() -> None:
    if any(answer.issuer for answer in ask(INTERFACES)):
        pytest.skip("this machine has confidential computing hardware")
    with pytest.raises(NoDevice, match="ENCLASP_SIMULATION is not set") as refused:
        find_issuer({}, ["program"])
    assert all(way.name in str(refused.value) for way in INTERFACES if way.for_programs)
