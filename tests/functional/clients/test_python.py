"""The Python client ``postgrest``, sync and async, through its documentation: the same answers on every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from postgrest import APIError, CountMethod
from postgrest.types import ReturnMethod

if TYPE_CHECKING:
    from collections.abc import Callable

Ask = Any


@pytest.fixture
def ask(orchestra: Any, asking: Callable[..., Any]) -> Ask:
    """Return ``ask(question)``: what the client answers to the question that a function of it makes."""
    return lambda question, **options: asking(orchestra.url, question, **options)


def names(answer: Any) -> list[str]:
    return [row["name"] for row in answer.data]


# -- select -------------------------------------------------------------------


def test_selects_everything(ask: Ask) -> None:
    """Without columns all of them come, in a list of dictionaries."""
    found = ask(lambda client: client.from_("teams").select("*").order("id"))

    assert (found.data, found.count) == ([{"id": 1, "name": "Green"}, {"id": 2, "name": "Blue"}], None)


def test_selects_columns(ask: Ask) -> None:
    """Columns can be named, renamed and cast."""
    found = ask(lambda client: client.table("countries").select("id::text", "name", "inhabitants: people").eq("id", 2))

    assert found.data == [{"id": "2", "name": "Bhutan", "inhabitants": 780000}]


EMBEDS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "to many": (
        lambda c: c.from_("orchestral_sections").select("name, instruments(name)").order("id").order("id", foreign_table="instruments"),
        [
            {"name": "strings", "instruments": [{"name": "violin"}, {"name": "viola"}]},
            {"name": "woodwinds", "instruments": [{"name": "flute"}]},
            {"name": "percussion", "instruments": []},
        ],
    ),
    "to one": (
        lambda c: c.from_("instruments").select("name, section:orchestral_sections(name)").gte("id", 3).order("id"),
        [{"name": "flute", "section": {"name": "woodwinds"}}, {"name": "theremin", "section": None}],
    ),
    "through a junction": (
        lambda c: c.from_("users").select("name, teams(name)").order("id").order("name", foreign_table="teams"),
        [
            {"name": "Ada", "teams": [{"name": "Blue"}, {"name": "Green"}]},
            {"name": "Grace", "teams": [{"name": "Green"}]},
            {"name": "Joan", "teams": []},
        ],
    ),
    "twice by two keys": (
        lambda c: c.from_("messages").select("content, from:users!messages_sender_fkey(name), to:users!receiver_id(name)").eq("id", 1),
        [{"content": "Hello", "from": {"name": "Ada"}, "to": {"name": "Grace"}}],
    ),
    "nested": (
        lambda c: c.from_("teams").select("name, users(name, messages!messages_sender_fkey(content))").eq("id", 2),
        [{"name": "Blue", "users": [{"name": "Ada", "messages": [{"content": "Hello"}, {"content": "Note to self"}]}]}],
    ),
    "inner, filtered": (
        lambda c: c.from_("instruments").select("name, orchestral_sections!inner(name)").eq("orchestral_sections.name", "woodwinds"),
        [{"name": "flute", "orchestral_sections": {"name": "woodwinds"}}],
    ),
    "filtered": (
        lambda c: c.from_("orchestral_sections").select("name, instruments(name)").eq("instruments.name", "flute").order("id").limit(2),
        [{"name": "strings", "instruments": []}, {"name": "woodwinds", "instruments": [{"name": "flute"}]}],
    ),
    "spread": (
        lambda c: c.from_("cities").select("name, ...countries(country:name)").eq("id", 3),
        [{"name": "Thimphu", "country": "Bhutan"}],
    ),
    "limited": (
        lambda c: (
            c.from_("countries").select("name, cities(name)").eq("id", 1).order("id", desc=True, foreign_table="cities").limit(
                1, foreign_table="cities"
            )
        ),
        [{"name": "Austria", "cities": [{"name": "Graz"}]}],
    ),
    "ranged": (
        lambda c: (
            c.from_("countries").select("name, cities(name)").eq("id", 1).order("id", foreign_table="cities").range(
                1, 1, foreign_table="cities"
            )
        ),
        [{"name": "Austria", "cities": [{"name": "Graz"}]}],
    ),
    "counted": (
        lambda c: c.from_("countries").select("name, cities(count)").lte("id", 2).order("id"),
        [{"name": "Austria", "cities": [{"count": 2}]}, {"name": "Bhutan", "cities": [{"count": 1}]}],
    ),
    "any of, in the embedded": (
        lambda c: c.from_("countries").select("name, cities(name)").eq("id", 1).or_("id.eq.2,founded.is.null", reference_table="cities"),
        [{"name": "Austria", "cities": [{"name": "Graz"}]}],
    ),
    "null filter": (lambda c: c.from_("countries").select("name, cities()").is_("cities", None), [{"name": 'Côte d\'Ivoire, "RCI"'}]),
}


@pytest.mark.parametrize("case", EMBEDS)
def test_embeds(ask: Ask, case: str) -> None:
    """Related rows come inside their row."""
    question, expected = EMBEDS[case]

    assert ask(question).data == expected


def test_json_paths(ask: Ask) -> None:
    """Arrows step into JSON, in columns, filters and orders."""
    found = ask(
        lambda client: (
            client.from_("users")
            .select("city:address->>city", "code:address->postcode", "address->tags->>0")
            .eq("address->>city", "London")
            .order("address->>city")
        )
    )

    assert found.data == [{"city": "London", "code": 90210, "tags": "math"}]


def test_aggregates(ask: Ask) -> None:
    """Aggregates group by the columns beside them."""
    found = ask(lambda c: c.from_("instruments").select("section_id, count(), last:id.max()").order("section_id", nullsfirst=True))

    assert found.data == [
        {"section_id": None, "count": 1, "last": 4},
        {"section_id": 1, "count": 2, "last": 2},
        {"section_id": 2, "count": 1, "last": 3},
    ]


@pytest.mark.parametrize("method", list(CountMethod))
def test_counts(ask: Ask, method: CountMethod) -> None:
    """A count of each kind is a number; the exact one is right."""
    found = ask(lambda client: client.from_("countries").select("id", count=method).limit(1))

    assert len(found.data) == 1
    assert found.count == 4 if method == "exact" else found.count >= 1


def test_counts_by_head(ask: Ask) -> None:
    """A HEAD gives the count alone."""
    found = ask(lambda client: client.from_("countries").select("*", count=CountMethod.exact, head=True).gt("people", 1000000))

    assert (found.data, found.count) == ([], 2)


def test_csv(ask: Ask) -> None:
    """CSV comes as text."""
    found = ask(lambda client: client.from_("teams").select("*").order("id").csv())

    assert found.data.splitlines() == ["id,name", "1,Green", "2,Blue"]


def test_single(ask: Ask) -> None:
    """One row comes as an object."""
    found = ask(lambda client: client.from_("teams").select("name").eq("id", 1).single())

    assert found.data == {"name": "Green"}


def test_single_of_none_or_many(ask: Ask) -> None:
    """No row, or two, where one is wanted are the client's error PGRST116."""
    for question in (lambda c: c.from_("teams").select("*").single(), lambda c: c.from_("teams").select("*").eq("id", 9).single()):
        with pytest.raises(APIError) as caught:
            ask(question)

        assert (caught.value.code, caught.value.message) == ("PGRST116", "Cannot coerce the result to a single JSON object")


