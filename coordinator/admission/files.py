"""A certificate that somebody else keeps (cert-manager): two files, read again when they have changed."""

from pathlib import Path

from OpenSSL import SSL

from coordinator.admission.certificate import CredentialInvalid, read
from coordinator.doors.tls import ClientCertificate, make_context


class Files:
    """certificate, key: PEM."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._paths = (certificate, key)
        self._seen: tuple[int, ...] = ()
        self._context = self._load()

    def context(self) -> SSL.Context:
        """For a new connection.  Files that are being exchanged just now are read at the next one."""
        if self._stamps() != self._seen:
            try:
                self._context = self._load()
            except (OSError, CredentialInvalid):
                return self._context
        return self._context

    def _stamps(self) -> tuple[int, ...]:
        try:
            return tuple(path.stat().st_mtime_ns for path in self._paths)
        except OSError:
            return self._seen

    def _load(self) -> SSL.Context:
        stamps = self._stamps()
        credential = read(*(path.read_bytes() for path in self._paths))
        self._seen = stamps
        return make_context(
            (credential.certificate,), credential.key, client_certificate=ClientCertificate.REQUEST, alpn=("http/1.1",)
        )
