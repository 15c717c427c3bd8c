"""Templates render as Go's own text/template renders them, byte for byte; what Go refuses is refused."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from coordinator.manifest.template.render import Place, Template, TemplateError
from coordinator.manifest.template.values import SecretValue

RECORDED = json.loads((Path(__file__).parents[1] / "vectors" / "manifest" / "templates_go.json").read_text())
REASONS = (
    "structure",
    "type",
    "text of its own",
    "cannot print",
    "cannot compare",
    "no certificate",
    "no field",
    "range cannot",
    "bad character",
    "no length",
    "cannot index",
    "cannot slice",
)


def value(recorded: dict[str, Any]) -> SecretValue:
    return SecretValue(
        type=recorded["type"],
        size=recorded["size"],
        shared=recorded["shared"],
        user_defined=recorded["user_defined"],
        valid_days=recorded["valid_days"],
        cert_der=base64.b64decode(RECORDED["certificate"]) if recorded["certificate"] else None,
        public=base64.b64decode(recorded["public"]),
        private=base64.b64decode(recorded["private"]),
    )


@pytest.fixture(scope="module")
def context() -> dict[str, Any]:
    secrets = {name: value(recorded) for name, recorded in RECORDED["secrets"].items()}
    return {
        "Secrets": secrets,
        "Previous": {"Secrets": {name: secrets[name] for name in RECORDED["previous"]}},
        "MarbleRun": {name: value(recorded) for name, recorded in RECORDED["marbleRun"].items()},
    }


def rendered(text: str, context: dict[str, Any]) -> bytes | None:
    try:
        return Template.parse(text.encode(), Place.FILE).render(context, Place.FILE)
    except TemplateError:
        return None


def expected(case: dict[str, Any]) -> bytes | None:
    if "base64" in case:
        return base64.b64decode(case["base64"])
    return case["text"].encode() if "text" in case else None


def test_every_template_renders_as_go_rendered_it_or_is_refused_as_go_refused_it(context: dict[str, Any]) -> None:
    cases = RECORDED["cases"]
    assert len(cases) > 900
    wrong = [case["template"] for case in cases if rendered(case["template"], context) != expected(case)]
    assert not wrong


def test_what_is_not_rendered_as_in_go_is_refused_with_the_reason(context: dict[str, Any]) -> None:
    for text in RECORDED["not_rendered"]:
        with pytest.raises(TemplateError) as refused:
            Template.parse(text.encode(), Place.FILE).render(context, Place.FILE)
        assert any(reason in refused.value.message for reason in REASONS), (text, refused.value.message)