def test_maybe_single(ask: Ask) -> None:
    """At most one row: it, or None."""
    one = ask(lambda client: client.from_("teams").select("name").eq("id", 2).maybe_single())
    none = ask(lambda client: client.from_("teams").select("name").eq("id", 9).maybe_single())

    assert (one.data, none) == ({"name": "Blue"}, None)


def test_strip_nulls(ask: Ask) -> None:
    """Nulls can be left out of rows."""
    found = ask(lambda client: client.from_("instruments").select("name, section_id").gte("id", 3).order("id").strip_nulls())

    assert found.data == [{"name": "flute", "section_id": 2}, {"name": "theremin"}]


# -- filters ------------------------------------------------------------------

FILTERS: dict[str, tuple[Callable[[Any], Any], list[int]]] = {
    "eq": (lambda q: q.eq("name", "Chile"), [3]),
    "eq, odd text": (lambda q: q.eq("name", 'Côte d\'Ivoire, "RCI"'), [4]),
    "neq": (lambda q: q.neq("name", "Chile"), [1, 2, 4]),
    "gt": (lambda q: q.gt("people", 9100000), [3]),
    "gte": (lambda q: q.gte("people", 9100000), [1, 3]),
    "lt": (lambda q: q.lt("people", 9100000), [2]),
    "lte": (lambda q: q.lte("people", 9100000), [1, 2]),
    "like": (lambda q: q.like("name", "%hutan%"), [2]),
    "like, other case": (lambda q: q.like("name", "%HUTAN%"), []),
    "like all": (lambda q: q.like_all_of("name", "%h%,%n"), [2]),
    "like any": (lambda q: q.like_any_of("name", "A%,C%"), [1, 3, 4]),
    "ilike": (lambda q: q.ilike("name", "%HUTAN%"), [2]),
    "ilike all": (lambda q: q.ilike_all_of("name", "%H%,%N"), [2]),
    "ilike any": (lambda q: q.ilike_any_of("name", "a%,c%"), [1, 3, 4]),
    "is null": (lambda q: q.is_("people", None), [4]),
    "is null as text": (lambda q: q.is_("people", "null"), [4]),
    "not is null": (lambda q: q.not_.is_("people", None), [1, 2, 3]),
    "not eq": (lambda q: q.not_.eq("continent", "Asia"), [1, 3, 4]),
    "in": (lambda q: q.in_("id", [1, 3]), [1, 3]),
    "in, odd texts": (lambda q: q.in_("name", ["Austria", 'Côte d\'Ivoire, "RCI"']), [1, 4]),
    "in, nothing": (lambda q: q.in_("id", []), []),
    "not in": (lambda q: q.not_.in_("id", [1, 3]), [2, 4]),
    "filter": (lambda q: q.filter("name", "in", "(Bhutan,Chile)"), [2, 3]),
    "match": (lambda q: q.match({"continent": "Asia", "iso2": "BT"}), [2]),
    "or": (lambda q: q.or_("id.eq.2,name.eq.Austria"), [1, 2]),
    "or with and": (lambda q: q.or_("id.gt.3,and(id.eq.1,name.eq.Austria)"), [1, 4]),
    "not or": (lambda q: q.not_.or_("id.eq.2,name.eq.Austria"), [3, 4]),
    "two on one column": (lambda q: q.gt("id", 1).lt("id", 4), [2, 3]),
    "isdistinct": (lambda q: q.filter("people", "isdistinct", "780000"), [1, 3, 4]),
}


