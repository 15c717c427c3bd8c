"""Large manifests are checked at once, and hostile ones refused as fast.  Bounds are several times what is measured."""

import time

import pytest

from coordinator.cli.check import check_document
from coordinator.manifest.errors import Finding
from tests.support.manifest_gallery import NOON

MANY = 1000


def timed(raw: bytes) -> tuple[tuple[Finding, ...], float]:
    """Findings with lint, and seconds of processor time."""
    start = time.process_time()
    found = check_document(raw, name="x", compatible=False, now=NOON, remarks=True)
    return found, time.process_time() - start


def test_a_thousand_marbles_and_secrets_are_checked_in_seconds() -> None:
    package = '    TDX:\n      MRTD: "{0:096x}"\n      RTMR1: "{0:096x}"\n      RTMR2: "{0:096x}"\n'
    env = '      Env:\n        KEY: "{{{{ hex .Secrets.s{0} }}}}"\n'
    marble = f"    Package: p{{0}}\n    MaxActivations: 3\n    Parameters:\n{env}"
    secret = "    Type: symmetric-key\n    Size: 256\n"
    text = "".join(
        f"{section}:\n" + "".join(f"  {letter}{n}:\n{entry.format(n)}" for n in range(MANY))
        for section, letter, entry in (("Packages", "p", package), ("Marbles", "m", marble), ("Secrets", "s", secret))
    )
    found, seconds = timed(text.encode())
    assert [] == list(found)
    assert seconds < 3


@pytest.mark.parametrize(
    "raw",
    [
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 9)) for n in range(98, 110)),
        b"a: " + b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b"- " * 4_000_000,
        b"? " * 300_000,
        b"# DECIDE: x\n" * 600_000,
        b"---\n" * 2_000_000,
        b"a: '" + b"a" * 8_000_000,
        bytes(100 << 20),
    ],
    ids=["bomb", "deep", "deep JSON", "dashes", "keys", "comments", "documents", "one line", "100 MiB"],
)
def test_hostile_documents_are_refused_at_once(raw: bytes) -> None:
    found, seconds = timed(raw)
    assert "error" == found[0].severity.value
    assert seconds < 2
