"""The URL language: text becomes a Query, or an error with its place."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qapla.database.query.description import (
    ALL_COLUMNS,
    Aggregate,
    And,
    Compare,
    Embed,
    Exists,
    Field,
    Not,
    Or,
    Order,
    Path,
    Query,
    Selection,
    Window,
)
from qapla.database.query.lookups import OPERATORS
from qapla.database.schema.description import TableName
from qapla.errors import InputError, QueryError, TooLarge
from qapla.plugins.rest.language import Limits, parse, parse_query
from qapla.plugins.rest.printing import print_query

ORDERS = TableName(None, "orders")


def where(text: str) -> object:
    """Return the condition that the query string asks for."""
    return parse_query(text, ORDERS).where


def compare(column: str, operator: str, operand: object, **more: object) -> Compare:
    """Return a comparison of a plain column."""
    return Compare(Path(column), operator, operand, **more)  # type: ignore[arg-type]


class TestSelect:
    """select="""

    @pytest.mark.parametrize(
        ("text", "item"),
        [
            ("*", Field(Path("*"))),
            ("id", Field(Path("id"))),
            ("first name", Field(Path("first name"))),
            ("a-b", Field(Path("a-b"))),
            ('"a,b"', Field(Path("a,b"))),
            (r'"say \"x\""', Field(Path('say "x"'))),
            ("total:amount", Field(Path("amount"), alias="total")),
            ("amount::text", Field(Path("amount"), "text")),
            ("t:amount::double precision", Field(Path("amount"), "double precision", "t")),
            ("data->a->>b", Field(Path("data", ("a", "b"), as_text=True))),
            ("data->0->-1", Field(Path("data", (0, -1)))),
            ('data->"0"', Field(Path("data", ("0",)))),
            ("data->>a::int", Field(Path("data", ("a",), as_text=True), "int")),
            ("count()", Aggregate("count")),
            ("n:count()::text", Aggregate("count", cast="text", alias="n")),
            ("amount.sum()", Aggregate("sum", Path("amount"))),
            ("s:amount::int.avg()::text", Aggregate("avg", Path("amount"), "int", "text", "s")),
            ("client(name)", Embed("client", select=Selection((Field(Path("name")),)))),
            ("c:client!fk!inner(*)", Embed("client", "fk", "c", "inner", select=ALL_COLUMNS)),
            ("client!inner!fk()", Embed("client", "fk", None, "inner", select=Selection(()))),
            ("client!left(id)", Embed("client", select=Selection((Field(Path("id")),)))),
            ('client!"inner"(id)', Embed("client", "inner", select=Selection((Field(Path("id")),)))),
            ("...client(name)", Embed("client", spread=True, select=Selection((Field(Path("name")),)))),
            ('"count"(id)', Embed("count", select=Selection((Field(Path("id")),)))),
        ],
    )
    def test_reads_each_kind_of_item(self, text: str, item: object) -> None:
        """Columns, casts, JSON paths, aggregates, embeds, spreads, each with an alias."""
        query = parse_query(f"select={quote(text)}", ORDERS)

        assert query.select.items == (item,)

    def test_selects_no_column_when_empty(self) -> None:
        """``select=`` asks for rows without columns, no ``select`` for all of them."""
        assert parse_query("select=", ORDERS).select == Selection(())
        assert parse_query("", ORDERS).select == ALL_COLUMNS

    def test_nests_embeds(self) -> None:
        """An embed has a selection of its own."""
        query = parse_query("select=id,client(id,city(name))", ORDERS)

        city = query.select.embeds[0].select.embeds[0]  # type: ignore[union-attr]
        assert city.relation == "city"


class TestFilters:
    """column=operator.value"""

    @pytest.mark.parametrize(
        ("text", "condition"),
        [
            ("a=eq.1", compare("a", "eq", "1")),
            ('a=eq."1"', compare("a", "eq", '"1"')),
            ("a=eq.", compare("a", "eq", "")),
            ("a=eq.x.y=z", compare("a", "eq", "x.y=z")),
            ("a=not.eq.1", Not(compare("a", "eq", "1"))),
            ("a=is.NULL", compare("a", "is", "null")),
            ("a=is.not_null", Not(compare("a", "is", "null"))),
            ("a=not.is.not_null", compare("a", "is", "null")),
            ('a=in.(1,"2,3",)', compare("a", "in", ("1", "2,3", ""))),
            ("a=in.()", compare("a", "in", ())),
            ('a=like(any).{a*,"b,c"}', compare("a", "like", ("a*", "b,c"), quantifier="any")),
            ("a=not.eq(all).{}", Not(compare("a", "eq", (), quantifier="all"))),
            ("a=fts(german).kuh", compare("a", "fts", "kuh", argument="german")),
            ("data->>a=eq.1", Compare(Path("data", ("a",), as_text=True), "eq", "1")),
            ('"order"=eq.1', compare("order", "eq", "1")),
            ('"select"=eq.1', compare("select", "eq", "1")),
            ("a=eq.1&a=eq.2", And((compare("a", "eq", "1"), compare("a", "eq", "2")))),
            ("or=(a.eq.1,b.eq.2)", Or((compare("a", "eq", "1"), compare("b", "eq", "2")))),
            ("not.and=(a.eq.1)", Not(And((compare("a", "eq", "1"),)))),
            (
                "or=(a.eq.1, not.and(b.is.null,c.gt.3))",
                Or((compare("a", "eq", "1"), Not(And((compare("b", "is", "null"), compare("c", "gt", "3")))))),
            ),
            (
                'or=(a.in.(1,2),b.eq."x,y",c.cs.{1,2})',
                Or((compare("a", "in", ("1", "2")), compare("b", "eq", "x,y"), compare("c", "cs", "{1,2}"))),
            ),
            ("or=(and.eq.1,not.eq.2)", Or((compare("and", "eq", "1"), compare("not", "eq", "2")))),
        ],
    )
    def test_reads_each_form(self, text: str, condition: object) -> None:
        """Operators, negations, lists, quantifiers, groups."""
        encoded = "&".join(f"{quote(key)}={quote(value)}" for key, value in (pair.split("=", 1) for pair in text.split("&")))

        assert where(encoded) == condition

    @pytest.mark.parametrize("operator", sorted(set(OPERATORS) - {"in", "is"}))
    def test_knows_every_operator_of_the_table(self, operator: str) -> None:
        """What ``lookups.OPERATORS`` lists can be written in a URL."""
        assert where(f"a={operator}.x") == compare("a", operator, "x")

    def test_gives_filters_to_embeds(self) -> None:
        """``client.name=eq.x`` filters the rows inside."""
        query = parse_query("select=*,c:client(*)&c.name=eq.x&c.or=(a.eq.1,b.eq.2)&c.order=name&c.limit=3&client.offset=2", ORDERS)

        embed = query.select.embeds[0]
        assert embed.where == And((compare("name", "eq", "x"), Or((compare("a", "eq", "1"), compare("b", "eq", "2")))))
        assert embed.order == (Order(Path("name")),)
        assert embed.window == Window(3, 2)

    def test_reads_null_of_an_embed_as_its_absence(self) -> None:
        """``client=is.null`` asks for rows without a client, also inside or()."""
        assert where("select=*,client()&client=is.null") == Not(Exists("client"))
        assert where("select=*,client()&client=not.is.null") == Exists("client")
        assert where("select=*,client()&or=(client.not.is.null,a.eq.1)") == Or((Exists("client"), compare("a", "eq", "1")))
        assert where("client=is.null") == compare("client", "is", "null")


class TestOrderAndWindow:
    """order=, limit=, offset="""

    def test_reads_terms(self) -> None:
        """Direction, nulls, an embedded column, a JSON path."""
        query = parse_query("order=a,b.desc,c.asc.nullsfirst,client(name).desc.nullslast,data->x.desc", ORDERS)

        assert query.order == (
            Order(Path("a")),
            Order(Path("b"), True),
            Order(Path("c"), nulls="first"),
            Order(Path("name"), True, "last", "client"),
            Order(Path("data", ("x",)), True),
        )

    def test_takes_the_narrowest_window(self) -> None:
        """Several limits mean the smallest, several offsets the largest."""
        assert parse_query("limit=5&limit=3&offset=1&offset=2", ORDERS).window == Window(3, 2)

    @pytest.mark.parametrize("text", ["limit=-1", "offset=-5"])
    def test_refuses_a_negative_count_as_postgrest_does(self, text: str) -> None:
        """A range that cannot be is 416 PGRST103."""
        with pytest.raises(QueryError) as caught:
            parse_query(text, ORDERS)

        assert (caught.value.status, caught.value.code) == (416, "PGRST103")


class TestErrors:
    """Whatever is malformed is refused with its place."""

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("select=a,,b", "(line 1, column 3)"),
            ("select=a(b", "(line 1, column 4)"),
            ("select=a:b:c", "(line 1, column 4)"),
            ("select=data->>a->b", "(line 1, column 9)"),
            ("select=a.median()", "(line 1, column 3)"),
            ('select="a', "(line 1, column 3)"),
            ("a=foo.1", "(line 1, column 1)"),
            ("a=eq", "(line 1, column 1)"),
            ("a=is.maybe", "(line 1, column 4)"),
            ("a=in.1", "(line 1, column 4)"),
            ("a=in.(1,2", "(line 1, column 8)"),
            ("a=in.(1)x", "(line 1, column 7)"),
            ("a=in(any).(1)", "(line 1, column 3)"),
            ("a=eq(any).{NULL}", "(line 1, column 10)"),
            ("or=(a.eq.1", "(line 1, column 8)"),
            ("or=()", "(line 1, column 2)"),
            ("or=a.eq.1", "(line 1, column 1)"),
            ("order=a.up", "(line 1, column 2)"),
            ("order=", "(line 1, column 1)"),
            ("limit=ten", "(line 1, column 1)"),
            ("=eq.1", "(line 1, column 1)"),
            ("columns=a,,b", "(line 1, column 3)"),
        ],
    )
    def test_names_the_place(self, text: str, place: str) -> None:
        """PGRST100, and the column of the text."""
        with pytest.raises(QueryError) as caught:
            parse(text, ORDERS)

        assert (caught.value.status, caught.value.code) == (400, "PGRST100")
        assert place in caught.value.message

    @pytest.mark.parametrize(
        "text", ["a=eq.%ff", "a=eq.%zz", "a=eq.%4", "%c3=eq.1", "select", "select=a&select=b", "order=a&order=b", "limit=" + "9" * 30]
    )
    def test_refuses_what_it_cannot_decode_or_would_have_to_ignore(self, text: str) -> None:
        """Bad percent-encoding, no value, a parameter twice."""
        with pytest.raises(QueryError):
            parse_query(text, ORDERS)

    def test_refuses_parameters_of_an_embed_that_is_not_there(self) -> None:
        """PGRST108."""
        with pytest.raises(QueryError) as caught:
            parse_query("client.name=eq.x", ORDERS)

        assert caught.value.code == "PGRST108"

    def test_refuses_parameters_of_writes_in_a_read(self) -> None:
        """They are never ignored."""
        with pytest.raises(QueryError, match="columns"):
            parse_query("columns=a", ORDERS)

        assert parse("columns=a,%22b%20c%22&on_conflict=id", ORDERS).columns == ("a", "b c")

    def test_limits_depth(self) -> None:
        """Embeds and groups go as deep as the connection allows, 400 beyond."""
        limits = Limits(filter_depth=3, embed_depth=2)
        parse("select=a(b(c))&and=(or(and(a.eq.1)))", ORDERS, limits)

        for text in ("select=a(b(c(d)))", "and=(or(and(or(a.eq.1))))"):
            with pytest.raises(TooLarge) as caught:
                parse(text, ORDERS, limits)
            assert caught.value.status == 400

    @settings(max_examples=200, deadline=None)
    @given(st.text(st.sampled_from('abc.,:()!*"\\->{}=&% 10+orselectandnotineqis'), max_size=60) | st.text(max_size=30))
    def test_ends_with_a_query_or_an_error(self, text: str) -> None:
        """No text breaks the parser."""
        try:
            found: object = parse(text, ORDERS).query
        except InputError as error:
            found = error

        assert isinstance(found, Query) or found.status in (400, 413, 414, 416)  # type: ignore[attr-defined]


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
names |= st.sampled_from(["order", "not", "and", "select", "a b", "0", "*"])
columns = names.filter(lambda name: name != "*")
paths = st.builds(
    lambda column, steps, as_text: Path(column, steps, as_text and bool(steps)),
    columns,
    st.lists(names | st.integers(-99, 99), max_size=2).map(tuple),
    st.booleans(),
)
casts = st.none() | st.sampled_from(["text", "double precision", "int4"])
aliases = st.none() | names
values = st.text(max_size=8)
plain_operators = st.sampled_from(sorted(set(OPERATORS) - {"in", "is"}))
comparisons = st.one_of(
    st.builds(Compare, paths, plain_operators, values),
    st.builds(lambda path, operand: Compare(path, "in", operand), paths, st.lists(values, max_size=3).map(tuple)),
    st.builds(lambda path, operand: Compare(path, "is", operand), paths, st.sampled_from(["null", "true", "false", "unknown"])),
    st.builds(
        lambda path, operand, quantifier: Compare(path, "like", operand, quantifier),
        paths,
        st.lists(values, max_size=3).map(tuple),
        st.sampled_from(["any", "all"]),
    ),
    st.builds(lambda path: Compare(path, "fts", "x", argument="english"), paths),
)
literals = comparisons | comparisons.map(Not)
conditions = st.recursive(
    literals,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(tuple).flatmap(lambda parts: st.sampled_from([And(parts), Or(parts), Not(Or(parts))]))
    ),
    max_leaves=5,
)
orders = st.lists(st.builds(Order, paths, st.booleans(), st.sampled_from([None, "first", "last"]), st.none() | columns), max_size=2).map(
    tuple
)
windows = st.builds(Window, st.none() | st.integers(0, 100), st.integers(0, 100))
fields = (
    st.builds(Field, paths, casts, aliases)
    | st.builds(Aggregate, st.sampled_from(["sum", "max"]), paths, casts, casts, aliases)
    | st.builds(lambda cast, alias: Aggregate("count", cast=cast, alias=alias), casts, aliases)
)


def has_null_of(condition: object, names: set[str]) -> bool:
    """Tell whether a condition would read as one on an embed."""
    if isinstance(condition, Compare):
        return condition.operator == "is" and condition.path.column in names
    if isinstance(condition, (And, Or)):
        return any(has_null_of(part, names) for part in condition.parts)
    return isinstance(condition, Not) and has_null_of(condition.part, names)


@st.composite
def embeds(draw: st.DrawFn, depth: int = 1) -> Embed:
    """Make an embed with all that a URL can say about it."""
    spread = draw(st.booleans())
    select = draw(selections(depth - 1))
    return Embed(
        draw(columns), draw(st.none() | columns), None if spread else draw(aliases), draw(st.sampled_from(["left", "inner"])), spread,
        select, draw(st.none() | conditions.filter(lambda c: not has_null_of(c, embed_names(select)))), draw(orders), draw(windows),
    )  # fmt: skip


def embed_names(select: Selection) -> set[str]:
    """Return every name under which an embed can be addressed."""
    return {name for embed in select.embeds for name in (embed.alias, embed.relation) if name}


@st.composite
def selections(draw: st.DrawFn, depth: int = 2) -> Selection:
    """Make a selection whose embeds have different names."""
    items = draw(st.lists(fields if depth <= 0 else fields | embeds(depth), max_size=3))
    seen: set[str] = set()
    kept = []
    for item in items:
        if isinstance(item, Embed):
            mine = {name for name in (item.alias, item.relation) if name}
            if mine & seen:
                continue
            seen |= mine
        kept.append(item)
    return Selection(tuple(kept))


@st.composite
def queries(draw: st.DrawFn) -> Query:
    """Make a query that the language can say."""
    select = draw(selections())
    where = draw(st.none() | conditions.filter(lambda c: not has_null_of(c, embed_names(select))))
    if select.embeds and draw(st.booleans()):
        exists = Exists(select.embeds[0].alias or select.embeds[0].relation)
        where = draw(st.sampled_from([exists, Not(exists)]))
    return Query(ORDERS, select, where, draw(orders), draw(windows))


class TestPrint:
    """print_query"""

    @settings(max_examples=150, deadline=None)
    @given(queries())
    def test_is_the_inverse_of_parse(self, query: Query) -> None:
        """What is printed reads back as the same query, whatever the names and values."""
        text = print_query(query)

        assert parse_query(text, ORDERS) == query
        assert text.isascii()
        assert not set(text) & set(' "<>#+{}')
