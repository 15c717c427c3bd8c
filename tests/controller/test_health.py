"""The controller's probes, over a real socket."""

import http.client
import socket
from collections.abc import Iterator

import pytest

from coordinator.controller.health import SILENCE, HealthDoor, Pulse


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def scene() -> Iterator[tuple[Clock, Pulse, int]]:
    clock = Clock()
    pulse = Pulse(clock, clock())
    door = HealthDoor(0, pulse)
    yield clock, pulse, door.port
    door.close()


def ask(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_it_is_alive_at_once_and_ready_when_the_api_server_has_answered(scene: tuple[Clock, Pulse, int]) -> None:
    _, pulse, port = scene
    assert (200, 503, 404) == (ask(port, "/healthz"), ask(port, "/readyz"), ask(port, "/"))
    pulse.beat(True)
    assert (200, 200) == (ask(port, "/healthz"), ask(port, "/readyz"))
    pulse.beat(False)
    assert (200, 503) == (ask(port, "/healthz"), ask(port, "/readyz"))


def test_one_that_has_not_looked_for_long_is_neither(scene: tuple[Clock, Pulse, int]) -> None:
    clock, pulse, port = scene
    pulse.beat(True)
    clock.now += SILENCE - 1
    assert (200, 200) == (ask(port, "/healthz"), ask(port, "/readyz"))
    clock.now += 1
    assert (503, 503) == (ask(port, "/healthz"), ask(port, "/readyz"))


def test_a_long_look_that_goes_on_is_no_silence(scene: tuple[Clock, Pulse, int]) -> None:
    clock, pulse, port = scene
    pulse.beat(True)
    for _ in range(3):
        clock.now += SILENCE - 1
        pulse.move()
    assert (200, 200) == (ask(port, "/healthz"), ask(port, "/readyz"))


def test_who_says_nothing_keeps_nobody_waiting_for_ever(scene: tuple[Clock, Pulse, int]) -> None:
    _, _, port = scene
    with socket.create_connection(("127.0.0.1", port)):
        assert 200 == ask(port, "/healthz")
