"""Marble objects: what the verified coordinator says of the marbles that have joined it, one object for each.  Pure.

A coordinator may have 10,000; the cluster gets the newest few, and only so many changes in one round.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from coordinator.cluster.api import Json
from coordinator.controller.objects import API_VERSION
from coordinator.wire.marbles import Instance, Marbles, Step

WRITES_A_ROUND: Final = 20
LABEL: Final = "enclasp.dev/type"
IN_FORCE, OVERLAPPING, CUT_OFF = "InForce", "Overlapping", "CutOff"


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be done to the objects in one round: names to delete, bodies to put in place and to add.

    left: changes that have to wait for a later round.
    """

    delete: tuple[str, ...]
    replace: tuple[Json, ...]
    create: tuple[Json, ...]
    left: int


def changes(
    found: Marbles, there: Mapping[str, Json], owner: Json, pods: Mapping[str, str], *, now: datetime
) -> Changes:
    """From the objects that are there to those that should be.  owner: the Manifest object, with which they go.

    pods: by UID, as far as they are known.

    A Marble leaves when its certificate has ended, and when the coordinator names it no more among the newest.
    """
    steps = {step.number: step for step in found.steps}
    wanted = {
        name_of(one): _body(one, steps.get(one.step), owner, pods.get(one.uuid, ""))
        for one in found.newest
        if not one.until_ms or one.until_ms > now.timestamp() * 1000
    }
    delete = [name for name in there if name not in wanted]
    replace = [
        {**body, "metadata": {**body["metadata"], "resourceVersion": there[name]["metadata"]["resourceVersion"]}}
        for name, body in wanted.items()
        if name in there and not _same(body, there[name])
    ]
    create = [body for name, body in wanted.items() if name not in there]
    first, second, third = _share(len(delete), len(replace), len(create))
    left = len(delete) + len(replace) + len(create) - first - second - third
    return Changes(tuple(delete[:first]), tuple(replace[:second]), tuple(create[:third]), left)


def name_of(one: Instance) -> str:
    """An object's name for a type and a UUID: the same for no two of them."""
    plain = re.sub(r"[^a-z0-9]+", "-", one.marble.lower())[:_LONGEST_TYPE].strip("-") or "marble"
    if plain == one.marble:
        return f"{plain}-{one.uuid}"
    return f"{plain}-{hashlib.sha256(one.marble.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}-{one.uuid}"


def _body(one: Instance, step: Step | None, owner: Json, pod: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name_of(one),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": "Manifest",
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
            }
        ],
    }
    if _LABEL_VALUE.fullmatch(one.marble):
        metadata["labels"] = {LABEL: one.marble}
    status = {
        "type": one.marble,
        "uuid": one.uuid,
        "platform": one.platform,
        "package": one.package,
        "activatedAt": _moment(one.activated_ms),
        "certificateUntil": _moment(one.until_ms),
        "step": one.step,
        "manifest": step.manifest if step is not None else "",
        "intermediate": _intermediate(step),
    }
    status |= {"trustedUntil": _moment(step.until_ms)} if step is not None and step.until_ms else {}
    status |= {"pod": pod} if pod else {}
    return {"apiVersion": API_VERSION, "kind": "Marble", "metadata": metadata, "status": status}


def _intermediate(step: Step | None) -> str:
    if step is None or not step.trusted:
        return CUT_OFF
    return OVERLAPPING if step.until_ms else IN_FORCE


def _same(body: Json, there: Json) -> bool:
    """Whether an object says what it should, and goes with whom it should."""
    metadata, wanted = there["metadata"], body["metadata"]
    return bool(
        there.get("status") == body["status"]
        and metadata.get("ownerReferences") == wanted["ownerReferences"]
        and (metadata.get("labels") or {}) == wanted.get("labels", {})
    )


def _share(delete: int, replace: int, create: int) -> tuple[int, int, int]:
    """How many of each may be done now: what is wrong goes first, then what is old, then what is new."""
    first = min(delete, WRITES_A_ROUND)
    second = min(replace, WRITES_A_ROUND - first)
    return first, second, min(create, WRITES_A_ROUND - first - second)


def _moment(time_ms: int) -> str:
    """RFC 3339 in whole seconds, UTC; empty where there is no time."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if time_ms else ""


_LONGEST_TYPE: Final = 63
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
"""Kubernetes documentation, "Labels and Selectors", "Syntax and character set"."""
