"""``BaseModel`` and ``objects`` on each engine."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import JSON, Column, ForeignKey, Integer, MetaData, String, select
from sqlalchemy.orm import Session, relationship

from qapla.database.drivers import Sqlite
from qapla.database.models import BaseManager, BaseModel, InvalidQueryError, MultipleResults, NotFoundError
from qapla.database.models.description import describe
from qapla.database.pool import init_pool
from qapla.database.schema.inspect import inspect
from qapla.errors import Conflict
from qapla.testing.servers import ENGINE_NAMES, make_database


class Zoo(BaseModel):
    __abstract__ = True
    metadata = MetaData()


class KeeperManager(BaseManager):
    def named(self, name):
        return self.filter_by(name=name).first()


class Keeper(Zoo):
    __tablename__ = "objects_keeper"
    objects_class = KeeperManager
    name = Column(String(60))
    grade = Column(Integer)
    animals = relationship("Animal", backref="keeper", order_by="Animal.name")


class Animal(Zoo):
    __tablename__ = "objects_animal"
    name = Column(String(60), primary_key=True)
    keeper_id = Column(Integer, ForeignKey("objects_keeper.id"))
    facts = Column(JSON)


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def opened(request):
    """Two connections, with tables."""
    with make_database(request.param) as default, make_database(request.param) as other:
        urls = {"DEFAULT": default.render_as_string(hide_password=False), "OTHER": other.render_as_string(hide_password=False)}
        with init_pool({"DATABASES": {"ANY": urls}}) as pool:
            pool.create_tables(metadata=Zoo.metadata)
            yield pool


@pytest.fixture
def pool(opened):
    """Two connections, their tables empty afterwards."""
    yield opened
    opened.rollback(None)
    for name in opened.connections:
        Animal.objects.filter_by(connection_name=name).delete()
        Keeper.objects.filter_by(connection_name=name).delete()
    opened.commit(None)
    opened.close()


@pytest.fixture
def keepers(pool):
    """Three keepers: Ann 1, Bob 2, Ann 3."""
    keepers = [Keeper(name=name, grade=grade) for grade, name in enumerate(("Ann", "Bob", "Ann"), 1)]
    Keeper.objects.add_all(keepers)
    pool.commit()
    return keepers


# -- what a model has


def test_times(pool):
    """``created_at`` and ``updated_at`` are UTC, the same at first; only the second one moves when the row does."""
    before = datetime.now(UTC)
    keeper = Keeper(name="Ann").add()
    pool.commit()
    created, updated = keeper.created_at, keeper.updated_at
    keeper.grade = 7
    keeper.update()
    pool.commit()
    pool.close()

    found = Keeper.objects.get(name="Ann")

    assert before <= created == updated < found.updated_at
    assert found.created_at == created
    assert found.created_at.utcoffset() == timedelta(0)


def test_times_of_sql(pool):
    """A row that SQL inserts has its times from the database, in UTC."""
    Keeper.objects.raw_sql("INSERT INTO objects_keeper (name) VALUES ('Sql')")

    assert abs(datetime.now(UTC) - Keeper.objects.get(name="Sql").created_at) < timedelta(minutes=2)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (datetime(2026, 3, 29, 2, 30, 0, 123456, timezone(timedelta(hours=5))), datetime(2026, 3, 28, 21, 30, 0, 123456, UTC)),
        (datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 2, 30, tzinfo=UTC)),
    ],
    ids=["with zone", "without"],
)
def test_moment(pool, written, read):
    """A moment is the same on every engine: to the microsecond, of any zone; without one it is UTC."""
    keeper = Keeper(name="Ann", created_at=written).add()
    pool.commit()

    assert keeper.created_at == read
    assert [found.id for found in Keeper.objects.filter_by(created_at=written)] == [keeper.id]


def test_own_key(pool):
    """A model with a key of its own has no ``id``, and its key is the order."""
    Animal.objects.add_all([Animal(name="Zebra"), Animal(name="Ant")])

    assert "id" not in Animal.__table__.columns
    assert [animal.name for animal in Animal.objects.filter_by()] == ["Ant", "Zebra"]


def test_dict(keepers):
    """``dict`` is the values by attribute, ``repr`` no more than the key."""
    assert {name: keepers[0].dict[name] for name in ("id", "name", "grade")} == {"id": keepers[0].id, "name": "Ann", "grade": 1}
    assert repr(keepers[0]) == f"<Keeper {keepers[0].id}>"


def test_description(pool):
    """A model in the words of the schema is what the catalog says of its table."""
    engine = pool.connections["DEFAULT"].engine
    with engine.connect() as connection:
        found = inspect(connection)

    said = describe([Keeper, Animal], found.engine, default_schema=found.default_schema)

    assert {table.name: table.columns for table in said.tables} == {table.name: table.columns for table in found.tables}


def test_plain_session(pool, keepers):
    """A model is a mapped class of SQLAlchemy, usable in any session."""
    with Session(pool.connections["DEFAULT"].engine) as session:
        assert session.scalars(select(Keeper.name).order_by(Keeper.grade)).all() == ["Ann", "Bob", "Ann"]
        keeper = session.scalars(select(Keeper)).first()
        with pytest.raises(Conflict, match="belongs to a session that is not the pool's"):
            keeper.update()


# -- questions


def test_filter_by(keepers):
    """Rows are found by equal values, in the order of their ids, sliced, counted and iterated; None is NULL."""
    found = Keeper.objects.filter_by(name="Ann")

    assert (len(found), found.count(), len(found[:]), found[1].grade, len(found[1:]), bool(found)) == (2, 2, 2, 3, 1, True)
    assert [keeper.grade for keeper in found] == [1, 3]
    assert found.filter(Keeper.grade > 1).first().grade == 3
    assert len(Keeper.objects.filter_by(grade=None)) == 0
    assert not Keeper.objects.filter_by(name="Nobody")


def test_one_statement(pool, keepers):
    """A list of rows is one statement, although rows have a length."""
    from qapla.testing import at_most

    with at_most(1, pool.connections["DEFAULT"].engine):
        assert len(list(Keeper.objects.filter_by())) == 3


def test_no_cap(pool):
    """All rows are given, however many there are, unless somebody sets a limit."""
    Keeper.objects.add_all([Keeper(name="x", grade=number) for number in range(1200)])

    assert len(Keeper.objects.filter_by(name="x")[:]) == 1200
    assert [keeper.grade for keeper in Keeper.objects.filter_by(order_by="-grade", limit=2, offset=1)] == [1198, 1197]
    assert sum(1 for _ in Keeper.objects.filter_by().yield_per(100)) == 1200


def test_order(keepers):
    """The order is by an attribute's name, from the largest with a ``-``, by expressions, or by several."""

    def grades(order):
        return [keeper.grade for keeper in Keeper.objects.filter_by(order_by=order)]

    assert grades(None) == grades("grade") == [1, 2, 3]
    assert grades("-grade") == grades(Keeper.grade.desc()) == [3, 2, 1]
    assert grades(["name", "-grade"]) == [3, 1, 2]


