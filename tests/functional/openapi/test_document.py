"""The OpenAPI document of ugly databases: valid, and true about what is answered."""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from openapi_spec_validator.schemas import openapi_v31_schema_validator

if TYPE_CHECKING:
    from webtest import TestApp

REFERENCE = re.compile(r'"#/components/(\w+)/([^"]+)"')
JSON = {"Accept": "application/json"}


@pytest.fixture
def document(world: TestApp, database: str) -> dict[str, Any]:
    """Give the test the document of each database."""
    return read_document(world, database)


@cache
def read_document(world: TestApp, database: str) -> dict[str, Any]:
    found: dict[str, Any] = world.get(f"/api/{database}/", headers=JSON).json
    return found


def read_integer(text: str) -> int:
    """Return an integer, however many digits it has: Python reads no more than 4300."""
    return int(text[:4000])


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for path in document["paths"].values() for method, item in path.items() if method != "parameters"]


def thin(document: dict[str, Any]) -> dict[str, Any]:
    """Return every eighth path of a document, with what it refers to: the validator takes a second for each hundred operations."""
    paths = copy.deepcopy(dict(list(document["paths"].items())[::8]))
    for item in (each for path in paths.values() for each in path.values() if isinstance(each, dict)):
        for answer in item["responses"].values():
            answer.pop("links", None)  # to operations that are left out
    whole, components = document["components"], {"securitySchemes": document["components"]["securitySchemes"]}
    left = REFERENCE.findall(json.dumps(paths))
    while left:
        kind, name = left.pop()
        if name not in components.setdefault(kind, {}):
            components[kind][name] = whole[kind][name]
            left += REFERENCE.findall(json.dumps(whole[kind][name]))
    return {**document, "paths": paths, "components": components}


def test_validates(document: dict[str, Any]) -> None:
    """Every odd name and type ends in a valid document, which names every table."""
    openapi_v31_schema_validator.validate(document)
    validate(thin(document))

    assert len(document["paths"]) > 40


def test_operations_are_told_apart(document: dict[str, Any]) -> None:
    """No two operations, schemas or parameters are one for a generator, which knows letters in lower case only."""
    identifiers = [item["operationId"].lower() for item in operations(document)]
    schemas = ["".join(filter(str.isalnum, name.lower())) for name in document["components"]["schemas"]]

    assert len(set(identifiers)) == len(identifiers)
    assert len(set(schemas)) == len(schemas)
    assert all(name.replace("_", "").replace("-", "").isalnum() and name.isascii() for name in identifiers)


def test_is_the_same_each_time(world: TestApp, database: str) -> None:
    """The same tables give the same document, also when the one that was kept is gone."""
    from qapla.plugins.rest import openapi

    first = world.get(f"/api/{database}/", headers=JSON).body
    openapi._kept.clear()

    assert world.get(f"/api/{database}/", headers=JSON).body == first


def test_rows_are_as_described(world: TestApp, database: str) -> None:
    """Every cell of every table, NaN and zero dates and bytes in numbers included, is what its schema says."""
    document = read_document(world, database)
    schemas = document["components"]["schemas"]
    wrong, count = [], 0
    for path, item in document["paths"].items():
        answer = item.get("get", {}).get("responses", {}).get("200", {}).get("$ref", "")
        if not answer.endswith(".rows"):
            continue
        found = world.get(f"/api/{database}{path}?limit=20", headers=JSON, expect_errors=True)
        if found.status_int >= 400:
            assert found.status_int < 500 or found.json["code"] == "55000", (path, found.text)  # a view that was never populated
            continue
        if len(found.body) > 1_000_000:
            continue  # a pattern takes seconds for megabytes of hex
        validator = Draft202012Validator(schemas[answer.rsplit("/", 1)[1].removesuffix(".rows")])
        for row in json.loads(found.text, parse_int=read_integer):
            count += 1
            wrong += [f"{path}: {error.json_path} {error.message[:200]}" for error in validator.iter_errors(row)]

    assert wrong == []
    assert count > 50


def test_links_lead_somewhere(world: TestApp) -> None:
    """A link names an operation that is there, and a parameter that it has."""
    document = read_document(world, "postgresql-names")
    components = document["components"]["parameters"]
    known: dict[str, set[str]] = {}
    for path in document["paths"].values():
        for method, item in path.items():
            if method != "parameters":
                named = [*path.get("parameters", []), *item["parameters"]]
                found = [components[each["$ref"].rsplit("/", 1)[1]] if "$ref" in each else each for each in named]
                known[item["operationId"]] = {f"{each['in']}.{each['name']}" for each in found}
    links = [link for item in operations(document) for link in item["responses"].get("200", {}).get("links", {}).values()]

    assert len(links) > 3
    assert [link for link in links if not set(link["parameters"]) <= known.get(link["operationId"], set())] == []
