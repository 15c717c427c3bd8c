"""What replicas ask of each other."""

from aiohttp import web

from coordinator.rest import errors
from coordinator.rest.call import Call
from coordinator.service import Coordinator
from coordinator.wire import replicas, standing


async def challenge(coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.success(replicas.challenge(coordinator.replicas.challenge()))


async def hand_over(coordinator: Coordinator, call: Call) -> web.Response:
    asked = replicas.decode_key_request(call.body)
    return errors.success(replicas.handed_over(await coordinator.replicas.hand_over(asked)))


async def journal(coordinator: Coordinator, call: Call) -> web.Response:
    sequence = standing.decode_sequence(call.query.get("sequence", ""))
    return errors.success(standing.replica_document(*coordinator.replicas.standing(sequence)))


async def keep(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.replicas.keep(replicas.decode_copy(call.body))
    return errors.success(None)
