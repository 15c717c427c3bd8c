"""Message codes of fetching: code -> (title, hint)."""

from collections.abc import Mapping
from typing import Final

UNREACHABLE: Final = "N310"
ANSWER: Final = "N311"
CONTENT: Final = "N312"
NOTHING_TO_FETCH: Final = "N313"
ADDRESS: Final = "N314"

CODES: Final[Mapping[str, tuple[str, str]]] = {
    UNREACHABLE: (
        "the vendor's service or the cache cannot be reached",
        "check the network, or name a cache that this machine can reach with --url",
    ),
    ANSWER: (
        "the vendor's service or the cache does not have this collateral",
        "check that the machine is registered with its vendor, and that the cache forwards this path",
    ),
    CONTENT: (
        "an answer is not what the vendor's interface describes",
        "check that --url names a cache that speaks the vendor's own interface, not a page for people",
    ),
    NOTHING_TO_FETCH: (
        "nothing can be fetched for this evidence",
        "the text says why; some platforms carry everything, for others the certificates come from the operator",
    ),
    ADDRESS: (
        "the address of the service cannot be used",
        "write it like https://pccs.example.org:8081, without a user, a query or a fragment",
    ),
}
