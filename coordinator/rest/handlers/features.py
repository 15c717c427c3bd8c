"""What is behind feature gates (contract 1.13)."""

from aiohttp import web

from coordinator.decisions.errors import QuoteRefused
from coordinator.rest import errors
from coordinator.rest.call import Call
from coordinator.service import Coordinator
from coordinator.wire import features, v2


async def sign_quote(coordinator: Coordinator, call: Call) -> web.Response:
    coordinator.features.check_sign_quote()
    try:
        signed = coordinator.features.sign_quote(features.decode_sign_quote(call.body))
    except (QuoteRefused, v2.BodyInvalid) as refusal:
        return errors.fail(400, str(refusal), {features.QUOTE_FIELD: str(refusal)})
    return errors.success(features.countersigned(signed.tcb_status, signed.signature))


async def monotonic_counter(coordinator: Coordinator, call: Call) -> web.Response:
    before = await coordinator.features.raise_counter(call.marble, *features.decode_counter(call.body))
    return errors.success(features.counter(before))