def test_bulk(keepers):
    """Rows that were found are changed or deleted by one statement."""
    assert Keeper.objects.filter_by(name="Ann").update({"grade": 9}) == 2
    assert Keeper.objects.filter_by(name="Bob").delete() == 1
    assert [keeper.grade for keeper in Keeper.objects.filter_by()] == [9, 9]


def test_get(keepers):
    """``get`` gives the one row; none and several are errors that name what was asked, not its value."""
    assert Keeper.objects.get(name="Ann", grade=3).id == keepers[2].id
    with pytest.raises(NotFoundError, match=r"^no row of 'Keeper' has this name$"):
        Keeper.objects.get(name="Nobody")
    with pytest.raises(MultipleResults, match=r"^several rows of 'Keeper' have this name"):
        Keeper.objects.get(name="Ann")


def test_count(keepers):
    """``count`` counts all rows, or those with these values."""
    assert (Keeper.objects.count(), Keeper.objects.count(name="Ann"), Keeper.objects.count(connection_name="OTHER")) == (3, 2, 0)


def test_raw_sql(keepers):
    """Values are bound, so that quotes in them stay values; a percent sign in the text is one; a tuple is a list for IN."""
    odd = "x' OR '1'='1' -- %s ü"

    assert Keeper.objects.raw_sql("SELECT id FROM objects_keeper WHERE name = :name", name=odd).fetchall() == []
    found = Keeper.objects.raw_sql("SELECT name FROM objects_keeper WHERE name LIKE 'A%' AND grade = :grade;", grade=3)
    assert found.fetchone().name == "Ann"
    assert Keeper.objects.raw_sql("SELECT count(*) FROM objects_keeper WHERE grade IN :grades", grades=(1, 2, 7)).scalar() == 2
    assert Keeper.objects.raw_sql(r"SELECT '12\:30'").scalar() == "12:30"


def test_manager(keepers):
    """A model may have questions of its own."""
    assert Keeper.objects.named("Bob").grade == 2
    assert keepers[0].objects.named("Bob").objects.pool is Keeper.objects.pool


# -- locks


def test_get_for_update(pool, keepers):
    """The row is locked until the commit: another thread is refused at once, or waits for the file where no rows are locked."""
    told = []

    def change():
        try:
            Keeper.objects.get_for_update(id=first).name = "Changed"
            pool.commit()
        except Conflict as error:
            told.append(str(error))
            pool.rollback()

    thread, first = threading.Thread(target=change), keepers[0].id
    waits = pool.connections["DEFAULT"].engine.name == "sqlite"
    Keeper.objects.get_for_update(id=first).grade = 10
    thread.start()
    if waits:
        pool.commit()
    thread.join()
    pool.commit()

    found = Keeper.objects.get(id=first)
    assert told == ([] if waits else ["the row of 'Keeper' is locked by somebody else (roll back and try again)"])
    assert (found.name, found.grade) == ("Changed" if waits else "Ann", 10)


