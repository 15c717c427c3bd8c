"""A follower's door: what is said reaches the leader, byte for byte, and what it answers comes back."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from coordinator.doors.forward import Forwarder, ForwardLimits, Target

CUT_OFF = b""
"""What a client reads whose connection is ended without an answer, by a FIN or a reset."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo_until_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    said = await reader.read()
    writer.write(b"you said " + said)
    writer.close()


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@asynccontextmanager
async def leader(handler: Handler) -> AsyncIterator[Target]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()


@asynccontextmanager
async def follower(
    find: Callable[[], Awaitable[Target]], limits: ForwardLimits | None = None
) -> AsyncIterator[tuple[Forwarder, Target]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        forwarder = Forwarder(find, limits or ForwardLimits())
        await forwarder.listen(listening)
        try:
            yield forwarder, listening.getsockname()
        finally:
            await forwarder.stop()


def always(target: Target) -> Callable[[], Awaitable[Target]]:
    async def find() -> Target:
        return target

    return find


@asynccontextmanager
async def connection(door: Target) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*door)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def talk(door: Target, said: bytes) -> bytes:
    async with connection(door) as (reader, writer):
        writer.write(said)
        writer.write_eof()
        try:
            return await reader.read()
        except ConnectionError:
            return CUT_OFF


def test_what_a_client_says_and_is_answered_passes_unchanged_half_close_included() -> None:
    said = bytes(range(256)) * 4096

    async def story() -> bytes:
        async with leader(echo_until_the_end) as target, follower(always(target)) as (_, door):
            return await talk(door, said)

    assert asyncio.run(story()) == b"you said " + said


def test_a_connection_waits_for_a_leader_to_be_found() -> None:
    async def story() -> bytes:
        found: asyncio.Future[Target] = asyncio.get_running_loop().create_future()

        async def find() -> Target:
            return await asyncio.shield(found)

        async with leader(echo_until_the_end) as target, follower(find) as (_, door):
            talking = asyncio.ensure_future(talk(door, b"hello"))
            async with connection(door):  # accepted behind the first one
                assert not talking.done()
            found.set_result(target)
            return await talking

    assert asyncio.run(story()) == b"you said hello"


def test_a_connection_outlives_a_leader_that_is_gone_when_another_takes_over() -> None:
    async def story() -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            dead = unused.getsockname()
        async with leader(echo_until_the_end) as target:
            leaders = iter([dead, dead])

            async def find() -> Target:
                return next(leaders, target)

            async with follower(find, ForwardLimits(retry_seconds=0.01)) as (_, door):
                return await talk(door, b"hello")

    assert asyncio.run(story()) == b"you said hello"


@pytest.mark.parametrize("kind", ["no leader", "a dead leader"])
def test_a_connection_ends_when_no_leader_answers(kind: str) -> None:
    async def never() -> Target:
        waiting: asyncio.Future[Target] = asyncio.get_running_loop().create_future()
        return await waiting

    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            dead = unused.getsockname()
        find = never if kind == "no leader" else always(dead)
        async with follower(find, ForwardLimits(wait_seconds=0.05)) as (_, door):
            assert await talk(door, b"hello") == CUT_OFF

    asyncio.run(story())


async def die_at_the_first_word(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As a killed process does: its sockets are reset."""
    await reader.read(1)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def test_a_client_learns_at_once_that_the_leader_it_talked_to_is_gone() -> None:
    async def story() -> bytes:
        async with (
            leader(die_at_the_first_word) as target,
            follower(always(target)) as (_, door),
            connection(door) as (reader, writer),
        ):
            writer.write(b"hello")
            try:
                return await asyncio.wait_for(reader.read(), 5)
            except ConnectionError:
                return CUT_OFF

    assert asyncio.run(story()) == CUT_OFF


def test_a_silent_connection_ends_and_one_that_talks_does_not() -> None:
    async def story() -> None:
        limits = ForwardLimits(idle_seconds=1)
        async with (
            leader(say_nothing) as target,
            follower(always(target), limits) as (_, door),
            connection(door) as (reader, writer),
        ):
            for _ in range(4):
                writer.write(b"more")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.3)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), 10)

    asyncio.run(story())


def test_a_full_follower_refuses_and_takes_again_when_one_leaves() -> None:
    async def story() -> bytes:
        limits = ForwardLimits(connections=1)
        async with leader(echo_until_the_end) as target, follower(always(target), limits) as (_, door):
            async with connection(door) as (reader, writer):
                writer.write(b"a")
                await writer.drain()
                assert await talk(door, b"b") == CUT_OFF
                writer.write_eof()
                assert await reader.read() == b"you said a"
            while not (answer := await talk(door, b"c")):  # until the first one's task has ended
                continue
            return answer

    assert asyncio.run(asyncio.wait_for(story(), 10)) == b"you said c"


def test_a_connection_that_is_not_accepted_when_it_stops_is_there_for_the_next_listener() -> None:
    async def story() -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            forwarder = Forwarder(always(("127.0.0.1", 1)), ForwardLimits())
            await forwarder.listen(listening)
            await forwarder.stop()
            talking = asyncio.ensure_future(talk(listening.getsockname(), b"late"))
            await asyncio.sleep(0)
            server = await asyncio.start_server(echo_until_the_end, sock=listening.dup())
            try:
                return await talking
            finally:
                server.close()

    assert asyncio.run(story()) == b"you said late"


async def greet_and_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hi, ")
    await echo_until_the_end(reader, writer)


def test_one_that_begins_to_lead_ends_what_reached_the_leader_before_it_and_serves_who_still_waits() -> None:
    async def story() -> tuple[bytes, bytes]:
        taken_over: asyncio.Future[Target] = asyncio.get_running_loop().create_future()
        asked = asyncio.Event()

        async def find() -> Target:
            if target := next(before, None):
                return target
            asked.set()
            return await asyncio.shield(taken_over)

        async with leader(greet_and_echo) as old, leader(greet_and_echo) as new, follower(find) as (forwarder, door):
            before = iter([old])
            async with connection(door) as (reader, _):
                assert await reader.readexactly(4) == b"hi, "
                waiting = asyncio.ensure_future(talk(door, b"hello"))
                await asked.wait()
                await forwarder.cease()
                try:
                    left = await reader.read()
                except ConnectionError:
                    left = CUT_OFF
            taken_over.set_result(new)
            return left, await waiting

    assert asyncio.run(asyncio.wait_for(story(), 10)) == (CUT_OFF, b"hi, you said hello")
