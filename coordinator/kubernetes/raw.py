"""The API server through the operator's own kubectl, which knows how to sign in: the verbs that a journal needs.

Bodies go through stdin, so that nothing sealed or secret is an argument.  Source: `kubectl get|create|replace|delete
--raw` of the Kubernetes documentation.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from coordinator.cluster.api import Api, Json
from coordinator.cluster.errors import ApiRefused, ApiUnreachable


class KubectlApi(Api):
    """One process for each request.  kubectl: path of the program."""

    page = 20
    """kubectl gets whole objects, here of half a megabyte each."""

    def __init__(self, kubectl: str, namespace: str) -> None:
        self._kubectl, self._namespace = kubectl, namespace

    @property
    def namespace(self) -> str:
        """As it was given."""
        return self._namespace

    def close(self) -> None:
        """Nothing to let go."""

    def _request(self, method: str, path: str, body: Json | None = None, *, metadata_only: bool = False) -> Json:
        verb = _VERBS[method]
        request = f"kubectl {verb} --raw {path.partition('?')[0]}"
        command = [self._kubectl, verb, "--raw", path, *(("-f", "-") if body is not None else ())]
        text = "" if body is None else json.dumps(body, separators=(",", ":"))
        try:
            done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as cause:
            raise ApiUnreachable(request, str(cause)) from cause
        if done.returncode != 0:
            raise _failure(request, done.stderr.strip() or done.stdout.strip())
        try:
            answer = json.loads(done.stdout)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise ApiRefused(request, HTTPStatus.OK, "expected a JSON object")
        return answer


def _failure(request: str, said: str) -> ApiRefused | ApiUnreachable:
    """What kubectl says is "Error from server (REASON): …" where the server refused, and anything else before that."""
    found = _REFUSED.search(said)
    if found is None:
        return ApiUnreachable(request, said[:500] or "kubectl says nothing")
    return ApiRefused(request, _STATUS.get(found[1] or "", HTTPStatus.BAD_REQUEST), found[2][:500])


_SECONDS: Final = 60
_VERBS: Final[Mapping[str, str]] = {"GET": "get", "POST": "create", "PUT": "replace", "DELETE": "delete"}
_REFUSED: Final = re.compile(r"^Error from server(?: \((\w+)\))?: (.*)", re.MULTILINE)
_STATUS: Final[Mapping[str, int]] = {
    "NotFound": 404,
    "AlreadyExists": 409,
    "Conflict": 409,
    "Forbidden": 403,
    "Unauthorized": 401,
    "TooManyRequests": 429,
    "InternalError": 500,
    "ServerTimeout": 504,
    "Timeout": 504,
    "ServiceUnavailable": 503,
}
"""Reasons of the API (k8s.io/apimachinery, StatusReason) as the status codes that they come with."""
