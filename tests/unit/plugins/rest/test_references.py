"""References of a batch: what earlier answers said, in bodies and paths."""

from __future__ import annotations

from decimal import Decimal

import pytest

from qapla.errors import QueryError
from qapla.plugins.rest.parts import print_json
from qapla.plugins.rest.references import Answers, fill_body, fill_path


@pytest.fixture
def answers() -> Answers:
    """Give the answers to three requests."""
    found = Answers()
    found.add("1", b'[{"id": 7, "name": "a,b\\"c", "price": 1.10, "a.b": {"x": [1, {"y": true}]}, "none": null}]')
    found.add("two", b'[{"id": 1}, {"id": 2}]')
    found.add("3", None)
    return found


@pytest.mark.parametrize(
    ("body", "filled"),
    [
        ({"$ref": "1.id"}, 7),
        ({"$ref": "1.0.id"}, 7),
        ({"$ref": "two.1.id"}, 2),
        ({"$ref": '1."a.b".x.1.y'}, True),
        ({"$ref": "1.none"}, None),
        ([{"a": {"$ref": "1.price"}}, "$ref"], [{"a": Decimal("1.10")}, "$ref"]),
        ({"$ref": "1.id", "more": 1}, {"$ref": "1.id", "more": 1}),
        ({"$literal": {"$ref": "1.id"}}, {"$ref": "1.id"}),
    ],
)
def test_fills_a_body(answers: Answers, body: object, filled: object) -> None:
    """An object with nothing but ``$ref`` is a reference; ``$literal`` is left as it is."""
    assert fill_body(body, answers) == filled


@pytest.mark.parametrize(
    ("path", "filled"),
    [
        ("/t/{$ref:1.id}", "/t/7"),
        ("/t/{$ref:1.name},{$ref:1.id}", "/t/%22a%2Cb%5C%22c%22,7"),
        ("/t?name=eq.{$ref:1.name}", "/t?name=eq.a%2Cb%22c"),
        ("/t?name=in.(x,{$ref:1.name},{$ref:1.id})", "/t?name=in.(x,%22a%2Cb%5C%22c%22,7)"),
        ('/t?or=(a.eq."{$ref:1.name}")&b=eq.{$ref:1.price}', '/t?or=(a.eq."a%2Cb%5C%22c")&b=eq.1.10'),
        ('/t?a=in.(1)&b=eq.{$ref:1."a.b".x.1.y}', "/t?a=in.(1)&b=eq.true"),
        ("/t?a=eq.%7B$ref:1.id}", "/t?a=eq.%7B$ref:1.id}"),
    ],
)
def test_fills_a_path(answers: Answers, path: str, filled: str) -> None:
    """A value cannot end the place that it stands in: it is encoded, and quoted where the language quotes."""
    assert fill_path(path, answers) == filled


@pytest.mark.parametrize("reference", ["4.id", "3.id", "two.id", "two.2.id", "1.nope", "1.id.x", "", ".", "1.", '1."id', "two.0.", "1..id"])
def test_refuses_what_leads_nowhere(answers: Answers, reference: str) -> None:
    """400 PGRST102."""
    with pytest.raises(QueryError) as refused:
        fill_body({"$ref": reference}, answers)

    assert refused.value.code == "PGRST102"


@pytest.mark.parametrize("reference", ["1.none", "two", '1."a.b"'])
def test_puts_one_value_into_a_path(answers: Answers, reference: str) -> None:
    """NULL, lists and objects are refused."""
    with pytest.raises(QueryError):
        fill_path(f"/t?a=eq.{{$ref:{reference}}}", answers)


def test_prints_numbers_exactly() -> None:
    """Digits are kept, text is ASCII, whatever is in it."""
    value = [10**30, Decimal("0.10"), Decimal("-0"), Decimal("1E+40"), "é\ud800", None, True, {"a": []}]

    assert print_json(value) == '[1000000000000000000000000000000,0.10,-0,1E+40,"\\u00e9\\ud800",null,true,{"a":[]}]'
