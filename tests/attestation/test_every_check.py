"""Every check matters: switched off, something that was refused is believed; or another check refuses the same.

The second are named here with that other check, or with the reason why nothing follows from the one alone.  Checks of
reference values have their own table in tests/manifest/test_platforms.py, those of NVIDIA's service its own tests.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from attestation import checks
from attestation.binding import Nonced
from attestation.checks import Check, Status
from attestation.simulation.folder import create
from attestation.verification import Verification
from tests.support.refusals import Bench, Case, good, refused

ROOMS: Final = Path(checks.__file__).parent
FILES: Final = ("verify.py", "chain.py", "leaf.py", "compare.py", "dcap/collateral.py", "dcap/tcb.py", "intel.py")

ALSO_REFUSED_BY: Final[Mapping[str, str]] = {
    "pck.chain": "anchor.class",  # one path to one anchor, said twice: how far it leads, and whose root it is
    "collateral.anchor": "anchor.same",  # parts of two vendors are of no anchor, so not of the quote's
    "collateral.root-crl": "collateral.anchor",  # what no anchor has signed leads to none
    "collateral.pck-crl": "collateral.anchor",
    "collateral.pck-crl-issuer-format": "collateral.pck-crl",  # without its issuer nobody has signed the list
    "collateral.pck-crl-issuer-chain": "collateral.anchor",
    "collateral.tcb-info-signer-format": "collateral.tcb-info-signer-role",  # no certificate has the role
    "collateral.tcb-info-signer-role": "collateral.tcb-info-signature",  # only who has the role may have signed
    "collateral.tcb-info-signer-chain": "collateral.anchor",
    "collateral.qe-identity-signer-format": "collateral.qe-identity-signer-role",
    "collateral.qe-identity-signer-role": "collateral.qe-identity-signature",
    "collateral.qe-identity-signer-chain": "collateral.anchor",
    "gpu.role": "rim.driver",  # no RIM is for a device without a model
    "azure-vtpm.attestation-key": "azure-vtpm.quote-signature",  # a key that is too weak verifies nothing
    "composite.class": "binding.report-data",  # no recorded GPU was asked for a simulated processor
}
NOTHING_FOLLOWS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("sev-snp.format", "nitro.format", "cca.format", "gpu.format", "azure-vtpm.format", "composite.format"),
        "bytes that cannot be read say nothing, so there is nothing to believe",
    ),
    "azure-vtpm.hardware": "without the hardware's evidence nothing vouches for the vTPM's key",
    "tcb.level": "it says what policy judges: `tcb.status` of reference values, `policy.tcb-status` of the default",
    "verifier.ready": "a room that is closed verifies nothing (test_closed_rooms.py)",
}
# Names under which a room's check is found, where another name is shown.
SHOWN_AS: Final[Mapping[str, str]] = {"azure-vtpm.runtime-data": "binding.report-data"}
# Texts of the same form that name no check: a file, and beginnings of names.
NO_CHECKS: Final = {
    "quote.bin",
    "collateral.pck-crl-issuer",
    "collateral.tcb-info",
    "collateral.qe-identity",
    "qe.identity.",
}


@dataclass(frozen=True)
class Refusal:
    """A case, and the checks that speak against it, without the names of parts before them."""

    case: Case
    reasons: frozenset[str]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("checks") / "vendors"
    create(folder)
    made = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - the vendors were made just now
    return Bench(folder, made + timedelta(minutes=10))


@pytest.fixture(scope="module")
def refusals(bench: Bench) -> Sequence[Refusal]:
    """Of all cases those that verification, and not only reference values, refuses."""
    found = []
    for case in refused(bench):
        verification = case.verify()
        if not believed(verification):
            found.append(Refusal(case, frozenset(reasons(verification))))
    return found


def believed(verification: Verification) -> bool:
    return verification.genuine and verification.complete


def reasons(verification: Verification) -> set[str]:
    return {check.name.rpartition("/")[2] for check in verification.checks if check.status is not Status.PASSED}


@contextmanager
def switched_off(name: str) -> Iterator[None]:
    """Every check of this name passes, whatever it finds."""
    real, wanted = checks.Check, SHOWN_AS.get(name, name)

    def make(check: str, status: Status, *rest: Any) -> Check:
        return real(check, Status.PASSED if check == wanted else status, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "Check", make)
        yield


def test_the_good_twins_are_believed_and_no_check_speaks_against_them(bench: Bench) -> None:
    for case in good(bench):
        verification = case.verify()
        unasked = {"binding.report-data"} if isinstance(case.binding, Nonced) else set()
        assert (True, unasked) == (believed(verification), reasons(verification)), case.label


def test_every_check_is_the_only_reason_of_a_refusal_or_another_refuses_the_same(refusals: Sequence[Refusal]) -> None:
    needless = []
    for name in sorted({name for refusal in refusals for name in refusal.reasons}):
        involved = [refusal for refusal in refusals if name in refusal.reasons]
        if name in ALSO_REFUSED_BY or name in NOTHING_FOLLOWS:
            continue
        with switched_off(name):
            if not any(believed(refusal.case.verify()) for refusal in sorted(involved, key=lambda r: len(r.reasons))):
                needless.append((name, [(r.case.label, sorted(r.reasons)) for r in involved]))
    assert [] == needless


def test_what_is_said_of_needless_checks_is_true(refusals: Sequence[Refusal]) -> None:
    for name in (*ALSO_REFUSED_BY, *NOTHING_FOLLOWS):
        involved = [refusal for refusal in refusals if name in refusal.reasons]
        assert involved or name == "verifier.ready", name
        other = ALSO_REFUSED_BY.get(name)
        assert other is None or all(other in refusal.reasons for refusal in involved), (name, other)
        with switched_off(name):
            assert not any(believed(refusal.case.verify()) for refusal in involved), f"{name} is not needless"


def test_no_check_of_a_verifier_is_left_out(refusals: Sequence[Refusal]) -> None:
    seen = {name for refusal in refusals for name in refusal.reasons}

    assert set() == set(check_names()) - seen - set(NOTHING_FOLLOWS)


def check_names() -> Iterator[str]:
    """The names of checks that stand in the code of the rooms; those that are put together are seen in the cases."""
    form = re.compile(r"(?:[a-z]+-)*[a-z]+\.[a-z][a-z0-9.-]*")
    files = [path for path in ROOMS.rglob("*.py") if path.relative_to(ROOMS).as_posix().endswith(FILES)]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and form.fullmatch(text) and text not in NO_CHECKS:
                yield text
