"""What can go wrong between a Coordinator and its cluster's API server."""

from dataclasses import dataclass

from coordinator.cluster.codes import CODES
from coordinator.errors import CodedError


class ClusterError(CodedError):
    """Base of this room's errors; the hint is part of the text."""

    codes = CODES


@dataclass(eq=False)
class NoAccount(ClusterError):
    """There is nothing to talk to the API server with."""

    code = "K650"
    what: str
    expected: str
    got: str

    def __str__(self) -> str:
        return self._with_hint(f"cluster account: {self.what}: expected {self.expected}, got {self.got}")


@dataclass(eq=False)
class ApiUnreachable(ClusterError):
    """There was no answer: whether the request was carried out is not known."""

    code = "K651"
    request: str
    reason: str

    def __str__(self) -> str:
        return self._with_hint(f"{self.request}: no answer: {self.reason}")


@dataclass(eq=False)
class ApiRefused(ClusterError):
    """The API server answered, and the answer is no."""

    code = "K652"
    request: str
    status: int
    reason: str

    @property
    def passing(self) -> bool:
        """True for an answer that says to try again: too many requests, or a fault of the server's own."""
        return self.status == 429 or self.status >= 500

    def __str__(self) -> str:
        return self._with_hint(f"{self.request}: answered {self.status}: {self.reason}")
