"""Evidence counts once, whatever who shows it again changes in bytes that nobody signed."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from attestation.dcap.format import parse_signed_part
from attestation.kinds import Kind
from coordinator.decisions.errors import EvidenceReused
from coordinator.journal.memory import MemoryStorage
from coordinator.service import Coordinator
from marble.protocol import ActivationRequest
from tests.support.in_process import World

# FIPS 186-5 with SP 800-186, 3.2.1.3: the order of P-256's base point.
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def padded(quote: bytes) -> bytes:
    """Bytes behind a quote are padding to every verifier of Intel's format."""
    return quote + b"\0"


def with_the_other_signature(quote: bytes) -> bytes:
    """Of two signatures (r, s) and (r, -s) by one key, each holds if the other does."""
    start = len(parse_signed_part(quote, Kind.TDX).signed) + 4 + 32
    s = int.from_bytes(quote[start : start + 32], "big")
    return quote[:start] + (ORDER - s).to_bytes(32, "big") + quote[start + 32 :]


@pytest.mark.parametrize("change", [padded, with_the_other_signature])
async def test_evidence_that_is_changed_where_nobody_signed_it_is_not_new(
    world: World, change: Callable[[bytes], bytes]
) -> None:
    storage = MemoryStorage()
    coordinator = world.coordinator(storage)
    await coordinator.set_manifest(world.manifest(Marbles={"web": {"Package": "tdx"}}))
    marble = world.another_marble()
    shown = marble.request("web")
    again = replace(shown, quote=change(shown.quote))
    await coordinator.activate(shown, marble.certificate)
    await refused(coordinator, again, marble.certificate)
    await world.activate(coordinator, "web")
    await coordinator.close()
    restarted = world.coordinator(storage)
    await refused(restarted, again, marble.certificate)
    await restarted.close()

    elsewhere = world.coordinator(MemoryStorage())  # where it was never shown, it is as good as the other
    await elsewhere.set_manifest(world.manifest(Marbles={"web": {"Package": "tdx"}}))
    await elsewhere.activate(again, marble.certificate)
    await elsewhere.close()


async def refused(coordinator: Coordinator, shown: ActivationRequest, certificate: bytes) -> None:
    with pytest.raises(EvidenceReused):
        await coordinator.activate(shown, certificate)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))
