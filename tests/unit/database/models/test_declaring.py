"""qapla.database.models.Model: what a declaration makes"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import relationship

from qapla.database import models
from qapla.errors import ModelError, QueryError, ValueRefused


def columns(model: Any) -> list[str]:
    return [str(column.name) for column in model.__table__.columns]


def declare_question(**fields: Any) -> Any:
    class Question(models.Model):
        __tablename__ = "declared_question"
        text = models.Char(max_length=200)

    return Question


class TestKey:
    """Primary keys"""

    def test_automatic_id(self) -> None:
        """A model without a key gets ``id``, the first column."""

        class Plain(models.Model):
            text = models.Char()

        assert columns(Plain) == ["id", "text"]
        assert Plain.__table__.columns.id.primary_key

    @pytest.mark.parametrize(
        "fields", [{"code": models.Char(primary_key=True)}, {"a": models.Integer(primary_key=True), "b": models.Integer(primary_key=True)}]
    )
    def test_own_key(self, fields: dict[str, Any]) -> None:
        """A model that declares a key, of one column or several, gets no other one."""
        found = type("Keyed", (models.Model,), {**fields, "__module__": __name__})

        assert columns(found) == list(fields)
        assert [column.name for column in sa.inspect(found).primary_key] == list(fields)

    def test_key_of_a_plain_column(self) -> None:
        """A key that is written in SQLAlchemy's own words counts, too."""

        class Mixed(models.Model):
            number = sa.Column(sa.Integer, primary_key=True)
            text = models.Char()

        assert columns(Mixed) == ["number", "text"]


class TestOrder:
    """Columns"""

    def test_order_and_names(self) -> None:
        """Columns are in the order of the fields, those of abstract bases first; ``column`` names one."""

        class Stamped(models.Model):
            __abstract__ = True
            made = models.Timestamp(auto_now_add=True)

        class Note(Stamped):
            question = models.ForeignKey("self", null=True)
            text = models.Text(column="Text of it")

        assert columns(Note) == ["id", "made", "question_id", "Text of it"]

    def test_options_get_into_the_table(self) -> None:
        """null, unique, index, comment and server_default are those of the column."""

        class Optional(models.Model):
            a = models.Integer(null=True, unique=True, index=True, comment="it's 100%", server_default="5")

        column = Optional.__table__.columns.a
        assert (column.nullable, column.unique, column.index, column.comment) == (True, True, True, "it's 100%")
        assert str(column.server_default.arg) == "5"

    def test_wrong_default(self) -> None:
        """A default that is no value of its field is refused where the model is declared, and nothing is left of the model."""
        with pytest.raises(ModelError, match=r"the default of Wrong\.a: 'x' \(str\) is not a whole number"):

            class Wrong(models.Model):
                a = models.Integer(default="x")

        assert "wrong" not in models.Model.metadata.tables

    def test_mixin_is_not_shared(self) -> None:
        """A field of a base belongs to each model by itself: errors name the right one."""

        class Voted(models.Model):
            __abstract__ = True
            votes = models.Integer()

        class First(Voted):
            pass

        class Second(Voted):
            pass

        for model in (First, Second):
            with pytest.raises(ValueRefused, match=rf"{model.__name__}\.votes"):
                model(votes="many")


    def test_below_a_table(self) -> None:
        """A model below one that has a table is refused; with SQLAlchemy's own words for it, both share the table."""

        class Animal(models.Model):
            __tablename__ = "declared_animal"
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}
            kind = models.Char(10)

        with pytest.raises(ModelError, match=r"model 'Dog' is below 'Animal', which has a table \(__abstract__ = True"):

            class Dog(Animal):
                name = models.Char(10)

        class Cat(Animal):
            __mapper_args__ = {"polymorphic_identity": "cat"}
            lives = models.Integer(null=True)

        assert columns(Cat) == ["id", "kind", "lives"]
        with pytest.raises(ValueRefused, match=r"Cat\.lives"):
            Cat(lives="nine")


    def test_words_of_sqlalchemy(self) -> None:
        """``Mapped[…]``, ``__table__``, mixins and ``declared_attr`` work as they do elsewhere."""

        class Named:
            @sa.orm.declared_attr.directive
            def __tablename__(cls) -> str:
                return f"declared_{cls.__name__.lower()}s"  # type: ignore[attr-defined]

            name = sa.Column(sa.String(10))

        class Person(Named, models.Model):
            id: sa.orm.Mapped[int] = sa.orm.mapped_column(primary_key=True)
            age = models.Integer()

        class Given(models.Model):
            __table__ = sa.Table(
                "declared_given", models.Model.metadata, sa.Column("key", sa.Integer, primary_key=True), extend_existing=True
            )

        class Pet(models.Model):
            __tablename__ = "declared_pet"
            person = models.ForeignKey(Person)
            given = models.ForeignKey(Given, column="given")

        assert Person.__table__.name == "declared_persons"
        assert sorted(columns(Person)) == ["age", "id", "name"]
        assert columns(Given) == ["key"]
        assert {key.target_fullname for key in Pet.__table__.foreign_keys} == {"declared_persons.id", "declared_given.key"}
        models.Model.registry.configure()


