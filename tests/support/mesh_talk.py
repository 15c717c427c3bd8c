"""Two marbles that connect over TCP, each verifying the other: by Python's ssl, by grpcio, and by Go's crypto/tls.

A marble here is what the coordinator gave it: names and contents of its environment.  Each function says whether the
client heard the server's greeting.
"""

import os
import shutil
import socket
import ssl
import subprocess
import threading
from concurrent import futures
from pathlib import Path
from typing import Final

import grpc
import pytest

from marble.errors import MarbleError
from marble.mesh import Identity

Env = dict[str, bytes]
NAME: Final = "m.example"
"""The name in certificates of `marble_client`'s marbles."""
_GREETING: Final = b"hello"


def identity(marble: Env) -> Identity:
    return Identity.from_environ({name: os.fsdecode(value) for name, value in marble.items()})


def by_ssl(server: Env, client: Env) -> bool:
    """As a Python program does with `marble.mesh`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_greet, args=(listening, identity(server)))
        thread.start()
        try:
            with (
                socket.create_connection(listening.getsockname(), timeout=10) as raw,
                identity(client).client_context().wrap_socket(raw, server_hostname=NAME) as connection,
            ):
                return connection.recv(16) == _GREETING
        except (ssl.SSLError, OSError):
            return False
        finally:
            thread.join(10)


def by_grpcio(server: Env, client: Env) -> bool:
    """As a program with gRPC does; its TLS is BoringSSL's."""
    greet = grpc.unary_unary_rpc_method_handler(lambda request, context: _GREETING)
    serving = grpc.server(futures.ThreadPoolExecutor(1))
    serving.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.Greeter", {"Greet": greet}),))
    port = serving.add_secure_port("127.0.0.1:0", identity(server).grpc_server_credentials())
    serving.start()
    options = [("grpc.ssl_target_name_override", NAME)]
    try:
        credentials = identity(client).grpc_channel_credentials()
        with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
            return bool(channel.unary_unary("/t.Greeter/Greet", bytes, bytes)(b"", timeout=10) == _GREETING)
    except grpc.RpcError:
        return False
    finally:
        serving.stop(None).wait()


def go_program(folder: Path) -> Path:
    """A marble written in Go, compiled; the test is skipped where there is no Go."""
    if (compiler := shutil.which("go")) is None:
        pytest.skip("needs Go (apt-get install golang-go)")
    source, made = Path(__file__).parent / "go_marble" / "peer.go", folder / "peer"
    build = [compiler, "build", "-o", str(made), str(source)]
    subprocess.run(build, check=True, env={**os.environ, "GO111MODULE": "off"}, capture_output=True, timeout=300)
    return made


def by_go(program: Path, folder: Path, server: Env, client: Env) -> bool:
    """As MarbleRun's own marbles do, which are written in Go."""
    for name, marble in (("server", server), ("client", client)):
        (folder / name).mkdir(exist_ok=True)
        for variable in ("ROOT_CA", "MARBLE_CERTIFICATE_CHAIN", "PRIVATE_KEY"):
            full = f"MARBLE_PREDEFINED_{variable}"
            (folder / name / full).write_bytes(marble[full])
    serving = subprocess.Popen([program, "server", folder / "server"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert serving.stdout is not None
        address = serving.stdout.readline().decode().strip()
        calling = [str(program), "client", str(folder / "client"), address]
        done = subprocess.run(calling, capture_output=True, timeout=20, check=False)
        return done.returncode == 0 and done.stdout.strip() == _GREETING
    finally:
        serving.kill()
        serving.communicate()


def _greet(listening: socket.socket, me: Identity) -> None:
    listening.settimeout(10)
    try:
        with listening.accept()[0] as raw, me.server_context().wrap_socket(raw, server_side=True) as connection:
            connection.sendall(_GREETING)
    except (ssl.SSLError, OSError, MarbleError):
        return
