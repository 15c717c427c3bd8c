"""AdmissionReview v1: the API server's question in, the answer out.  Source: k8s.io/api/admission/v1."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from coordinator.admission.codes import CODES
from coordinator.admission.patch import Operation
from coordinator.admission.pod import Refusal, name_of

VERSION: Final = "admission.k8s.io/v1"


class ReviewInvalid(Exception):
    """The body is no admission review about a pod; the text says what was expected and found."""


@dataclass(frozen=True, slots=True)
class Review:
    """uid: to be said back.  pod: raw, None where the question is about something else than making a pod."""

    uid: str
    namespace: str
    pod: Any


def parse_review(body: bytes) -> Review:
    """Read the question.  Raises ReviewInvalid."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as cause:
        raise ReviewInvalid(f"body: expected JSON, got: {cause}") from cause
    if not isinstance(document, dict) or document.get("kind") != "AdmissionReview":
        raise ReviewInvalid("body: expected an AdmissionReview, got another kind")
    if document.get("apiVersion") != VERSION:
        raise ReviewInvalid(f"body: expected {VERSION}, got another version")
    request = document.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("uid"), str):
        raise ReviewInvalid("body: expected a request with a uid, got none")
    namespace = request.get("namespace") or "default"
    kind = request.get("kind")
    about_pods = isinstance(kind, dict) and kind.get("kind") == "Pod" and not request.get("subResource")
    makes = about_pods and request.get("operation") == "CREATE"
    return Review(request["uid"], str(namespace), request.get("object") if makes else None)


def admit(review: Review, operations: Sequence[Operation]) -> bytes:
    """Yes, with these changes."""
    response: dict[str, Any] = {"uid": review.uid, "allowed": True}
    if operations:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(json.dumps(list(operations)).encode()).decode()
    return _answer(response)


def refuse(review: Review, refusal: Refusal) -> bytes:
    """No, with the reason, as a person reads it from `kubectl`, or from the events of a ReplicaSet."""
    hint = refusal.hint or CODES[refusal.code][1]
    return _answer(
        {
            "uid": review.uid,
            "allowed": False,
            "status": {"code": 403, "reason": "Forbidden", "message": f"{refusal.code} {refusal}; hint: {hint}"},
        }
    )


def subject(review: Review) -> str:
    """What the question is about, for the log."""
    named = isinstance(review.pod, dict) and isinstance(review.pod.get("metadata"), dict)
    return f"{review.namespace}/{name_of(review.pod) if named else '?'}"


def _answer(response: dict[str, Any]) -> bytes:
    return json.dumps({"apiVersion": VERSION, "kind": "AdmissionReview", "response": response}).encode()
