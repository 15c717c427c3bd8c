"""TLS without sockets: pyOpenSSL on memory BIOs, of which only the documented interface is used.

Ciphertext goes in by `feed` and comes out by `output`; nothing here waits.
"""

from OpenSSL import SSL, crypto

_CHUNK = 64 * 1024
_RECORD = 16 * 1024


class TlsFailed(Exception):
    """The peer's bytes are no TLS that this door speaks.  The alert for the peer is in `TlsEngine.output`.

    plain_http: they are an HTTP request without TLS, for which OpenSSL makes no alert.
    """

    def __init__(self, cause: Exception) -> None:
        reason = _reason(cause)
        self.plain_http = reason == "http request"
        super().__init__(reason)


class NoCommonProtocol(Exception):
    """Raised in the ALPN callback, which makes OpenSSL send the fatal alert `no_application_protocol`."""


class TlsEngine:
    """The server's end of one connection."""

    def __init__(self, context: SSL.Context) -> None:
        self.context = context
        self._ssl = SSL.Connection(context, None)
        self._ssl.set_accept_state()

    def feed(self, ciphertext: bytes) -> None:
        """Take bytes that the peer sent."""
        self._ssl.bio_write(ciphertext)

    def output(self) -> bytes:
        """All bytes for the peer that have not been taken yet; empty if there are none."""
        found = b""
        try:
            while len(piece := self._ssl.bio_read(_CHUNK)) == _CHUNK:  # less is the rest
                found += piece
        except SSL.WantReadError:
            return found
        return found + piece

    def handshake(self) -> bool:
        """Go on with the handshake: True when it is complete, False while the peer has to say more.

        Raises TlsFailed.
        """
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            return False
        except (SSL.Error, NoCommonProtocol) as cause:
            raise TlsFailed(cause) from cause
        return True

    def decrypt(self) -> bytes | None:
        """The next plaintext, at most one record; empty: the peer has to send more; None: the peer sent close_notify.

        Raises TlsFailed.
        """
        try:
            return self._ssl.recv(_RECORD)
        except SSL.WantReadError:
            return b""
        except SSL.ZeroReturnError:
            return None
        except SSL.Error as cause:
            raise TlsFailed(cause) from cause

    def encrypt(self, plaintext: memoryview) -> None:
        """Encrypt all of it; the records are in `output`.  Raises TlsFailed."""
        try:
            while plaintext:
                plaintext = plaintext[self._ssl.send(plaintext) :]
        except SSL.Error as cause:
            raise TlsFailed(cause) from cause

    def close_notify(self) -> None:
        """Say that nothing more will come; the alert is in `output`.  Without effect on a broken connection."""
        try:
            self._ssl.shutdown()
        except SSL.Error:
            return

    def peer_leaf_der(self) -> bytes | None:
        """The certificate whose key the peer proved to hold; None if it showed none.  Nothing else in it is checked."""
        certificate = self._ssl.get_peer_certificate()
        return None if certificate is None else crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)

    def protocol(self) -> str | None:
        """What ALPN agreed on; None without ALPN."""
        return self._ssl.get_alpn_proto_negotiated().decode("ascii") or None

    def version(self) -> str:
        """`TLSv1.3` or `TLSv1.2`."""
        return self._ssl.get_protocol_version_name()

    def cipher(self) -> str | None:
        """OpenSSL's name of the cipher suite."""
        return self._ssl.get_cipher_name()

    def group(self) -> str | None:
        """Name of the key exchange group, such as `X25519MLKEM768`."""
        return self._ssl.get_group_name()

    def export(self, label: bytes, length: int, context: bytes | None = None) -> bytes:
        """Keying material of this connection.  Source: RFC 5705; RFC 8446, 7.5."""
        return self._ssl.export_keying_material(label, length, context)


def _reason(cause: Exception) -> str:
    """OpenSSL's words, without its library and function names."""
    if isinstance(cause, NoCommonProtocol):
        return str(cause)
    queue = cause.args[0] if cause.args else ()
    words = [str(entry[2]) for entry in queue if isinstance(entry, tuple) and len(entry) == 3] if queue else []
    return "; ".join(words) or type(cause).__name__
