"""Conditions: from names and text to columns and operands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.query.description import And, Compare, Exists, Not, Or, Search
from qapla.database.query.lookups import check_kind, get_operator, get_template
from qapla.database.query.operands import check_text, contain_pattern, read_keyword, read_operand
from qapla.database.query.renderers import get_renderer
from qapla.database.query.shape import All, Contains, Negation, Some, Test
from qapla.errors import QueryError, TooLarge, nearest

if TYPE_CHECKING:
    from qapla.database.query.description import Condition
    from qapla.database.query.lookups import Operator
    from qapla.database.query.resolve import Resolver
    from qapla.database.query.shape import AnyTest, HasRows, Ref
    from qapla.database.schema.description import Column, Table

MAX_TESTS = 400  # of one condition; SQLite nests at most 1,000 expressions
MAX_LIST = 10_000  # operands of one ``in``
MAX_WORDS = 10
SEARCHED = frozenset({"text", "enum"})


class ConditionResolver:
    """The conditions on one table of a query."""

    def __init__(self, resolver: Resolver, table: Table, embeds: dict[str, HasRows]) -> None:
        self._resolver = resolver
        self._table = table
        self._embeds = embeds
        self._tests = 0

    def resolve(self, condition: Condition) -> AnyTest:
        """Return *condition* with its names looked up and its operands read.

        Raises:
            TooLarge: it has too many parts.
        """
        self._tests += 1
        if self._tests > MAX_TESTS:
            raise TooLarge(f"a condition has more than {MAX_TESTS} parts", hint="use in.(…) for many values")
        if isinstance(condition, Compare):
            return self._compare(condition)
        if isinstance(condition, And):
            return All(tuple(self.resolve(part) for part in condition.parts))
        if isinstance(condition, Or):
            return Some(tuple(self.resolve(part) for part in condition.parts))
        if isinstance(condition, Not):
            return Negation(self.resolve(condition.part))
        if isinstance(condition, Exists):
            return self._exists(condition)
        return self._search(condition)

    def _compare(self, compare: Compare) -> AnyTest:
        resolver = self._resolver
        operator = get_operator(compare.operator)
        get_template(operator, resolver.engine.key, resolver.engine.label)
        ref, column = resolver.get_ref(self._table, compare.path, compare.cast)
        is_plain = not ref.steps and ref.cast is None
        if is_plain:
            check_kind(operator, resolver.engine.key, column.type.kind, column.name, column.type.name)
        if compare.quantifier is not None:
            return self._quantified(compare, operator, ref, column)
        if operator.operand == "keyword":
            return Test(ref, f"is.{read_keyword(_one(compare), column, is_plain=is_plain)}")
        if operator.operand == "list":
            return self._listed(compare, operator, ref, column)
        if operator.operand == "raw" and is_json(ref, column):
            return self._contained(_one(compare), operator, ref, column)
        argument = None
        if compare.argument is not None:
            if not operator.has_argument:
                raise QueryError(f"operator {operator.name!r} takes no argument, and has {compare.argument[:40]!r}")
            check_text(compare.argument, column.name)
            argument = resolver.add(compare.argument)
        return self._test((_one(compare),), operator, ref, column, argument)

    def _test(self, texts: tuple[str, ...], operator: Operator, ref: Ref, column: Column, argument: int | None = None) -> Test:
        """Return a comparison with each of *texts*."""
        resolver = self._resolver
        renderer = get_renderer(resolver.engine.key)
        values = [self._operand(text, operator, ref, column) for text in texts]
        if not ref.steps and ref.cast is None:
            helped = [renderer.help_operand(value, column.type) for value in values]
            pairs = [pair for pair in helped if pair is not None]
            if len(pairs) == len(values) and operator.operand in ("value", "list"):
                slots = tuple((resolver.add(value), resolver.add(helper)) for value, helper in pairs)
                return Test(ref, operator.name, tuple(slot for slot, _ in slots), helpers=tuple(helper for _, helper in slots))
        is_folded = operator.name == "ilike" and renderer.needs_folding(texts[0])
        return Test(ref, operator.name, tuple(resolver.add(value) for value in values), argument, is_folded=is_folded)

    def _operand(self, text: str, operator: Operator, ref: Ref, column: Column) -> object:
        engine = self._resolver.engine.key
        is_plain = not ref.steps and ref.cast is None
        if operator.operand in ("value", "list") and is_json(ref, column):
            check_text(text, column.name)
            return get_renderer(engine).bind_json(text, column.name)
        if operator.operand == "regex":
            get_renderer(engine).check_regex(text)
        return read_operand(operator, text, column, engine, is_plain=is_plain)

    def _contained(self, text: str, operator: Operator, ref: Ref, column: Column) -> Test:
        """Return a test of what JSON contains, or is contained in."""
        resolver = self._resolver
        check_text(text, column.name)
        renderer = get_renderer(resolver.engine.key)
        found = renderer.take_json_apart(operator.name, text, column.name, resolver.add)
        if found is not None:
            return Test(ref, operator.name, pattern=found)
        return Test(ref, operator.name, (resolver.add(text),))

    def _listed(self, compare: Compare, operator: Operator, ref: Ref, column: Column) -> AnyTest:
        texts = compare.operand if isinstance(compare.operand, tuple) else (_one(compare),)
        if len(texts) > MAX_LIST:
            raise TooLarge(f"the list for {column.name!r} has {len(texts)} values, and at most {MAX_LIST} are taken")
        if not texts:
            return Some(())  # no value is in an empty list
        return self._test(texts, operator, ref, column)

    def _quantified(self, compare: Compare, operator: Operator, ref: Ref, column: Column) -> AnyTest:
        if not operator.has_quantifiers:
            raise QueryError(f"operator {operator.name!r} takes no ({compare.quantifier})")
        texts = compare.operand if isinstance(compare.operand, tuple) else (_one(compare),)
        self._tests += len(texts)
        if self._tests > MAX_TESTS:
            raise TooLarge(f"a condition has more than {MAX_TESTS} parts", hint="use in.(…) for many values")
        tests = tuple(self._test((text,), operator, ref, column) for text in texts)
        return Some(tests) if compare.quantifier == "any" else All(tests)

    def _exists(self, condition: Exists) -> HasRows:
        found = self._embeds.get(condition.embed)
        if found is None:
            raise QueryError(
                f"{condition.embed[:100]!r} is not an embedded resource in this request",
                code="PGRST108",
                hint=nearest(condition.embed[:100], self._embeds) or f"add '{condition.embed[:100]}(…)' to select",
            )
        return found

    def _search(self, condition: Search) -> AnyTest:
        """Find every word in one of the text columns that the caller may read."""
        words = [word for word in condition.words if word][:MAX_WORDS]
        allows = self._resolver.rights.allows
        schema, name = self._table.name
        columns = tuple(
            column.name
            for column in self._table.columns
            if column.type.kind in SEARCHED and allows("select", schema, name, column.name)
        )
        if not columns:
            return Some(()) if words else All(())
        for word in words:
            check_text(word, "search")
        folds = get_renderer(self._resolver.engine.key).needs_folding
        return All(tuple(Contains(columns, self._resolver.add(contain_pattern(word)), folds(word)) for word in words))


def is_json(ref: Ref, column: Column) -> bool:
    """Tell whether a value is JSON: a column, or what ``->`` leads to."""
    if ref.cast is not None:
        return False
    return not ref.as_text if ref.steps else column.type.kind == "json"


def _one(compare: Compare) -> str:
    """Return the operand of an operator that takes one."""
    if isinstance(compare.operand, str):
        return compare.operand
    raise QueryError(f"operator {compare.operator!r} of {compare.path.column!r} takes one operand")