def test_read_anew(pool, keepers):
    """A row that is known already is read again when it is locked."""
    first = keepers[0].id
    assert Keeper.objects.get(id=first).grade == 1
    pool.rollback()

    def change():
        Keeper.objects.get(id=first).grade = 8
        pool.commit()

    thread = threading.Thread(target=change)
    thread.start()
    thread.join()

    assert Keeper.objects.get_for_update(id=first).grade == 8


# -- rows


def test_relations(pool):
    """Rows are found through relations, in both directions, with any text in them."""
    keeper = Keeper(name="O'Hara \"100%\" ü").add()
    Animal(name="Emu", keeper=keeper, facts={"legs": 2}).add()
    Animal(name="Ape", keeper_id=keeper.id).add()
    pool.commit()

    assert [animal.name for animal in keeper.animals] == ["Ape", "Emu"]
    assert Animal.objects.get(keeper=keeper, name="Emu").facts == {"legs": 2}
    assert Animal.objects.get(name="Ape").keeper.name == "O'Hara \"100%\" ü"


def test_delete(pool, keepers):
    """A deleted row is gone after the commit; a new one cannot be deleted."""
    keepers[1].delete()
    pool.commit()

    assert Keeper.objects.count() == 2
    with pytest.raises(Conflict, match="a row of 'Keeper' cannot be deleted: it is on no connection yet"):
        Keeper().delete()
    with pytest.raises(Conflict, match="cannot be updated"):
        Keeper().update()


def test_refresh(pool, keepers):
    """A row is read again as the database has it."""
    Keeper.objects.raw_sql("UPDATE objects_keeper SET name = 'New' WHERE grade = 2")
    keepers[1].name = "lost"

    keepers[1].refresh()

    assert keepers[1].name == "New"


def test_belonging(pool, keepers):
    """A row belongs to the connection that it came from, also after its session was closed; no other one takes it."""
    keepers[0].grade = 5
    with pytest.raises(Conflict, match="a row of 'Keeper' belongs to connection 'DEFAULT', not to 'OTHER'"):
        keepers[0].add(connection_name="OTHER")
    pool.commit()
    pool.close()
    with pytest.raises(Conflict, match="belongs to connection 'DEFAULT'"):
        Keeper.objects.add_all([keepers[0]], connection_name="OTHER")

    keepers[0].grade = 6
    keepers[0].update()
    pool.commit()

    assert [Keeper.objects.filter_by(grade=6, connection_name=name).count() for name in pool.connections] == [1, 0]


def test_with_block(tmp_path):
    """The same model works in a ``with`` of a driver, without any pool."""
    with Sqlite(tmp_path / "zoo.sqlite") as db:
        db.create_table(Keeper)
        db.create_table(Animal)
        Keeper(name="Ann").save()
        Keeper(name="Bob").save()
        Keeper.select().where(name="Ann").first().delete()
        bob = Keeper.select().first()
        bob.name = "Bobby"
        bob.update()
        bob.refresh()

        assert [keeper.name for keeper in Keeper.select()] == ["Bobby"]


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: Keeper.objects.get(), "nothing says which row of 'Keeper' is meant"),
        (lambda: Keeper.objects.get_for_update(), "nothing says which row"),
        (lambda: Keeper.objects.get(nme="Ann"), "'Keeper' has no 'nme' (did you mean 'name'?)"),
        (lambda: Keeper.objects.filter_by(nme="Ann"), "'Keeper' has no 'nme'"),
        (lambda: Keeper.objects.count(nme="Ann"), "'Keeper' has no 'nme'"),
        (lambda: Keeper.objects.filter_by(order_by="-nme"), "'Keeper' has no 'nme'"),
        (lambda: Keeper.objects.filter_by(id=[1, 2]), "'id' of 'Keeper' is compared with one value"),
        (lambda: Keeper.objects.raw_sql("SELECT :a, :b", a=1), "the SQL has no value for 'b'"),
        (lambda: Keeper.objects.raw_sql("SELECT :a", a=1, c=1), "the SQL has no parameter 'c'"),
    ],
)
def test_invalid_query(tmp_path, ask, said):
    """What cannot be asked is told before any database is."""
    url = f"sqlite:///{tmp_path / 'zoo.sqlite'}"

    with init_pool({"DATABASES": {"SQLITE": {"DEFAULT": url}}}), pytest.raises(InvalidQueryError) as told:
        ask()

    assert said in str(told.value)
