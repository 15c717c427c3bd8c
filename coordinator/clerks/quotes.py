"""Anybody may ask for fresh Evidence, and a device takes its time: strangers wait for it in a line of their own."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from attestation.evidence import Evidence
from coordinator.decisions.decision import admit
from coordinator.desk import Desk, TryAgain
from coordinator.state.phase import Ask

_MOST_WAITING: Final = 64


class Quotes:
    """Evidence over the root certificate.

    Made one at a time, beside everything else: what users, owners and marbles wait for does not stand behind it.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="quote")

    async def over(self, nonce: bytes) -> Evidence:
        """With this nonce; empty: the one that was made when the root certificate was.

        Raises WrongPhase, TryAgain, NotServing, and what the device raises.
        """
        desk = self._desk
        desk.check_serving()
        admit(desk.state, Ask.QUOTE)
        if not nonce:
            return desk.root_evidence
        if self._waiting == _MOST_WAITING:
            raise TryAgain(f"{_MOST_WAITING} wait for fresh evidence already; try again in a moment")
        authority, credentials = desk.state.authority, desk.credentials
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, lambda: credentials.evidence_for(authority, nonce))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Make no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)