class TestRows:
    """Making rows"""

    def test_unknown_field(self) -> None:
        """A field that is not there is refused, with the nearest name."""
        question = declare_question()

        with pytest.raises(QueryError, match=r"'Question' has no field 'txt' \(did you mean 'text'\?\)"):
            question(txt="x")

    def test_repr(self) -> None:
        """A row is shown by its key, and by nothing that may be secret."""
        assert repr(declare_question()(text="secret")) == "<Question new>"


class TestAgain:
    """Declaring a model again"""

    def test_replaces_the_former(self) -> None:
        """The same module and name, as in a notebook's cell that runs twice: the latter model has the table."""
        declare_question()

        latter = declare_question()

        assert models.Model.metadata.tables["declared_question"] is latter.__table__
        models.Model.registry.configure()

    def test_the_others_follow(self) -> None:
        """Models that lead to one that is declared again lead to the latter; the classes stay the same."""
        former = declare_question()

        class Answer(models.Model):
            __tablename__ = "declared_answer"
            question = models.ForeignKey(former)
            votes = models.Integer()

        latter = declare_question()
        answer = Answer(question=latter(text="x"), votes=1)

        assert sa.inspect(Answer).relationships.question.mapper.class_ is latter
        assert sa.inspect(latter).relationships.declared_answers.mapper.class_ is Answer
        assert answer.question.text == "x"
        with pytest.raises(ValueRefused, match="is not a whole number"):
            Answer(votes="many")

    def test_with_relations_of_sqlalchemy(self) -> None:
        """So do models that are written in SQLAlchemy's own words, ``backref`` and all."""

        def declare_painter() -> Any:
            class Painter(models.Model):
                __tablename__ = "declared_painter"
                id = sa.Column(sa.Integer, primary_key=True)
                albums = relationship("Painting", backref="artist")

            return Painter

        class Painting(models.Model):
            __tablename__ = "declared_painting"
            id = sa.Column(sa.Integer, primary_key=True)
            artist_id = sa.Column(sa.Integer, sa.ForeignKey("declared_painter.id"))

        declare_painter()
        models.Model.registry.configure()

        latter = declare_painter()
        models.Model.registry.configure()

        assert sa.inspect(Painting).relationships.artist.mapper.class_ is latter
        assert latter(albums=[Painting()]).albums[0].artist.__class__ is latter

    def test_another_module(self) -> None:
        """Two modules that declare the same table in one metadata are one error that names both."""
        body = {"__tablename__": "declared_twice", "a": models.Integer(), "__qualname__": "Twice"}
        first = type("Twice", (models.Model,), {**body, "__module__": "shop.first"})

        with pytest.raises(ModelError, match=r"'shop\.first\.Twice' and 'shop\.second\.Twice' both declare table 'declared_twice'"):
            type("Twice", (models.Model,), {**body, "a": models.Integer(), "__module__": "shop.second"})
        assert models.Model.metadata.tables["declared_twice"] is first.__table__  # type: ignore[attr-defined]

    def test_own_metadata(self) -> None:
        """A base with its own MetaData keeps its tables apart from those of others."""

        class Base(models.Model):
            __abstract__ = True
            metadata = sa.MetaData()

        class Kept(Base):
            __tablename__ = "declared_apart"
            a = models.Integer()

        class Other(models.Model):
            __tablename__ = "declared_apart"
            a = models.Integer()

        assert Kept.__table__ is not Other.__table__
        assert list(Base.metadata.tables) == ["declared_apart"]

    def test_error_changes_nothing(self) -> None:
        """A declaration that is refused leaves what was mapped before as it was."""
        former = declare_question()

        class Voter(models.Model):
            __tablename__ = "declared_voter"
            question = models.ForeignKey(former, related_name="voters")

        with pytest.raises(ModelError, match=r"Rival\.question would be 'Question\.voters' the other way round, which is there already"):

            class Rival(models.Model):
                __tablename__ = "declared_rival"
                other = models.ForeignKey(former, related_name="rivals")
                question = models.ForeignKey(former, related_name="voters")

        models.Model.registry.configure()
        assert "declared_rival" not in models.Model.metadata.tables
        assert "rivals" not in sa.inspect(former).relationships
        assert Voter(question=former(text="x")).question.text == "x"


