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
from urllib.parse import quote

from coordinator.cluster.api import Json
from coordinator.cluster.errors import ApiRefused, ApiUnreachable


class KubectlApi:
    """As `cluster.api.ClusterApi`, one process for each request.  kubectl: path of the program."""

    def __init__(self, kubectl: str, namespace: str) -> None:
        self._kubectl, self.namespace = kubectl, namespace

    def get(self, path: str) -> Json | None:
        """The object at `path`, or None if there is none.  Raises ApiUnreachable, ApiRefused."""
        try:
            return self._run("get", path)
        except ApiRefused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def create(self, path: str, body: Json) -> Json:
        """Add an object to the collection at `path`.  Raises as `get`; ApiRefused with 409 if its name is taken."""
        return self._run("create", path, body)

    def replace(self, path: str, body: Json) -> Json:
        """Put an object in the place of the one with its `metadata.resourceVersion`.

        Raises as `get`; ApiRefused with 409 if that is not the version which is there.
        """
        return self._run("replace", path, body)

    def delete(self, path: str) -> None:
        """Remove an object; that there is none is fine.  Raises as `get`."""
        try:
            self._run("delete", path)
        except ApiRefused as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise

    def names(self, path: str, selector: str) -> list[str]:
        """Names in the collection at `path` of all that have these labels ("a=b,c=d").  Raises as `get`."""
        names: list[str] = []
        page = f"{path}?limit={_PAGE}&labelSelector={quote(selector)}"
        following = ""
        while True:
            answer = self._run("get", page + following)
            names.extend(str(item["metadata"]["name"]) for item in answer.get("items", ()))
            token = answer.get("metadata", {}).get("continue", "")
            if not token:
                return names
            following = f"&continue={quote(token)}"

    def close(self) -> None:
        """Nothing to let go."""

    def _run(self, verb: str, path: str, body: Json | None = None) -> Json:
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
_PAGE: Final = 20
"""Objects of half a megabyte each."""
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