@pytest.mark.parametrize("case", FILTERS)
def test_filters(ask: Ask, case: str) -> None:
    """Each filter of the client finds the rows that its name promises."""
    add, expected = FILTERS[case]

    found = ask(lambda client: add(client.from_("countries").select("id")).order("id"))

    assert [row["id"] for row in found.data] == expected


def test_filters_booleans(ask: Ask) -> None:
    """True, False and unknown are told apart on every engine."""
    for value, expected in ((True, ["Ada"]), (False, ["Grace"]), ("unknown", ["Joan"])):
        assert names(ask(lambda client, value=value: client.from_("users").select("name").is_("is_active", value))) == expected


def test_filters_of_other_engines(ask: Ask, orchestra: Any) -> None:
    """Arrays, ranges and full text work on PostgreSQL."""
    if orchestra.engine != "postgresql":
        with pytest.raises(APIError) as caught:
            ask(lambda client: client.from_("countries").select("id").range_gt("name", (1, 2)))
        assert caught.value.code == "QAPLA100"
        return
    during = ("2000-01-01 13:00", "2000-01-01 13:30")
    cases: list[tuple[str, Callable[[Any], Any], list[int]]] = [
        ("issues", lambda q: q.contains("tags", ["is:open", "a, b"]), [1]),
        ("issues", lambda q: q.contained_by("tags", ["is:closed", "x"]), [2, 3]),
        ("issues", lambda q: q.overlaps("tags", ["is:closed", "is:open"]), [1, 2]),
        ("users", lambda q: q.contains("address", {"postcode": 90210}), [1]),
        ("reservations", lambda q: q.range_gt("during", during), [2]),
        ("reservations", lambda q: q.range_gte("during", ("2000-01-01 12:59", "2000-01-01 13:30")), [1, 2]),
        ("reservations", lambda q: q.range_lt("during", ("2000-01-02", "2000-01-03")), [1]),
        ("reservations", lambda q: q.range_lte("during", ("2000-01-01", "2000-01-02")), [1]),
        ("reservations", lambda q: q.range_adjacent("during", ("2000-01-01 12:00", "2000-01-01 13:00")), [1]),
        ("reservations", lambda q: q.overlaps("during", "[2000-01-01 12:45, 2000-01-01 13:15]"), [1]),
        ("texts", lambda q: q.text_search("content", "'eggs' & 'ham'", {"config": "english"}), [1]),
        ("texts", lambda q: q.text_search("content", "fat cats", {"type": "plain", "config": "english"}), [2]),
        ("texts", lambda q: q.text_search("content", "cat sat", {"type": "phrase"}), [2]),
        ("texts", lambda q: q.text_search("content", "eggs or cat -mat", {"type": "web_search", "config": "english"}), [1]),
    ]
    for table, add, expected in cases:
        found = ask(lambda client, table=table, add=add: add(client.from_(table).select("id")).order("id"))
        assert [row["id"] for row in found.data] == expected, (table, expected)


