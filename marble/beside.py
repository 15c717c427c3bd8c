"""A process beside the program, for what has to be done while it runs; it ends when the program does.

The launcher becomes the program by `exec`, so its number, its signals and its exit code are its own.  What stays is a
grandchild, so the program has no child that it does not know of (process 1 of a container takes it in, as all orphans);
in its own session, so nobody's terminal stops it.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from marble.join_protocol import SIGNALS

_STDIN: Final = 0
_STDOUT: Final = 1
_STDERR: Final = 2
_NAME: Final = "marble-renewal"

_log = logging.getLogger("marble")


class Watched:
    """The process that we are beside, also when it has become another program.  Made before the two part."""

    def __init__(self) -> None:
        """Raises OSError where the system cannot watch a process (Linux before 5.3, library operating systems)."""
        if not hasattr(os, "pidfd_open"):
            raise OSError("this system has no pidfd")
        self._descriptor = os.pidfd_open(os.getpid())

    def tell(self, name: str) -> None:
        """Send a signal, by its name; a program that is gone, or not ours to signal, is left alone."""
        try:
            signal.pidfd_send_signal(self._descriptor, signal.Signals[name])
        except ProcessLookupError:
            return
        except OSError as cause:
            _log.warning("%s cannot be sent to the program: %s", name, cause.strerror)

    async def ended(self) -> None:
        """Wait until it has."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self._descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._descriptor)


def stay(program: Watched, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do `work` in a process of its own until it is done or the program has ended; returns at once.

    Call it where no other thread runs.  Raises OSError.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            _let_go_of_streams()
            _be_somebody_else()
            asyncio.run(_until_ended(program, work))
    except BaseException as fault:  # nobody above may take it, and clean up what is not ours
        _log.error("certificates are not renewed any more: %r", fault)
    finally:
        os._exit(0)


def _let_go_of_streams() -> None:
    """The program's input and output are its own; who reads that must see its end.

    So is what else the program inherits: a socket to listen at, a pipe that says when it is ready, a lock.
    """
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # the listing's own is gone by now
            if descriptor > _STDERR and os.get_inheritable(descriptor):
                os.close(descriptor)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, _STDIN)
    os.dup2(nothing, _STDOUT)
    os.close(nothing)


def _be_somebody_else() -> None:
    """Its command line is the launcher's, which names the program: who signals by that means the program alone."""
    for name in SIGNALS:
        signal.signal(signal.Signals[name], signal.SIG_IGN)
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(_NAME)


async def _until_ended(program: Watched, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    tasks = (asyncio.ensure_future(work()), asyncio.ensure_future(program.ended()))
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
