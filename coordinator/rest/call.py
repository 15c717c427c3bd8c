"""What a row of the route table is made of: who may call, what a handler sees, and the handler."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from aiohttp import web
from multidict import MultiMapping

from coordinator.decisions.marble_name import NOBODY, MarbleName
from coordinator.service import Coordinator


class Caller(Enum):
    """Who may call a route.  The phase table (state/phase.py) then says when."""

    ANYONE = "anyone who reaches the port"
    SETTER = "whom the configuration names, by key or claim token; where it names nobody, anyone"
    USER = "a user of the manifest, by the certificate that the connection proves"
    APPROVER = "a user of the manifest, by that certificate, or by a detached signature in the body"
    MARBLE = "a marble of the deployment, by the certificate that it got and the connection proves"


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler sees of a request: the parameters behind `?`, the whole body, and who calls.

    user: for a user's route DER of the leaf that the connection proved; else empty, also where only a signature speaks.
    marble: for a marble's route.
    """

    query: MultiMapping[str]
    body: bytes
    user: bytes = b""
    marble: MarbleName = NOBODY


Handler: TypeAlias = Callable[[Coordinator, Call], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row: API version, method, path, caller, handler and the largest body in bytes.

    refusal_v1: the HTTP status, in version 1, of what the Coordinator will not do (contract 1.5).
    """

    version: int
    method: str
    path: str
    caller: Caller
    handler: Handler
    body_limit: int = 64 * 1024
    refusal_v1: int = 400