# -- order and window ---------------------------------------------------------


def test_orders(ask: Ask) -> None:
    """Rows are ordered by several columns, NULLs where they are wanted, and by a related row."""
    by_two = ask(lambda c: c.from_("countries").select("name").order("people", desc=True, nullsfirst=True).order("id").limit(2))
    by_related = ask(lambda c: c.from_("cities").select("name, countries(name)").order("countries(name)", desc=True).order("id").limit(2))

    assert names(by_two) == ['Côte d\'Ivoire, "RCI"', "Chile"]
    assert names(by_related) == ["Santiago", "Thimphu"]


def test_limits(ask: Ask) -> None:
    """limit, offset and range cut a window out of the rows."""
    assert names(ask(lambda c: c.from_("cities").select("name").order("id").limit(2))) == ["Vienna", "Graz"]
    assert names(ask(lambda c: c.from_("cities").select("name").order("id").limit(1).offset(2))) == ["Thimphu"]
    assert names(ask(lambda c: c.from_("cities").select("name").order("id").range(1, 2))) == ["Graz", "Thimphu"]
    assert ask(lambda c: c.from_("cities").select("name", count="exact").order("id").range(2, 5)).count == 4


def test_range_behind_the_end(ask: Ask) -> None:
    """A window behind the last row is PGRST103 when rows are counted, as with PostgREST."""
    with pytest.raises(APIError) as caught:
        ask(lambda c: c.from_("cities").select("name", count="exact").range(20, 29))

    assert caught.value.code == "PGRST103"


def test_schemas(ask: Ask, orchestra: Any) -> None:
    """``schema()`` chooses one; "public", the client's own default, means the default one of each engine."""
    assert names(ask(lambda c: c.schema("public").from_("teams").select("name").eq("id", 1))) == ["Green"]
    if orchestra.engine == "postgresql":
        assert ask(lambda c: c.schema("private").from_("secrets").select("*")).data == [{"id": 1, "word": "swordfish"}]
    with pytest.raises(APIError) as caught:
        ask(lambda c: c.schema("nowhere").from_("teams").select("*"))

    assert caught.value.code == "PGRST106"


# -- writes -------------------------------------------------------------------


def test_inserts(fresh: Any, ask: Ask) -> None:
    """An inserted row comes back with what the database made; NULL is what a bulk leaves out, or its default where that is asked for."""
    one = ask(lambda c: c.from_("countries").insert({"name": "Denmark", "iso2": "DK"}, count="exact"))
    two = [{"id": 21, "name": "Egypt"}, {"id": 22, "name": "Fiji", "continent": "Oceania"}]
    many = ask(lambda c: c.from_("countries").insert(two))
    ragged = [{"id": 23, "name": "Gabon"}, {"id": 24, "name": "Haiti", "people": 1}]
    defaults = ask(lambda c: c.from_("countries").insert(ragged, default_to_null=False))
    nothing = ask(lambda c: c.from_("countries").insert({"id": 25, "name": "Iceland"}, returning=ReturnMethod.minimal))

    assert one.data == [{"id": one.data[0]["id"], "name": "Denmark", "iso2": "DK", "people": None, "continent": "Earth"}]
    assert (one.data[0]["id"] > 4, one.count) == (True, 1)
    assert [row["continent"] for row in many.data] == [None, "Oceania"]
    assert [row["continent"] for row in defaults.data] == ["Earth", "Earth"]
    assert nothing.data == []


