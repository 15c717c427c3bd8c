"""What becomes of requests to read secrets: asked, approved, over; and the values given."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from coordinator.state.events import LogEntry, ReadApproved, ReadEnded, ReadRequested, SecretsRead
from coordinator.state.model import Deployment, ReadRequest
from coordinator.state.update_replay import ReplayFailed
from coordinator.wire.read_requests import ReadRequestFormatError, parse_request

REQUESTED: Final = "secret read requested"
APPROVED: Final = "secret read approved"
READ: Final = "secrets read"
ENDED: Final = "secret read request over"
WITHDRAWN: Final = "withdrawn by a user"
EXPIRED: Final = "expired"
OTHER_MANIFEST: Final = "the manifest was updated"
OTHER_VALUE: Final = "a value is another one now"


def requested(deployment: Deployment, event: ReadRequested) -> Deployment:
    """A user asks, and waits for the approval of others."""
    try:
        document = parse_request(event.document)
    except ReadRequestFormatError as cause:
        raise ReplayFailed(f"journal: {cause}") from cause
    request = ReadRequest(document, event.document, event.time_ms, times_read=event.times_read)
    entry = LogEntry(
        event.time_ms,
        REQUESTED,
        {
            "user": document.user,
            "secrets": document.secrets,
            "request": document.id,
            "reason": document.reason,
            "missingApprovals": event.missing,
            "missingUsers": event.users,
            "requestFingerprint": request.digest.hex(),
        },
    )
    return _logged(_with(deployment, request), entry)


def approved(deployment: Deployment, event: ReadApproved) -> Deployment:
    """One more has approved it."""
    request, approval = _request(deployment, event.id), event.approval
    entry = LogEntry(
        approval.time_ms,
        APPROVED,
        {
            "user": approval.user,
            "request": event.id,
            "by": "signature" if approval.signature else "connection",
            "missingApprovals": event.missing,
            "missingUsers": event.users,
        },
    )
    return _logged(_with(deployment, replace(request, approvals=(*request.approvals, approval))), entry)


def ended(deployment: Deployment, event: ReadEnded) -> Deployment:
    """It will not be answered any more."""
    _request(deployment, event.id)
    rest = {name: request for name, request in deployment.requests.items() if name != event.id}
    who: Mapping[str, str] = {"user": event.user} if event.user else {}
    entry = LogEntry(event.time_ms, ENDED, {"request": event.id, "reason": event.reason, **who})
    return _logged(replace(deployment, requests=rest), entry)


def was_read(deployment: Deployment, event: SecretsRead) -> Deployment:
    """The user who asked has got the values."""
    request = _request(deployment, event.id)
    times = request.times_read + 1
    entry = LogEntry(
        event.time_ms,
        READ,
        {"user": request.document.user, "secrets": event.secrets, "request": event.id, "times": times},
    )
    return _logged(_with(deployment, replace(request, times_read=times)), entry)


def all_over(deployment: Deployment, time_ms: int) -> Deployment:
    """Another manifest is in force: who may approve is another question now, so all are to be asked anew."""
    return _over(deployment, [*deployment.requests], time_ms, OTHER_MANIFEST)


def over_for(deployment: Deployment, secrets: Collection[str], time_ms: int) -> Deployment:
    """Secrets have got other values: nobody has approved that those are read."""
    requests = deployment.requests.items()
    touched = [name for name, request in requests if not set(secrets).isdisjoint(request.document.secrets)]
    return _over(deployment, touched, time_ms, OTHER_VALUE)


def _over(deployment: Deployment, names: Collection[str], time_ms: int, reason: str) -> Deployment:
    for name in names:
        deployment = ended(deployment, ReadEnded(time_ms, name, reason, ""))
    return deployment


def _with(deployment: Deployment, request: ReadRequest) -> Deployment:
    return replace(deployment, requests={**deployment.requests, request.document.id: request})


def _logged(deployment: Deployment, entry: LogEntry) -> Deployment:
    return replace(deployment, log=deployment.log.plus(entry))


def _request(deployment: Deployment, name: str) -> ReadRequest:
    request = deployment.requests.get(name)
    if request is None:
        raise ReplayFailed("journal: expected a request to read secrets before its approval, end or answer")
    return request
