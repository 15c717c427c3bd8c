"""What users read and write (contract 1.11)."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from coordinator.manifest.template.values import SecretValue
from coordinator.rest import errors
from coordinator.rest.call import Call
from coordinator.service import Coordinator
from coordinator.wire import secrets, v2


async def read_secrets_v1(coordinator: Coordinator, call: Call) -> web.Response:
    return errors.success(_read_secrets(coordinator, call))


async def read_secrets_v2(coordinator: Coordinator, call: Call) -> web.Response:
    return errors.success({"secrets": _read_secrets(coordinator, call)})


async def write_secrets_v1(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.people.write_secrets(call.user, secrets.decode_v1(call.body))
    return errors.success(None)


async def write_secrets_v2(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.people.write_secrets(call.user, secrets.decode_v2(call.body))
    return errors.success(None)


def _read_secrets(coordinator: Coordinator, call: Call) -> dict[str, Any]:
    names = call.query.getall("s", [])
    if not names or not all(names):
        raise v2.BodyInvalid("query: expected s=NAME once for each secret, got none or an empty one")
    return documents(coordinator.people.read_secrets(call.user, names))


def documents(values: Mapping[str, SecretValue]) -> dict[str, Any]:
    """Secrets by name as users read them."""
    return {
        name: secrets.secret_document(
            kind=value.type,
            size=value.size,
            shared=value.shared,
            user_defined=value.user_defined,
            certificate=value.cert_der or b"",
            valid_days=value.valid_days,
            private=value.private,
            public=value.public,
        )
        for name, value in sorted(values.items())
    }
