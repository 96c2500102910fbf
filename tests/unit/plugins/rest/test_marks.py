"""qapla.plugins.rest.marks and narrowing: which models are served, and without what"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, relationship

from qapla.database.models.description import describe
from qapla.errors import ConfigurationError, ModelError
from qapla.plugins.rest.marks import Marks
from qapla.plugins.rest.narrowing import check_marks, narrow_schema


def make_models() -> tuple[Any, Any, Any]:
    """Return Question, Tag, and the base that has another table; a question has many tags."""

    class Base(DeclarativeBase):
        pass

    tagged = sa.Table(
        "tagged",
        Base.metadata,
        sa.Column("question_id", sa.ForeignKey("question.id"), primary_key=True),
        sa.Column("tag_id", sa.ForeignKey("tag.id"), primary_key=True),
    )

    class Question(Base):
        __tablename__ = "question"
        id = sa.Column(sa.Integer, primary_key=True)
        text = sa.Column(sa.String(20), unique=True)
        secret = sa.Column(sa.String(20), info={"secret": True})
        tags = relationship(lambda: Tag, secondary=tagged)  # not by its name: it lives as long as this class

    class Tag(Base):
        __tablename__ = "tag"
        id = sa.Column(sa.Integer, primary_key=True)

    sa.Table("other", Base.metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("tag_id", sa.ForeignKey("tag.id")))
    return Question, Tag, Base


class TestRest:
    """@rest()"""

    def test_gives_back_the_class(self) -> None:
        """A marked class is the class itself, with parentheses and without."""
        question, tag, _ = make_models()
        rest = Marks()

        assert rest()(question) is question
        assert rest(tag) is tag
        assert [mark.model for mark in rest] == [question, tag]

    @pytest.mark.parametrize(
        ("without", "left_out"),
        [
            ((), set()),
            (["delete"], {"DELETE"}),
            (["PUT"], {"PUT"}),
            (["post"], {"POST", "PUT"}),
            (("patch",), {"PATCH", "PUT"}),
            ({"post", "delete", "patch"}, {"POST", "DELETE", "PATCH", "PUT"}),
            (["get", "put", "patch", "delete"], {"GET", "PUT", "PATCH", "DELETE"}),
        ],
    )
    def test_put_follows(self, without: Any, left_out: set[str]) -> None:
        """PUT, which makes rows and changes them, goes with either of POST and PATCH."""
        question, _, _ = make_models()
        rest = Marks()

        rest(without=without)(question)

        assert next(iter(rest)).without == left_out

    @pytest.mark.parametrize(
        ("without", "message"),
        [
            (["pots"], "method 'pots' in without= cannot be left out .*post"),
            (["head"], "'head' .*it goes with 'get'"),
            (["options"], "'options' .*it says which methods there are"),
            ("post", "without='post' is no list of methods"),
            ([1], "is no list of methods"),
            (["get", "post", "put", "patch", "delete"], "every method is left out"),
            (["get"], "'put' cannot be there without 'get'"),
            (["get", "put", "patch"], "'delete' cannot be there without 'get'"),
        ],
    )
    def test_refuses_methods(self, without: Any, message: str) -> None:
        """What cannot be left out is named, with what can be done."""
        with pytest.raises(ConfigurationError, match=message):
            Marks()(without=without)

    @pytest.mark.parametrize("what", [int, lambda: None, "Question", DeclarativeBase])
    def test_refuses_what_is_no_model(self, what: Any) -> None:
        """Only a class with a table is a model."""
        with pytest.raises(ModelError, match="is no model and cannot be served"):
            Marks()()(what)

    def test_refuses_twice(self) -> None:
        """A class is marked once."""
        question, _, _ = make_models()
        rest = Marks()
        rest()(question)

        with pytest.raises(ModelError, match="'Question' is marked with @rest twice"):
            rest(without=["post"])(question)

    def test_takes_a_class_that_is_declared_again(self) -> None:
        """A cell of a notebook that is run again puts its new class in the place of the old one."""
        first, second = make_models()[0], make_models()[0]
        rest = Marks()

        rest()(first)
        rest()(second)

        assert [mark.model for mark in rest] == [second]

    def test_refuses_what_comes_late(self) -> None:
        """Once the models are served, none is added on the quiet."""
        rest = Marks()
        rest.is_closed = True

        with pytest.raises(ConfigurationError, match="marked too late"):
            rest()(make_models()[0])


class TestCheckMarks:
    """check_marks(marks)"""

    def test_needs_one(self) -> None:
        """Nothing to serve is told."""
        with pytest.raises(ModelError, match="no model is marked"):
            check_marks(Marks())

    def test_refuses_two_of_one_table(self) -> None:
        """Two models of one table are both named."""
        rest = Marks()
        rest()(make_models()[0])

        class Base(DeclarativeBase):
            pass

        @rest()
        class Another(Base):
            __tablename__ = "question"
            id = sa.Column(sa.Integer, primary_key=True)

        with pytest.raises(ModelError, match=r"make_models.*Question' and '.*Another' have one table, 'question'"):
            check_marks(rest)


class TestNarrowSchema:
    """narrow_schema(schema, marks, database)"""

    def test_keeps_models_only(self) -> None:
        """Other tables are not there, nor relations to them, nor columns that are secret."""
        _, tag, base = make_models()
        rest = Marks()
        rest()(tag)

        found, withheld = narrow_schema(describe(base.metadata, "sqlite"), rest, "poll")

        assert [table.name.name for table in found.tables] == ["tag"]
        assert (found.relations, found.functions, withheld) == ((), (), {})

    def test_keeps_the_table_between(self) -> None:
        """The table between two marked models is there, without what either of them is served without."""
        question, tag, base = make_models()
        rest = Marks()
        rest()(tag)
        rest(without=["delete"])(question)

        found, withheld = narrow_schema(describe(base.metadata, "sqlite"), rest, "poll")

        assert [table.name.name for table in found.tables] == ["question", "tag", "tagged"]
        assert {name.name: methods for name, methods in withheld.items()} == {"question": {"DELETE"}, "tagged": {"DELETE"}}
        assert [relation.kind for relation in found.relations if relation.source.name == "question"] == ["many_to_many", "to_many"]

    def test_hides_secrets(self) -> None:
        """A column that is secret is no column of what is served."""
        question, _, base = make_models()
        rest = Marks()
        rest()(question)

        found, _ = narrow_schema(describe(base.metadata, "sqlite"), rest, "poll")

        assert list(found.tables[0].by_name) == ["id", "text"]

    def test_says_what_can_be_done(self) -> None:
        """What is left out cannot be done by another way, as an upsert."""
        question, _, base = make_models()
        rest = Marks()
        rest(without=["post", "delete", "patch"])(question)

        table = narrow_schema(describe(base.metadata, "sqlite"), rest, "poll")[0].tables[0]

        assert (table.insertable, table.updatable, table.deletable) == (False, False, False)

    def test_names_a_table_that_is_missing(self) -> None:
        """A model without table is named, and the database."""
        question, tag, _ = make_models()
        rest = Marks()
        rest()(question)

        with pytest.raises(ModelError, match=r"model 'Question' has no table 'question' in database 'poll' \(create it first"):
            narrow_schema(describe(tag, "sqlite"), rest, "poll")

    def test_names_columns_that_are_missing(self) -> None:
        """A table that has other columns than the model is named, with the difference."""
        rest, kept = Marks(), make_models()
        rest()(kept[0])
        older = sa.Table("question", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("texts", sa.Text))

        with pytest.raises(ModelError, match=r"model 'Question' has 'text', 'secret', and table .* in database 'poll' has not .*texts"):
            narrow_schema(describe(older, "sqlite"), rest, "poll")
