"""Rounds over the namespace's objects: each looks at everything anew, so a restart or a lost answer changes nothing."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from http.client import CONFLICT, NOT_FOUND
from typing import Final

from coordinator.client.client import CoordinatorClient
from coordinator.client.errors import AnswerInvalid, ClientError
from coordinator.cluster.api import ClusterApi
from coordinator.cluster.errors import ApiRefused, ClusterError
from coordinator.controller.approvals import orphan
from coordinator.controller.marbles import changes
from coordinator.controller.objects import (
    MARBLES,
    ApprovalObject,
    DefinitionsMissing,
    ManifestObject,
    collection,
    read_approvals,
    read_manifests,
    read_marbles,
)
from coordinator.controller.patience import Patience
from coordinator.controller.pods import read_pods
from coordinator.controller.reconcile import Reconciler, Visit, second_of_namespace
from coordinator.controller.report import Reporter
from coordinator.controller.standing import Population
from coordinator.wire.marbles import Marbles

_log = logging.getLogger("enclasp.controller")
_LOOK_AGAIN: Final = 60.0
"""Seconds after which Marble objects are compared though nothing is new: others may have changed them."""


class Controller:
    """visit: verifies a coordinator.  endpoint: of objects that name none.  marbles: how many get an object at most.

    pods: namespaces in which marbles' pods are looked for.
    compatible: read documents as laxly as MarbleRun.  interval: seconds between rounds.  clock: the moment, in UTC.
    """

    def __init__(
        self,
        api: ClusterApi,
        visit: Visit,
        *,
        endpoint: str,
        compatible: bool,
        marbles: int,
        pods: Sequence[str],
        interval: float,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._api, self._endpoint = api, endpoint
        self._marbles, self._pods = marbles, pods
        self._clock, self._monotonic = clock, monotonic
        self._reporter = Reporter(api, clock)
        self._patience = Patience(interval)
        self._reconciler = Reconciler(visit, self._patience, compatible=compatible, monotonic=monotonic)
        self._settled: tuple[Marbles | None, float] = None, 0.0

    def round(self) -> bool:
        """Look at all objects once; whether the API server let us.  What failed is tried again, less and less often."""
        if not self._patience.due(_API_SERVER, self._monotonic()):
            return False
        try:
            self._round()
        except (ClusterError, DefinitionsMissing) as cause:
            self._patience.failed(_API_SERVER, self._monotonic())
            _log.warning("round: %s %s", cause.code, cause)
            return False
        self._patience.worked(_API_SERVER)
        return True

    def _round(self) -> None:
        manifests = read_manifests(self._api, self._endpoint)
        approvals = read_approvals(self._api)
        first = manifests[0].name if manifests else None
        for each in approvals:
            if each.manifest != first:
                self._reporter.approval(each, orphan(each, first))
        for manifest in manifests[:1]:
            self._follow(manifest, approvals)
        for second in manifests[1:]:
            self._reporter.manifest(second, second_of_namespace(second, manifests[0].name), None)

    def _follow(self, manifest: ManifestObject, approvals: list[ApprovalObject]) -> None:
        outcome = self._reconciler.reconcile(manifest, approvals)
        if outcome is None:
            return
        for each in approvals:
            if (standing := outcome.approvals.get(each.name)) is not None:
                self._reporter.approval(each, standing)
        found = self._ask_for_marbles(outcome.coordinator) if outcome.coordinator is not None else None
        population = Population(found.total, found.counts) if found is not None else None
        self._reporter.manifest(manifest, outcome.standing, population)
        if found is not None:
            self._show(found, manifest)

    def _ask_for_marbles(self, coordinator: CoordinatorClient) -> Marbles | None:
        """None where the coordinator (of an earlier version, or MarbleRun's) does not say."""
        try:
            return coordinator.marbles(self._marbles)
        except AnswerInvalid:
            return None
        except ClientError as cause:
            _log.warning("marbles: %s %s", cause.code, cause)
            return None

    def _show(self, found: Marbles, manifest: ManifestObject) -> None:
        """Bring the Marble objects closer to what the coordinator says.  Raises DefinitionsMissing, ClusterError."""
        same, since = self._settled
        if same == found and self._monotonic() - since < _LOOK_AGAIN:
            return
        pods = read_pods(self._api, self._pods)
        wanted = changes(found, read_marbles(self._api), manifest.wish.raw, pods, now=self._clock())
        place = collection(self._api.namespace, MARBLES)
        for name in wanted.delete:
            self._api.delete(f"{place}/{name}")
        try:
            for body in wanted.replace:
                self._api.replace(f"{place}/{body['metadata']['name']}", body)
            for body in wanted.create:
                self._api.create(place, body)
        except ApiRefused as refused:
            if refused.status not in (CONFLICT, NOT_FOUND):
                raise
            return  # somebody was there meanwhile: the next round looks again
        self._settled = (found, self._monotonic()) if not wanted.left else (None, 0.0)


_API_SERVER: Final = "the API server"
