"""Where a coordinator listens for clients."""

from dataclasses import dataclass

from coordinator.client.errors import EndpointInvalid

DEFAULT_PORT = 4433


@dataclass(frozen=True, slots=True)
class Endpoint:
    """host: name or IP address, without brackets.  port: 1 to 65535."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """Read HOST, HOST:PORT, [IPV6]:PORT or the same after https://.  Without a port it is 4433.

    Raises EndpointInvalid.
    """
    rest = text.removeprefix("https://").removesuffix("/")
    if rest.startswith("["):
        host, closed, port = rest[1:].partition("]")
        well_formed = closed == "]" and (port == "" or port.startswith(":"))
        port = port.removeprefix(":")
    elif rest.count(":") > 1:
        host, port, well_formed = rest, "", True
    else:
        host, colon, port = rest.partition(":")
        well_formed = not colon or port != ""
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else DEFAULT_PORT if port == "" else 0
    if not well_formed or not 1 <= number <= 65535 or not _is_host(host):
        raise EndpointInvalid("N304", f"endpoint: expected HOST:PORT, got '{text}'")
    return Endpoint(host, number)


def _is_host(host: str) -> bool:
    return host != "" and not any(character.isspace() or character in "/@?#[]" for character in host)
