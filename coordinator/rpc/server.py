"""The marble door: MarbleRun's activation, the join with a nonce and renewal; refusals as gRPC codes (contract 2.5)."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias, TypeVar

from coordinator.decisions.errors import (
    CsrRefused,
    MarbleRefused,
    NoCertificate,
    NotFresh,
    NotRenewable,
    ParametersFailed,
    Refused,
    RequestInvalid,
    SecretNotSet,
    WrongPhase,
)
from coordinator.desk import NotServing
from coordinator.observe import Observer
from coordinator.rpc.unary import Handler, Peer, RpcError, StatusCode
from coordinator.service import Coordinator
from marble.join_protocol import (
    CHALLENGE,
    JOIN,
    RENEW,
    decode_join,
    decode_renewal,
    encode_challenge,
    encode_sealed,
)
from marble.protocol import METHOD, ProtocolFormatError, decode_request, encode_response

T = TypeVar("T")
Refusal: TypeAlias = Callable[[str, str], None]
"""Takes the code of a refusal and its whole text."""

_STATUS: Final[Mapping[type[Refused], StatusCode]] = {
    WrongPhase: StatusCode.FAILED_PRECONDITION,
    NoCertificate: StatusCode.UNAUTHENTICATED,
    NotFresh: StatusCode.FAILED_PRECONDITION,
    NotRenewable: StatusCode.UNAUTHENTICATED,
    RequestInvalid: StatusCode.INVALID_ARGUMENT,
    CsrRefused: StatusCode.INTERNAL,
    ParametersFailed: StatusCode.INTERNAL,
    SecretNotSet: StatusCode.INTERNAL,
}


def methods(coordinator: Coordinator, observer: Observer) -> Mapping[str, Handler]:
    """The door's methods: MarbleRun's, the join with a nonce, and renewal."""

    def refused(marble_type: str) -> Refusal:
        return lambda code, reason: observer.refused(coordinator.known_type(marble_type), code, reason)

    async def activate(message: bytes, peer: Peer) -> bytes:
        request = _read(decode_request, message)
        with _refusals(observer, request.marble_type, refused(request.marble_type)):
            return encode_response(await coordinator.activate(request, peer.leaf_der))

    async def challenge(_: bytes, peer: Peer) -> bytes:
        with _refusals(observer, "", refused("")):
            return encode_challenge(coordinator.challenge(peer.leaf_der))

    async def join(message: bytes, peer: Peer) -> bytes:
        request = _read(decode_join, message)
        with _refusals(observer, request.marble_type, refused(request.marble_type)):
            return encode_sealed(await coordinator.join(request, peer.leaf_der))

    async def renew(message: bytes, peer: Peer) -> bytes:
        request = _read(decode_renewal, message)
        with _refusals(observer, "", observer.renewal_refused):
            return encode_sealed(await coordinator.renew(request, peer.leaf_der))

    return {
        METHOD: _counted(observer, activate),
        CHALLENGE: challenge,
        JOIN: _counted(observer, join),
        RENEW: renew,
    }


def _counted(observer: Observer, handler: Handler) -> Handler:
    """The same, with the metrics of an activation (contract 8)."""

    async def counted(message: bytes, peer: Peer) -> bytes:
        observer.meters.call_started()
        try:
            answer = await handler(message, peer)
        except RpcError as error:
            observer.meters.call_ended(error.code.name)
            raise
        except asyncio.CancelledError:
            observer.meters.call_ended(StatusCode.CANCELLED.name)
            raise
        observer.meters.call_ended(StatusCode.OK.name)
        return answer

    return counted


def _read(decode: Callable[[bytes], T], message: bytes) -> T:
    try:
        return decode(message)
    except ProtocolFormatError as cause:
        raise RpcError(StatusCode.INTERNAL, str(cause)) from cause


@contextlib.contextmanager
def _refusals(observer: Observer, marble_type: str, refused: Refusal) -> Iterator[None]:
    """What a marble learns of a refusal, and what the log does."""
    try:
        yield
    except Refused as refusal:
        refused(refusal.code, str(refusal))
        raise _error(refusal) from refusal
    except NotServing as stopped:
        raise RpcError(StatusCode.UNAVAILABLE, "the coordinator has stopped; its log says why") from stopped
    except ProtocolFormatError as cause:
        observer.error("answer cannot be sent", marble=marble_type, reason=str(cause))
        raise RpcError(StatusCode.INTERNAL, str(cause)) from cause


def _error(refusal: Refused) -> RpcError:
    """A refused marble learns the class of the reason; the operator's log has the whole verdict."""
    if isinstance(refusal, MarbleRefused):
        text = f"marble verification failed: {refusal.code} {refusal.reason}"
        return RpcError(StatusCode.PERMISSION_DENIED, f"{text} (hint: {refusal.hint})" if refusal.hint else text)
    return RpcError(_STATUS[type(refusal)], f"{refusal.code} {refusal}")
