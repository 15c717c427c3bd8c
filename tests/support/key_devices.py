"""A TPM and a PKCS#11 token for tests: swtpm and SoftHSM, real processes and libraries of the system's packages."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

SOFTHSM: Final = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN: Final = "1234"


def needs_tpm() -> None:
    """Skip where there is no swtpm, or no tpm2-pytss (which needs libtss2-dev to be installed)."""
    if shutil.which("swtpm") is None or importlib.util.find_spec("tpm2_pytss") is None:
        pytest.skip("needs swtpm (apt-get install swtpm libtss2-dev) and tpm2-pytss (pip install tpm2-pytss)")


def needs_token() -> None:
    """Skip where there is no SoftHSM."""
    if not SOFTHSM.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("needs SoftHSM (apt-get install softhsm2)")


@contextmanager
def tpm(folder: Path) -> Iterator[str]:
    """A TPM with its state in `folder`; the TCTI that reaches it.  A new folder is another TPM."""
    needs_tpm()
    folder.mkdir(exist_ok=True)
    socket = folder / "socket"
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}", "--flags", "not-need-init,startup-clear"]
    doors = ["--server", f"type=unixio,path={socket}", "--ctrl", f"type=unixio,path={socket}.ctrl"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*command, *doors], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 10
        while not Path(f"{socket}.ctrl").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        yield f"swtpm:path={socket}"
    finally:
        process.terminate()
        process.wait(10)


def import_key(environ: dict[str, str], token: str, key: Path, label: str) -> None:
    """Put a private key (PKCS#8 in PEM) on a token that `token` made.  It does not come out again."""
    where = ["--token", token, "--label", label, "--id", label.encode().hex(), "--pin", PIN]
    load = ["softhsm2-util", "--import", str(key), *where]
    subprocess.run(load, env={**os.environ, **environ}, check=True, capture_output=True, timeout=30)


def command(environ: dict[str, str], *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """`enclasp` in a process of its own: a PKCS#11 library reads its configuration once."""
    return subprocess.run(
        [sys.executable, "-m", "coordinator", *map(str, arguments)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def key_on(token: str, label: str, pin_file: Path) -> tuple[str | Path, ...]:
    """Options of `enclasp` that name a key on a token."""
    return (
        *("--pkcs11-module", SOFTHSM, "--pkcs11-token", token),
        *("--pkcs11-key", label, "--pkcs11-pin-file", pin_file),
    )


def token(folder: Path, label: str) -> tuple[dict[str, str], Path]:
    """A new token; the environment in which SoftHSM finds it, and the file of its PIN."""
    needs_token()
    tokens = folder / "tokens"
    tokens.mkdir(parents=True)
    conf, pin = folder / "softhsm2.conf", folder / "pin"
    conf.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\n")
    pin.write_text(PIN + "\n")
    environ = {"SOFTHSM2_CONF": str(conf)}
    init = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "4321"]
    subprocess.run(init, env={**os.environ, **environ}, check=True, capture_output=True, timeout=30)
    return environ, pin
