"""The marble door: `rpc.Marble/Activate`, its bytes to the Coordinator and refusals to gRPC codes (contract 2.5)."""

import asyncio
from collections.abc import Mapping
from typing import Final

from coordinator.decisions.errors import (
    CsrRefused,
    MarbleRefused,
    NoCertificate,
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
from marble.protocol import METHOD, ProtocolFormatError, decode_request, encode_response

_STATUS: Final[Mapping[type[Refused], StatusCode]] = {
    WrongPhase: StatusCode.FAILED_PRECONDITION,
    NoCertificate: StatusCode.UNAUTHENTICATED,
    RequestInvalid: StatusCode.INVALID_ARGUMENT,
    CsrRefused: StatusCode.INTERNAL,
    ParametersFailed: StatusCode.INTERNAL,
    SecretNotSet: StatusCode.INTERNAL,
}


def methods(coordinator: Coordinator, observer: Observer) -> Mapping[str, Handler]:
    """The door's only method."""

    async def activate(message: bytes, peer: Peer) -> bytes:
        observer.meters.call_started()
        try:
            answer = await _activate(coordinator, observer, message, peer)
        except RpcError as error:
            observer.meters.call_ended(error.code.name)
            raise
        except asyncio.CancelledError:
            observer.meters.call_ended(StatusCode.CANCELLED.name)
            raise
        observer.meters.call_ended(StatusCode.OK.name)
        return answer

    return {METHOD: activate}


async def _activate(coordinator: Coordinator, observer: Observer, message: bytes, peer: Peer) -> bytes:
    try:
        request = decode_request(message)
    except ProtocolFormatError as cause:
        raise RpcError(StatusCode.INTERNAL, str(cause)) from cause
    try:
        return encode_response(await coordinator.activate(request, peer.leaf_der))
    except Refused as refusal:
        observer.refused(coordinator.known_type(request.marble_type), refusal.code, str(refusal))
        raise _error(refusal) from refusal
    except NotServing as stopped:
        raise RpcError(StatusCode.UNAVAILABLE, "the coordinator has stopped; its log says why") from stopped
    except ProtocolFormatError as cause:
        observer.error("answer cannot be sent", marble=request.marble_type, reason=str(cause))
        raise RpcError(StatusCode.INTERNAL, str(cause)) from cause


def _error(refusal: Refused) -> RpcError:
    """A refused marble learns the class of the reason; the operator's log has the whole verdict."""
    if isinstance(refusal, MarbleRefused):
        text = f"marble verification failed: {refusal.code} {refusal.reason}"
        return RpcError(StatusCode.PERMISSION_DENIED, f"{text} (hint: {refusal.hint})" if refusal.hint else text)
    return RpcError(_STATUS[type(refusal)], f"{refusal.code} {refusal}")