def test_inserts_and_selects(fresh: Any, ask: Ask) -> None:
    """What is inserted can be answered with chosen columns and related rows."""
    found = ask(lambda c: c.from_("cities").insert({"id": 30, "country_id": 1, "name": "Linz"}).select("name", "countries(name)").single())

    assert found.data == {"name": "Linz", "countries": {"name": "Austria"}}


def test_upserts(fresh: Any, ask: Ask) -> None:
    """An upsert changes what is there by key or by a unique column, inserts the rest, or leaves what is there alone."""
    by_key = ask(lambda c: c.from_("teams").upsert({"id": 1, "name": "Lime"}))
    many = ask(lambda c: c.from_("teams").upsert([{"id": 2, "name": "Navy"}, {"id": 31, "name": "Red"}], count="exact"))
    by_column = ask(lambda c: c.from_("users").upsert({"handle": "ada", "name": "Countess"}, on_conflict="handle"))
    ignored = ask(lambda c: c.from_("teams").upsert([{"id": 1, "name": "No"}, {"id": 32, "name": "Yes"}], ignore_duplicates=True))
    inserted = ask(lambda c: c.from_("teams").insert({"id": 31, "name": "Rose"}, upsert=True))

    assert by_key.data == [{"id": 1, "name": "Lime"}]
    assert (sorted(names(many)), many.count) == (["Navy", "Red"], 2)
    assert [(row["id"], row["name"]) for row in by_column.data] == [(1, "Countess")]
    assert ignored.data == [{"id": 32, "name": "Yes"}]
    assert inserted.data == [{"id": 31, "name": "Rose"}]


def test_updates(fresh: Any, ask: Ask) -> None:
    """Changed rows come back; JSON goes in and out."""
    changed = ask(lambda c: c.from_("instruments").update({"name": "piano"}, count="exact").eq("section_id", 1))
    json = ask(lambda c: c.from_("users").update({"address": {"street": "Main", "n": [1, None]}}).eq("id", 3).select("address"))
    nothing = ask(lambda c: c.from_("instruments").update({"name": "x"}, returning=ReturnMethod.minimal).eq("id", 4))
    none = ask(lambda c: c.from_("instruments").update({"name": "x"}).eq("id", 99))

    assert (names(changed), changed.count) == (["piano", "piano"], 2)
    assert json.data == [{"address": {"street": "Main", "n": [1, None]}}]
    assert (nothing.data, none.data) == ([], [])


def test_deletes(fresh: Any, ask: Ask) -> None:
    """Removed rows come back, or their number."""
    one = ask(lambda c: c.from_("messages").delete().eq("id", 3))
    many = ask(lambda c: c.from_("messages").delete(count="exact", returning=ReturnMethod.minimal).in_("id", [1, 2]))

    assert [row["content"] for row in one.data] == ["Note to self"]
    assert (many.data, many.count) == ([], 2)


def test_max_affected(fresh: Any, ask: Ask) -> None:
    """A change of more rows than allowed is PGRST124, and nothing changes."""
    with pytest.raises(APIError) as caught:
        ask(lambda c: c.from_("instruments").update({"name": "x"}).gt("id", 0).max_affected(2))

    assert caught.value.code == "PGRST124"
    assert names(ask(lambda c: c.from_("instruments").select("name").eq("id", 1))) == ["violin"]


def test_change_without_filter(ask: Ask) -> None:
    """A change of a whole table is refused unless its connection allows it."""
    with pytest.raises(APIError) as caught:
        ask(lambda c: c.from_("teams").delete())

    assert caught.value.code == "QAPLA101"