class TestTargets:
    """Where a foreign key leads to"""

    def test_declared_later(self) -> None:
        """A target that is named may be declared later; its key need not be what was expected."""

        class Early(models.Model):
            late = models.ForeignKey("LateOne", null=True)
            later = models.ForeignKey("LaterOne", null=True)

        class LateOne(models.Model):
            text = models.Char()

        class LaterOne(models.Model):
            __tablename__ = "other_name"
            code = models.Char(7, primary_key=True)
            first = models.ForeignKey(Early, null=True)

        models.Model.registry.configure()
        assert columns(Early) == ["id", "late_id", "later_id"]
        assert {key.target_fullname for key in Early.__table__.foreign_keys} == {"late_one.id", "other_name.code"}
        assert Early.__table__.columns.later_id.type.length == 7
        assert Early(later=LaterOne(code="x")).later_id == "x"

    def test_never_declared(self) -> None:
        """What leads to a model that nobody has declared says so when it is used, and harms no other model."""

        class Lonely(models.Model):
            nobody = models.ForeignKey("Nobody", null=True)

        models.Model.registry.configure()

        with pytest.raises(ModelError, match=r"Lonely\.nobody leads to 'Nobody', which is not declared"):
            Lonely(nobody=5)

    def test_composite_key(self) -> None:
        """A key of several columns is one constraint, and one tuple."""

        class Order(models.Model):
            __tablename__ = "declared_order"
            tenant = models.Integer(primary_key=True)
            number = models.Integer(primary_key=True)

        class Line(models.Model):
            __tablename__ = "declared_line"
            order = models.ForeignKey(Order)

        (constraint,) = Line.__table__.foreign_key_constraints
        line = Line(order=(1, 2))

        assert constraint.column_keys == ["order_tenant", "order_number"]
        assert (line.order_tenant, line.order_number) == (1, 2)
        with pytest.raises(ValueRefused, match=r"Line\.order: '\(1,\)' \(tuple\) is not a row of 'Order'"):
            Line(order=(1,))

    def test_two_keys_to_one_table(self) -> None:
        """Two keys to one model need two names for the way back; the error says so."""
        question = declare_question()

        with pytest.raises(ModelError, match=r"related_name='…', or related_name=None"):

            class Pair(models.Model):
                __tablename__ = "declared_pair"
                first = models.ForeignKey(question)
                second = models.ForeignKey(question)

    def test_table_between_is_marked(self) -> None:
        """The table between two models of one database belongs to that database, for migrations."""

        class Music(models.Model):
            __abstract__ = True
            __database__ = "music"

        class Genre(Music):
            __tablename__ = "declared_genre"

        class Song(Music):
            __tablename__ = "declared_song"
            genres = models.ManyToMany(Genre)

        assert Song.metadata.tables["declared_song_genres"].info["database"] == "music"

    def test_wrong_row(self) -> None:
        """A row of another model is refused."""
        question = declare_question()

        class Reply(models.Model):
            __tablename__ = "declared_reply"
            asked = models.ForeignKey(question)

        with pytest.raises(ValueRefused, match=r"Reply\.asked: <Reply new> is not a row of 'Question'"):
            Reply(asked=Reply())
