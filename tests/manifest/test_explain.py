"""A manifest in words: nothing that a program gets, and nothing that proves it, is left out."""

from collections.abc import Callable
from typing import Any

import pytest

from coordinator.manifest.explain import UnknownField, explain, explain_field, explain_text, split_path
from coordinator.manifest.parse import Parsed
from coordinator.manifest.schema import MANIFEST, Schema

Parse = Callable[..., Parsed]


def test_each_marble_is_told_with_proof_starts_and_what_it_gets(document: dict[str, Any], parsed: Parse) -> None:
    words = explain(parsed(document).manifest)
    web, database = words["marbles"]["web"], words["marbles"]["database"]
    assert "firmware 11111111…1111" in web["proof"][0]
    assert "on a platform that is UpToDate" in web["proof"][0]
    assert "at most 3 times" in web["starts"]
    assert web["env"]["KEY"] == "made at each start from secret session"
    assert web["files"]["/etc/web"] == "3 bytes, as they stand in the manifest"
    assert web["network"][0] == "port 8443: TLS, anybody may connect, shows the certificate of secret site"
    assert "security version 2 or later" in database["proof"][0]
    assert "UpToDate or SWHardeningNeeded" in database["proof"][0]
    assert database["starts"] == "without limit"
    assert any("DisableSecretBinding" in always for always in database["always"])


def test_each_secret_is_told_with_its_readers(document: dict[str, Any], parsed: Parse) -> None:
    secrets = explain(parsed(document).manifest)["secrets"]
    assert ["web"] == secrets["session"]["readers"]
    assert "one value for all its readers" in secrets["session"]["is"]
    assert "certificate valid for 30 days" in secrets["site"]["is"]


def test_the_text_has_every_name(document: dict[str, Any], parsed: Parse) -> None:
    text = explain_text(explain(parsed(document).manifest))
    for name in ("web", "database", "session", "site", "/etc/web", "KEY", "8443", "db.example:5432", "UpToDate"):
        assert name in text


def test_values_of_the_document_are_not_shown(document: dict[str, Any], parsed: Parse) -> None:
    document["Marbles"]["web"]["Parameters"]["Env"]["PASSWORD"] = "hunter2"
    assert "hunter2" not in explain_text(explain(parsed(document).manifest))


@pytest.mark.parametrize("path", ["Marbles.web.MaxActivations", "/Marbles/web/MaxActivations"])
def test_a_field_is_explained_by_its_path(path: str) -> None:
    field = explain_field(path)
    assert ("Marbles", "*", "MaxActivations") == field.path
    assert "how often" in field.description.lower()
    assert ("integer",) == field.kinds
    assert "a whole number" in field.text()


def test_a_field_with_fixed_words_lists_them() -> None:
    assert "ProductKey" in explain_field("Config.SealMode").allowed


def test_a_map_of_names_lists_the_fields_of_an_entry() -> None:
    assert "NAME.Package" in explain_field("Marbles").fields


def test_a_list_is_entered_by_number() -> None:
    assert ("TLS", "*", "Incoming", "*", "Port") == explain_field("TLS.door.Incoming.0.Port").path


def test_the_whole_language_is_explained_where_no_path_is_given() -> None:
    assert {"Packages", "Marbles", "Secrets"} <= {name.split(".")[0] for name in explain_field("").fields}


def test_a_path_that_does_not_exist_is_refused_with_what_does() -> None:
    with pytest.raises(UnknownField) as refused:
        explain_field("Marbles.web.MaxActivation")
    assert refused.value.step == "MaxActivation"
    assert "MaxActivations" in refused.value.known


def test_a_pointer_may_have_dots_and_slashes_in_names() -> None:
    assert ("Marbles", "a.b", "/etc/x") == split_path("/Marbles/a.b/~1etc~1x")


def fields(schema: Schema, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    for one in (schema, *schema.get("anyOf", ())):
        for name, child in one.get("properties", {}).items():
            found += fields(child, (*path, name))
        if isinstance(one.get("additionalProperties"), dict):
            found += fields(one["additionalProperties"], (*path, "name"))
        if "items" in one:
            found += fields(one["items"], (*path, "0"))
    return found


@pytest.mark.parametrize("path", fields(MANIFEST), ids="/".join)
def test_every_field_of_the_language_can_be_explained(path: tuple[str, ...]) -> None:
    assert explain_field("/" + "/".join(path)).text()