ERRORS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "unique": (lambda c: c.from_("countries").insert({"name": "x", "iso2": "AT"}), "23505"),
    "foreign key": (lambda c: c.from_("cities").insert({"name": "x", "country_id": 99}), "23503"),
    "foreign key of a removed row": (lambda c: c.from_("countries").delete().eq("id", 1), "23503"),
    "not null": (lambda c: c.from_("countries").insert({"iso2": "XX"}), "23502"),
    "check": (lambda c: c.from_("countries").insert({"name": "x", "people": -1}), "23514"),
    "value": (lambda c: c.from_("countries").select("*").eq("id", "abc"), "22P02"),
    "column": (lambda c: c.from_("countries").select("nothing"), "42703"),
    "column of a body": (lambda c: c.from_("countries").insert({"nothing": 1}), "PGRST204"),
    "table": (lambda c: c.from_("nothing").select("*"), "PGRST205"),
    "relation": (lambda c: c.from_("countries").select("teams(*)"), "PGRST200"),
    "ambiguous relation": (lambda c: c.from_("messages").select("users(*)"), "PGRST201"),
    "language": (lambda c: c.from_("countries").select("*").filter("id", "almost", "1"), "PGRST100"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(ask: Ask, case: str) -> None:
    """An error is the client's APIError with its code, a message, and nothing else than texts."""
    question, code = ERRORS[case]

    with pytest.raises(APIError) as caught:
        ask(question)

    assert caught.value.code == code
    assert caught.value.message


def test_headers_of_supabase(ask: Ask) -> None:
    """The headers that supabase's client sends besides change nothing."""
    found = ask(lambda c: c.from_("teams").select("name").eq("id", 1), headers={"apikey": "anon", "X-Client-Info": "supabase-py/2"})

    assert names(found) == ["Green"]


def test_token_that_is_not_valid(ask: Ask) -> None:
    """A token that nobody gave out is refused, also where anonymous callers are welcome."""
    with pytest.raises(APIError) as caught:
        ask(lambda c: c.auth("nonsense").from_("teams").select("name"))

    assert caught.value.code == "PGRST301"


# -- functions ----------------------------------------------------------------


def test_calls(fresh: Any, ask: Ask) -> None:
    """A function is called with arguments by name, by POST or GET; what gives nothing back does its work."""
    if fresh.engine == "sqlite":
        with pytest.raises(APIError) as caught:
            ask(lambda c: c.rpc("hello_world", {}))
        assert caught.value.code == "PGRST202"
        return

    assert ask(lambda c: c.rpc("hello_world", {})).data == "Hello world"
    assert ask(lambda c: c.rpc("echo", {"say": "quatsch 👋, \"so\""})).data == "quatsch 👋, \"so\""
    assert ask(lambda c: c.rpc("add_them", {"a": 2, "b": 3})).data == 5
    assert ask(lambda c: c.rpc("add_planet", {"name": "Jakku"})).data in ([], None)
    assert names(ask(lambda c: c.from_("teams").select("name").eq("name", "Jakku"))) == ["Jakku"]
    with pytest.raises(APIError) as caught:
        ask(lambda c: c.rpc("add_them", {"a": 2}))
    assert caught.value.code == "PGRST202"


def test_reads_by_functions(ask: Ask, orchestra: Any) -> None:
    """Rows that a function returns are filtered, ordered, counted and embedded like those of a table."""
    if orchestra.engine != "postgresql":  # the only one with functions that return rows of a table
        with pytest.raises(APIError) as caught:
            ask(lambda c: c.rpc("list_countries", {}))
        assert caught.value.code == "PGRST202"
        return

    rows = ask(lambda c: c.rpc("list_countries", {}).select("name, cities(name)").eq("id", 2))
    one = ask(lambda c: c.rpc("list_countries", {}, get=True).select("name").eq("id", 3).single())
    counted = ask(lambda c: c.rpc("list_countries", {}, count="exact").order("id").limit(2))
    head = ask(lambda c: c.rpc("list_countries", {}, count="exact", head=True))

    assert rows.data == [{"name": "Bhutan", "cities": [{"name": "Thimphu"}]}]
    assert one.data == {"name": "Chile"}
    assert ([row["id"] for row in counted.data], counted.count) == ([1, 2], 4)
    assert head.count == 4
    assert ask(lambda c: c.rpc("add_them", {"a": 2, "b": 3}, get=True)).data == 5
