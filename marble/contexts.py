"""How does a private key get into `ssl` without lying on a disk?  (`ssl` reads keys from named files only.)"""

import os
import secrets
import ssl
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import serialization


def load_identity(context: ssl.SSLContext, chain_pem: bytes, key_pem: bytes) -> None:
    """Give `context` a certificate chain (leaf first) and its PKCS#8 key.

    The key travels through an anonymous file in memory.  Where the system has none (macOS, some library OSes),
    it travels through a file that only this user may read, encrypted with a passphrase that never leaves memory.
    Raises ssl.SSLError if key and leaf are no pair, OSError if neither way is open.
    """
    if not _load_from_memory(context, chain_pem + b"\n" + key_pem):
        _load_from_encrypted_file(context, chain_pem, key_pem)


def _load_from_memory(context: ssl.SSLContext, pem: bytes) -> bool:
    if not hasattr(os, "memfd_create"):
        return False
    try:
        descriptor = os.memfd_create("identity")
    except OSError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        path = f"/proc/self/fd/{descriptor}"
        if not os.path.exists(path):
            return False
        context.load_cert_chain(path)
    return True


def _load_from_encrypted_file(context: ssl.SSLContext, chain_pem: bytes, key_pem: bytes) -> None:
    passphrase = secrets.token_hex(32)
    encrypted = serialization.load_pem_private_key(key_pem, password=None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )
    with tempfile.TemporaryDirectory(prefix="enclasp-") as folder:
        path = Path(folder, "identity.pem")
        path.touch(mode=0o600)
        path.write_bytes(chain_pem + b"\n" + encrypted)
        context.load_cert_chain(path, password=passphrase)
