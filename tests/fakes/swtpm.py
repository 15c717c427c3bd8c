"""A whole software TPM (swtpm) as Azure's paravisor would set it up: attestation key, HCL report, registers.

tpm2-tools find it by TPM2TOOLS_TCTI.  libtpms takes at most 2,048 bytes in an NV index, Azure's vTPM 2,600: so the HCL
report comes without the zeros at its end.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from attestation.azure_vtpm.device import ATTESTATION_KEY, HCL_REPORT_INDEX
from tests.support.ports import free_ports

MISSING = ", ".join(tool for tool in ("swtpm", "tpm2_quote", "tpm2_createprimary") if shutil.which(tool) is None)
_SECONDS = 20


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Start one with an empty state in a folder; gives the TCTI for tpm2-tools."""
    port, _ = free_ports(2)
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}", "--flags", "not-need-init,startup-clear"]
    places = ["--server", f"type=tcp,port={port},disconnect", "--ctrl", f"type=tcp,port={port + 1}"]
    process = subprocess.Popen([*command, *places], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(port, process)
        yield f"swtpm:host=127.0.0.1,port={port}"
    finally:
        process.terminate()
        process.wait(_SECONDS)


def set_up(folder: Path, hcl_report: Callable[[rsa.RSAPublicKey], bytes]) -> None:
    """An attestation key at Azure's handle, and what the paravisor reports of it at Azure's index."""
    public, report = folder / "ak.pem", folder / "hcl_report.bin"
    make_key(folder, "o")
    tool("tpm2_readpublic", "-c", ATTESTATION_KEY, "-f", "pem", "-o", public)
    key = load_pem_public_key(public.read_bytes())
    assert isinstance(key, rsa.RSAPublicKey)
    report.write_bytes(hcl_report(key).rstrip(b"\0"))
    tool("tpm2_nvdefine", "-C", "o", "-s", report.stat().st_size, "-a", "ownerread|ownerwrite", HCL_REPORT_INDEX)
    tool("tpm2_nvwrite", "-C", "o", "-i", report, HCL_REPORT_INDEX)


def make_key(folder: Path, hierarchy: str) -> None:
    """An attestation key at Azure's handle.  hierarchy: o or e; each has another one."""
    context, usage = folder / "ak.ctx", "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign"
    tool("tpm2_createprimary", "-C", hierarchy, "-G", "rsa2048:rsassa-sha256:null", "-a", usage, "-c", context)
    tool("tpm2_evictcontrol", "-C", "o", "-c", context, ATTESTATION_KEY)
    tool("tpm2_flushcontext", "-t")  # what the kernel's resource manager does between two programs


def tool(*command: object) -> None:
    """Run one of tpm2-tools."""
    done = subprocess.run(list(map(str, command)), capture_output=True, timeout=_SECONDS, env=os.environ, check=False)
    assert 0 == done.returncode, done.stderr.decode()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port + 1), timeout=1):
                return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError("swtpm does not answer")
