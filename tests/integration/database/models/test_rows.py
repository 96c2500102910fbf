"""Rows of qapla.database.models on each engine: values, belonging, writing"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import ipaddress
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import MetaData, select, text

from qapla.database import models
from qapla.database.drivers import Sqlite, open_url
from qapla.errors import DatabaseError, ModelError, NotBound, NotFound, ValueRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import URL

    from qapla.database.models.bound import Bound


class Colour(enum.Enum):
    """Kept by value."""

    RED = "red"
    SKY = "sky blue"


class Base(models.Model):
    """The models of this module."""

    __abstract__ = True
    metadata = MetaData()


class Question(Base):
    """What is asked."""

    text = models.Char(max_length=200)
    tags = models.ManyToMany("Tag")


class Choice(Base):
    """What can be chosen."""

    question = models.ForeignKey(Question, on_delete="cascade")
    text = models.Char(max_length=200, unique=True)
    votes = models.Integer(default=0)


class Tag(Base):
    """What questions are about."""

    name = models.Char(30)


class Profile(Base):
    """One row for each tag, at most."""

    tag = models.ForeignKey(Tag, primary_key=True)
    editor = models.ForeignKey("self", null=True, related_name="edited")


class Membership(Base):
    """Which tags a question had, and since when."""

    question = models.ForeignKey(Question, primary_key=True)
    tag = models.ForeignKey(Tag, primary_key=True)
    year = models.Integer()


class Large(Base):
    """A number with many digits."""

    amount = models.Decimal(38, 10)


class Dated(Base):
    """Days and moments."""

    day = models.Date(null=True)
    on_the_wall = models.DateTime(null=True)
    moment = models.Timestamp(null=True)


class Every(Base):
    """A value of each field."""

    an_integer = models.Integer()
    large = models.Integer(bits=64)
    a_float = models.Float()
    amount = models.Decimal(15, 4)
    a_char = models.Char(20)
    a_text = models.Text()
    yes = models.Boolean()
    day = models.Date()
    on_the_wall = models.DateTime()
    moment = models.Timestamp()
    clock = models.Time()
    a_uuid = models.UUID()
    guid = models.GUID()
    data = models.JSON(null=True)
    raw = models.Binary()
    address = models.IP()
    size = models.Enum("small", "it's 100% large")
    colour = models.Enum(Colour)
    password = models.Password()
    nothing = models.Integer(null=True)


VALUES = {
    "an_integer": -5,
    "large": 2**63 - 1,
    "a_float": 0.1 + 0.2,
    "amount": decimal.Decimal("12345678901.2345"),
    "a_char": "it's \"100%\" \\ 😀 ",
    "a_text": "äöü" * 50000,
    "yes": True,
    "day": dt.date(1999, 12, 31),
    "on_the_wall": dt.datetime(2024, 3, 31, 2, 30, 0, 123456),
    "moment": dt.datetime(2024, 3, 31, 2, 30, 0, 123456, tzinfo=dt.UTC),
    "clock": dt.time(23, 59, 59, 999999),
    "a_uuid": uuid.UUID("12345678-1234-5678-1234-567812345678"),
    "data": {"a": [1, None, {"ü": "%s"}]},
    "raw": b"\x00\xff%",
    "address": ipaddress.ip_address("2001:db8::1"),
    "size": "it's 100% large",
    "colour": Colour.SKY,
    "nothing": None,
}


@pytest.fixture(scope="module")
def databases() -> Iterator[dict[str, URL]]:
    """Keep one database per engine."""
    from qapla.testing.servers import ENGINE_NAMES, make_database

    class Made(dict[str, Any]):
        def __missing__(self, engine: str) -> URL:
            self[engine] = stack.enter_context(make_database(engine))
            with open_url(self[engine]) as db:
                db.create_tables(Question, Choice, Tag, Profile, Membership, Large, Dated, Every)
            return self[engine]

    with ExitStack() as stack:
        assert ENGINE_NAMES
        yield Made()


@pytest.fixture
def url(engine_name: str, databases: dict[str, URL]) -> URL:
    """Give a database with the tables of the models, on each engine."""
    return databases[engine_name]


@pytest.fixture
def db(url: URL) -> Iterator[Bound]:
    """Open it; nothing is kept."""
    with open_url(url, commit=False) as found:
        yield found


class TestValues:
    """What is saved is what is read"""

    def test_each_field(self, db: Bound) -> None:
        """Every field gives back the value that was saved, with its type; a moment in UTC, from whatever zone."""
        Every(**VALUES | {"moment": VALUES["moment"].astimezone(dt.timezone(dt.timedelta(hours=-5)))}, password="geheim").save()
        db.session.expunge_all()

        found = db.session.scalars(select(Every)).one()

        assert {name: getattr(found, name) for name in VALUES} == VALUES
        assert [type(getattr(found, name)) for name in VALUES] == [type(value) for value in VALUES.values()]
        assert found.moment.tzinfo is dt.UTC
        assert found.password.verify("geheim")
        assert isinstance(found.guid, uuid.UUID)

    def test_introspection(self, db: Bound) -> None:
        """The database itself knows what the columns mean, as far as it has words for that."""
        found = {column.name: column.type.kind for column in db.discover(include=["every"]).find_table("every").columns}  # type: ignore[union-attr]

        assert {name: found[name] for name in ("on_the_wall", "moment", "a_uuid", "data", "raw", "amount", "yes")} == {
            "on_the_wall": "timestamp",
            "moment": "timestamp_tz",
            "a_uuid": "uuid",
            "data": "json",
            "raw": "binary",
            "amount": "decimal",
            "yes": "boolean",
        }

    def test_change_inside_of_json(self, db: Bound) -> None:
        """``save()`` sees what has been changed inside of JSON."""
        row = Every(**VALUES, password="x")
        row.save()

        row.data["a"].append(5)
        row.save()
        row.refresh()

        assert row.data["a"][-1] == 5

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    @pytest.mark.parametrize("value", ["0044-03-15 BC", "20000-01-01", "infinity", "-infinity"])
    @pytest.mark.parametrize("column", ["day", "on_the_wall", "moment"])
    def test_days_that_python_has_not(self, db: Bound, column: str, value: str) -> None:
        """A day that PostgreSQL has and Python has not is an error that names the column, however it is read."""
        db.session.execute(text(f"INSERT INTO dated ({column}) VALUES ('{value}')"))

        for read in (Dated.select().all, Dated.select().first, Dated.select().values(column).all, lambda: list(Dated.select())):
            with pytest.raises(DatabaseError, match=f"column '{column}' has a day before year 1 or after 9999, or infinity") as caught:
                read()
            assert (caught.value.code, caught.value.column) == ("22008", column)

    def test_digits_of_sqlite(self) -> None:
        """SQLite keeps 15 digits of a number; one with more is refused there instead of rounded."""

        class Exact(Base):
            amount = models.Decimal(20, 4)

        with Sqlite(":memory:") as db:
            db.create_table(Exact)

            with pytest.raises(ValueRefused, match=r"'1234567890123\.4567' has more than 15 digits, and SQLite would round it"):
                Exact(amount="1234567890123.4567").save()

    @pytest.mark.parametrize(
        ("precision", "scale", "value"),
        [(40, 30, "1." + "0" * 28 + "1"), (38, 10, "9" * 28 + "." + "9" * 10), (65, 0, "1" + "0" * 40 + "1")],
    )
    def test_more_digits_than_python_counts(self, precision: int, scale: int, value: str) -> None:
        """Digits beyond the 28 that Python computes with are counted, too."""

        class Long(Base):
            amount = models.Decimal(precision, scale)

        with Sqlite(":memory:") as db:
            db.create_table(Long)

            with pytest.raises(ValueRefused, match="has more than 15 digits"):
                Long(amount=value).save()

    def test_few_digits_of_a_large_number(self, db: Bound) -> None:
        """A number of few digits is read as it was written, however large it is."""
        Large(amount="1e27").save()
        db.session.expunge_all()

        assert Large.select().one().amount == decimal.Decimal("1e27")
        assert [Large.select().sum("amount"), Large.select().avg("amount")] == [decimal.Decimal("1e27")] * 2
        assert Large.select().as_arrow().column("amount").to_pylist() == [decimal.Decimal("1e27")]


class TestLinks:
    """Rows that lead to each other"""

    def test_foreign_key(self, db: Bound) -> None:
        """A foreign key takes a row or its key, and gives the row or, by ``_id``, the key; the other side has the rows."""
        question = Question(text="?")
        question.save()
        red, blue = Choice(question=question.id, text="red"), Choice(question=question, text="blue")
        red.save()
        blue.save()

        assert red.question is blue.question is question
        assert red.question_id == blue.question_id == question.id
        assert [choice.text for choice in question.choices] == ["red", "blue"]

    def test_unsaved_row_harms_nobody(self, db: Bound) -> None:
        """A row that is never saved is on no other side, and is not written with others."""
        question = Question(text="?")
        question.save()
        Choice(question=question, text="never")

        Choice(question=question, text="red").save()

        assert [choice.text for choice in question.choices] == ["red"]

    def test_moving(self, db: Bound) -> None:
        """A row that leads elsewhere now is on the other side there, whether the row or the key was given."""
        first, second = Question(text="1"), Question(text="2")
        first.save()
        second.save()
        choice = Choice(question=first, text="red")
        choice.save()
        seen = [list(first.choices), list(second.choices)]

        choice.question_id = second.id
        choice.save()
        seen += [choice.question, list(first.choices), list(second.choices)]
        choice.question = first
        choice.save()

        assert seen == [[choice], [], second, [], [choice]]
        assert (first.choices, second.choices, choice.question_id) == ([choice], [], first.id)

    def test_on_delete(self, db: Bound) -> None:
        """The database does what ``on_delete`` says; without it, it refuses and names the constraint."""
        question, tag = Question(text="?"), Tag(name="x")
        for row in (question, tag):
            row.save()
        Choice(question=question, text="red").save()
        Profile(tag=tag).save()

        question.delete()

        assert db.session.scalars(select(Choice)).all() == []
        with pytest.raises(DatabaseError, match="foreign key"):
            tag.delete()

    def test_one_to_one(self, db: Bound) -> None:
        """A key that is unique or the primary key leads back to one row, or None."""
        tag = Tag(name="x")
        tag.save()
        none = tag.profile

        profile = Profile(tag=tag)
        profile.save()
        other = Tag(name="y")
        other.save()
        edited = Profile(tag=other, editor=profile)
        edited.save()

        assert none is None
        assert tag.profile is profile
        assert profile.edited == [edited]

    def test_part_of_a_key(self, db: Bound) -> None:
        """A key that is only a part of the primary key leads back to many rows."""
        question, first, second = Question(text="?"), Tag(name="x"), Tag(name="y")
        for row in (question, first, second):
            row.save()
        rows = [Membership(question=question, tag=tag, year=2024) for tag in (first, second)]
        for row in rows:
            row.save()

        assert sorted(question.memberships, key=lambda row: row.tag_id) == rows
        assert (first.memberships, second.memberships) == ([rows[0]], [rows[1]])

    def test_many_to_many(self, db: Bound) -> None:
        """Rows are added and removed on both sides, by row or key, and both sides see it."""
        red, blue = Tag(name="red"), Tag(name="blue")
        question = Question(text="?", tags=[red])
        question.save()
        blue.save()

        question.tags.add(blue.id, red)
        seen = [question.tags.all(), question.tags.count(), blue.questions.all()]
        blue.questions.remove(question)
        seen += [question.tags.all(), blue.questions.count()]
        question.tags.set([blue])
        seen += [red.questions.all(), blue.questions.all()]
        question.tags.clear()
        red.questions.add(question)

        assert seen == [[red, blue], 2, [question], [red], 0, [], [question]]
        question.refresh()
        assert question.tags == [red]
        with pytest.raises(ValueRefused, match="no 'Tag' has the key 99"):
            question.tags.add(99)


class TestWriting:
    """save, delete, refresh"""

    def test_insert_and_update(self, db: Bound) -> None:
        """``save()`` inserts a new row and updates one that is there; ``refresh()`` reads it again."""
        row = Tag(name="new")
        row.save()
        row.name = "changed"
        row.save()
        row.name = "not saved"

        row.refresh()

        assert row.name == "changed"
        assert len(db.session.scalars(select(Tag)).all()) == 1

    def test_missing_value(self, db: Bound) -> None:
        """A field without a value that needs one is named before the database is asked."""
        with pytest.raises(ValueRefused, match=r"Choice\.question has no value"):
            Choice(text="red").save()

    def test_refused_write_takes_nothing_along(self, db: Bound) -> None:
        """What the database refuses is undone by itself: what was saved before in the block stays, and it goes on."""
        question = Question(text="?")
        question.save()
        Choice(question=question, text="red").save()

        with pytest.raises(DatabaseError) as caught:
            Choice(question=question, text="red").save()
        Choice(question=question, text="blue").save()

        assert (caught.value.code, caught.value.status) == ("23505", 409)
        assert [choice.text for choice in question.choices] == ["red", "blue"]

    def test_deleted_row(self, db: Bound) -> None:
        """A row that is deleted cannot be saved; one that somebody else deleted is told so by ``refresh``."""
        gone, other = Tag(name="gone"), Tag(name="other")
        gone.save()
        other.save()

        gone.delete()
        db.connection().exec_driver_sql("DELETE FROM tag")

        with pytest.raises(ModelError, match="is deleted"):
            gone.save()
        with pytest.raises(NotFound, match=r"<Tag \d+> is not in database .* any more"):
            other.refresh()

    def test_copy(self, db: Bound) -> None:
        """A copy is a new row with the same values but for its key."""
        row = Tag(name="one")
        row.save()

        copied = row.copy(name="two")
        copied.save()

        assert copied.id not in (None, row.id)
        assert sorted(db.session.scalars(select(Tag.name))) == ["one", "two"]

    @pytest.mark.parametrize("verb", ["delete", "refresh"])
    def test_never_saved(self, verb: str) -> None:
        """A row that was never saved cannot be deleted or read again."""
        with pytest.raises(ModelError, match="<Tag new> was never saved"):
            getattr(Tag(name="x"), verb)()


class TestBelonging:
    """Where rows go"""

    @pytest.fixture
    def two(self, tmp_path: Path) -> Iterator[tuple[Bound, Bound]]:
        """Open two databases, ``a`` around ``b``."""
        with Sqlite(tmp_path / "a.db") as a, Sqlite(tmp_path / "b.db") as b:
            for each in (a, b):
                each.create_tables(Question, Choice, Tag)
            yield a, b

    def test_no_database(self) -> None:
        """Where no database is open, saving says so."""
        with pytest.raises(NotBound, match="no database is bound"):
            Tag(name="x").save()

    def test_new_rows(self, two: tuple[Bound, Bound]) -> None:
        """A new row goes to the innermost database, or to the one that ``using`` means, by itself or by its name."""
        rows = [Tag(name=name) for name in "xyz"]
        for row, using in zip(rows, (None, "a", two[0]), strict=True):
            row.save(using)

        assert [models.bound_of(row).name for row in rows] == ["b", "a", "a"]  # type: ignore[union-attr]
        with pytest.raises(NotBound, match=r"database 'c' is not open .*'a', 'b'"):
            Tag(name="x").save(using="c")

    def test_rows_go_back(self, two: tuple[Bound, Bound]) -> None:
        """A row that was read or saved goes back to its database, and to no other one."""
        row = Tag(name="x")
        row.save(using="a")
        row.name = "y"
        row.save()

        with pytest.raises(ModelError, match=r"<Tag 1> belongs to database 'a', not to 'b' \(row\.copy\(\)"):
            row.save(using="b")
        assert [each.session.scalars(select(Tag.name)).all() for each in two] == [["y"], []]

    def test_links_stay_in_one_database(self, two: tuple[Bound, Bound]) -> None:
        """A new row cannot lead to a row of another database."""
        question = Question(text="?")
        question.save(using="a")

        with pytest.raises(ModelError, match=r"Choice\.question is a row of database 'a', and the new row would go to 'b'"):
            Choice(question=question, text="red").save()
        Choice(question=question, text="red").save(using="a")

    def test_links_after_the_block(self, tmp_path: Path) -> None:
        """What leads to other rows and was not read in the block is told so, and is read as soon as the database is open again."""
        with Sqlite(tmp_path / "a.db") as db:
            db.create_tables(Question, Choice, Tag)
            question = Question(text="?", tags=[Tag(name="x")])
            question.save()
            Choice(question=question, text="red").save()
            db.commit()
            db.session.expunge_all()
            choice, question = db.session.get(Choice, 1), db.session.get(Question, 1)  # type: ignore[assignment]

        for row, name in ((choice, "question"), (question, "choices"), (question, "tags")):
            with pytest.raises(NotBound, match=rf"has not read '{name}', and its database is not open any more"):
                getattr(row, name)
        with Sqlite(tmp_path / "a.db"):
            assert ([each.text for each in question.choices], question.tags.count()) == (["red"], 1)
            with pytest.raises(ModelError, match="<Choice 1> has been read anew since its block ended"):
                choice.save()  # type: ignore[union-attr]
        with Sqlite(tmp_path / "a.db"):
            assert choice.question.text == "?"  # type: ignore[union-attr]

    def test_gone_from_memory(self) -> None:
        """A database in memory is gone when its block ends; its rows do not slip into another one."""
        with Sqlite(":memory:") as db:
            db.create_tables(Question, Tag)
            row = Tag(name="x")
            row.save()

        with Sqlite(":memory:"), pytest.raises(NotBound, match=r"':memory:', which is not open here \(a database in memory is gone"):
            row.save()

    def test_opened_again(self, url: URL) -> None:
        """A row outlives its block; it is saved where it came from as soon as that is open again, and nowhere else."""
        with open_url(url):
            row = Tag(name="x")
            row.save()
        row.name = "y"

        with Sqlite(":memory:"), pytest.raises(NotBound, match=r"<Tag \d+> belongs to .* which is not open here"):
            row.save()
        with open_url(url) as db:
            row.save()
            found = db.session.scalars(select(Tag.name)).all()
            row.delete()

        assert found == ["y"]
