"""Waivers that have expired, or end soon: the one remark about a manifest that depends on the day."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from attestation.waivers import CODES, WAIVER_ENDS, WAIVER_EXPIRED, WARN_BEFORE, words
from coordinator.manifest.document import ListNode, MapNode, Node
from coordinator.manifest.errors import Finding, Severity
from coordinator.manifest.parse import Parsed
from coordinator.manifest.places import Places
from coordinator.manifest.view import View


def lint_waivers(parsed: Parsed, now: datetime) -> tuple[Finding, ...]:
    """A warning for each waiver whose last day is past or near.  now: aware."""
    today = now.astimezone(UTC).date()
    findings = []
    for waiver in _waivers(Places(parsed.root).node("Packages")):
        left = date.fromisoformat(waiver.text("Until")) - today
        if left <= WARN_BEFORE:
            code = WAIVER_ENDS if left.days >= 0 else WAIVER_EXPIRED
            what = waiver.text("Status") or waiver.text("Advisory")
            message = f"the waiver for {what}: {words(left)} ({waiver.text('Reason')})"
            place = waiver.place("Until")
            findings.append(parsed.document.finding(Severity.WARNING, code, place, message, CODES[code][1]))
    return tuple(findings)


def _waivers(node: Node | None) -> Iterator[View]:
    """Every waiver below a node, whatever the platform that it stands at."""
    for member in node.by_key().values() if isinstance(node, MapNode) else ():
        if member.key == "Waivers" and isinstance(member.node, ListNode):
            yield from (View(item, item.place) for item in member.node.items)
        else:
            yield from _waivers(member.node)
    for item in node.items if isinstance(node, ListNode) else ():
        yield from _waivers(item)
