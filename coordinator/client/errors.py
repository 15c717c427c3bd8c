"""What can go wrong between us and a coordinator.  The type says what a caller may do."""


class ClientError(Exception):
    """Base: `code` is a message code of `enclasp explain`; `hint` says the next step, and may be empty."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        self.code = code
        self.hint = hint
        super().__init__(message)


class EndpointInvalid(ClientError):
    """The text is not HOST:PORT."""


class UserFilesUnusable(ClientError):
    """The files that shall show who the user is cannot be used; nothing was sent."""


class Unreachable(ClientError):
    """No connection, or no whole answer in time."""


class AnswerInvalid(ClientError):
    """Something answered, but not as a coordinator does."""


class Distrusted(ClientError):
    """The peer is not a coordinator that the visitor wants to talk to."""


class NotPinned(Distrusted):
    """The peer's TLS key is not the one that was verified.  Nothing was sent to it."""


class NotAuthorised(ClientError):
    """The coordinator does not know this client, or does not allow the request."""


class WrongState(ClientError):
    """The coordinator is in another phase than the request needs."""


class InRecovery(WrongState):
    """The coordinator waits for recovery."""


class RequestRefused(ClientError):
    """The coordinator understood the request and will not do it.  The message is its own."""
