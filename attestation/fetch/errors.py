"""What can go wrong while fetching."""

from attestation.errors import AttestationError


class FetchFailed(AttestationError):
    """Collateral could not be fetched.  code: of `enclasp explain`.  status: of the HTTP answer, 0 without one."""

    def __init__(self, code: str, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
