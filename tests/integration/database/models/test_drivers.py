"""qapla.database.drivers: opening databases, the commit rule, tables"""

from __future__ import annotations

import gc
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from sqlalchemy import URL, MetaData, select
from sqlalchemy.exc import SQLAlchemyError

from qapla.database import models
from qapla.database.drivers import Lazydb, Mariadb, Mysql, Postgresql, Sqlite, open_url
from qapla.database.models.binding import bound
from qapla.errors import (
    ConfigurationError,
    DatabaseError,
    InputError,
    ModelError,
    NotFound,
    QaplaError,
    TableExists,
    TargetRefused,
    Unavailable,
)

if TYPE_CHECKING:
    from pathlib import Path


class Base(models.Model):
    """The models of this module."""

    __abstract__ = True
    metadata = MetaData()


class Room(Base):
    """A table."""

    name = models.Char(max_length=50, unique=True)
    tags = models.ManyToMany("Label")


class Label(Base):
    """Another one, with a way back to the first."""

    name = models.Char(max_length=50)
    room = models.ForeignKey(Room, null=True)


class Ship(Base):
    """One in a circle of two tables."""

    captain = models.ForeignKey("Captain", null=True)


class Captain(Base):
    """The other one."""

    ship = models.ForeignKey(Ship, null=True)


DEFERRED = (
    "CREATE TEMPORARY TABLE t (a int)",
    "CREATE FUNCTION pg_temp.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '23514'; END $$",
    "CREATE CONSTRAINT TRIGGER c AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pg_temp.f()",
    "INSERT INTO t VALUES (1)",
)


def names(url: URL) -> list[str]:
    """Return the rows that are there, as another connection sees them."""
    with open_url(url) as db:
        return list(db.session.scalars(select(Room.name).order_by(Room.name)))


class TestCommit:
    """What is kept at the end of a block"""

    def test_clean_end(self, fresh_database: URL) -> None:
        """A clean end commits what was written, rows that were changed and not saved, too."""
        with open_url(fresh_database) as db:
            db.create_tables(Room, Label)
            room = Room(name="a")
            room.save()
            room.name = "b"

        assert names(fresh_database) == ["b"]

    def test_exception(self, fresh_database: URL) -> None:
        """An exception rolls back what was not committed, whatever it is, and goes on."""
        with open_url(fresh_database) as db:
            db.create_tables(Room, Label)

        def work() -> None:
            with open_url(fresh_database) as db:
                Room(name="kept").save()
                db.commit()
                Room(name="lost").save()
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            work()

        assert names(fresh_database) == ["kept"]

    def test_spoilt(self, fresh_database: URL) -> None:
        """A statement of your own that failed, and was caught, may have spoiled the transaction: then nothing is lost in silence."""
        with open_url(fresh_database) as db:
            db.create_tables(Room, Label)

        def work() -> None:
            with open_url(fresh_database) as db:
                Room(name="a").save()
                with suppress(SQLAlchemyError):
                    db.connection().exec_driver_sql("SELECT * FROM nowhere")

        if open_url(fresh_database).engine == "postgresql":
            with pytest.raises(DatabaseError, match="transaction is aborted"):
                work()
        else:
            work()
            assert names(fresh_database) == ["a"]

    def test_by_hand(self, fresh_database: URL) -> None:
        """With ``commit=False`` only ``db.commit()`` commits; ``db.rollback()`` undoes what was not."""
        with open_url(fresh_database) as db:
            db.create_tables(Room, Label)

        with open_url(fresh_database, commit=False) as db:
            Room(name="a").save()
            db.rollback()
            Room(name="b").save()
            db.commit()
            Room(name="c").save()

        assert names(fresh_database) == ["b"]

    def test_refused_commit_closes(self, postgresql_url: str) -> None:
        """A commit that the database refuses is an error of the block; it is closed nevertheless."""
        opened = []

        def work() -> None:
            with Postgresql(postgresql_url) as db:
                opened.append(db)
                for statement in DEFERRED:
                    db.connection().exec_driver_sql(statement)

        with pytest.raises(DatabaseError, match="not now"):
            work()

        assert not opened[0].is_open
        assert bound() == ()


class TestFork:
    """Processes"""

    def test_child_has_none(self, postgresql_url: str) -> None:
        """A child that is forked inside of a block sees nothing of it, and leaves the connection of its parent alone."""
        with Postgresql(postgresql_url) as db:
            before = db.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar()
            child = os.fork()
            if child == 0:
                is_alone = bound() == () and not db.is_open
                db.close()
                del db
                gc.collect()
                os._exit(0 if is_alone else 1)
            _, status = os.waitpid(child, 0)
            after = db.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar()

        assert status == 0
        assert before == after


class TestTables:
    """create_table and its kin"""

    def test_twice(self, fresh_database: URL) -> None:
        """A table that is there is a clear error, which harms nothing in the block; ``exists="skip"`` is content with it."""
        with open_url(fresh_database) as db:
            db.create_tables(Room, Label)
            Room(name="a").save()
            db.create_table(Label, exists="skip")

            with pytest.raises(TableExists, match=r"table 'room' exists already in database '.*' \(exists='skip'"):
                db.create_table(Room)

        assert names(fresh_database) == ["a"]

    def test_in_a_circle(self, fresh_database: URL) -> None:
        """Tables that lead to each other are created and dropped in one go, and those between them with them."""
        with open_url(fresh_database) as db:
            db.create_tables(Label, Room)
            there = {table.name.name for table in db.discover().tables}
            db.drop_tables(Room, Label)
            left = db.discover().tables

        assert there == {"room", "label", "room_tags"}
        assert left == ()

    def test_dropping_a_circle(self, fresh_database: URL) -> None:
        """Tables whose rows refer to each other are dropped, whatever their keys are called in the database."""
        with open_url(fresh_database) as db:
            db.create_tables(Ship, Captain)
            if db.dialect.has_named_types:
                db.connection().exec_driver_sql("ALTER TABLE ship RENAME CONSTRAINT ship_captain_id_fkey TO renamed")
            ship = Ship()
            ship.save()
            captain = Captain(ship=ship)
            captain.save()
            ship.captain = captain
            ship.save()
            db.commit()
            db.drop_tables(Ship, Captain)
            db.commit()

            assert db.discover().tables == ()

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_schemas(self, fresh_database: URL) -> None:
        """PostgreSQL's schemas that are missing are made for the tables in them."""

        class Sold(Base):
            __table_args__: ClassVar = {"schema": "sales"}
            text = models.Text()

        with open_url(fresh_database) as db:
            for _ in range(2):
                db.create_tables(Sold)
                Sold(text="a").save()
                assert Sold.select().count() == 1
                db.drop_tables(Sold)

    def test_all_or_none(self, fresh_database: URL) -> None:
        """Where one of several is there, none is created."""

        class Alone(Base):
            text = models.Text()

        with open_url(fresh_database) as db:
            db.create_table(Alone)
            with pytest.raises(TableExists):
                db.create_tables(Room, Label, Alone)

            assert [table.name.name for table in db.discover().tables] == ["alone"]
            db.drop_table(Alone)
            with pytest.raises(NotFound, match="has no table 'alone'"):
                db.drop_table(Alone)
            with pytest.raises(InputError, match="no model is named"):
                db.drop_tables()
            db.drop_table(Alone, missing="skip")

    def test_types_of_others(self, fresh_database: URL) -> None:
        """Dropping a table leaves the enums of other tables alone, and takes its own along."""

        class Painted(Base):
            colour = models.Enum("red", "blue")

        class Lit(Base):
            light = models.Enum("on", "off")

        with open_url(fresh_database) as db:
            db.create_tables(Painted, Lit)
            db.drop_table(Painted)
            db.create_table(Painted)
            Lit(light="on").save()
            Painted(colour="blue").save()

            assert (Lit.select().one().light, Painted.select().one().colour) == ("on", "blue")

    def test_no_silent_commit(self, fresh_database: URL) -> None:
        """Where the engine would commit what is under way to create a table, it is refused until that is committed by hand."""

        class Later(Base):
            text = models.Text()

        with open_url(fresh_database) as db:
            db.create_tables(Room, Label)
            Room(name="a").save()
            if db.dialect.has_transactional_ddl:
                db.create_table(Later)
                db.rollback()
                assert [table.name.name for table in db.discover().tables] == []
            else:
                with pytest.raises(InputError, match=r"table 'later' cannot be created now: MariaDB would commit .* \(db\.commit\(\)"):
                    db.create_table(Later)
                db.commit()
                db.create_table(Later)

    @pytest.mark.parametrize("wrong", [Base, int, "Room", Room(name="x")])
    def test_no_table(self, wrong: Any) -> None:
        """What is no model, or has no table, is refused."""
        with Sqlite(":memory:") as db, pytest.raises(ModelError, match=r"is no model|has no table"):
            db.create_table(wrong)

    def test_missing_table(self) -> None:
        """Saving where the table was never created says which one, and how it is made."""
        with Sqlite(":memory:") as db:
            with pytest.raises(DatabaseError, match=r'table "room" does not exist \(db\.create_table'):
                Room(name="x").save()
            db.create_tables(Room, Label)
            Room(name="x").save()


class TestPlaces:
    """What a database is named by"""

    def test_keywords(self, postgresql_url: str) -> None:
        """Host, port, user, password and database may be keywords; ``ping`` tells the seconds."""
        from sqlalchemy import make_url

        url = make_url(postgresql_url)
        with Postgresql(host=url.host, port=url.port, user=url.username, password="100% @:/", database=url.database) as db:
            seconds = db.ping()

            assert 0 < seconds < 5
            assert "100%" not in f"{db!r} {db.engine.url} {db.reference!r} {db.place}"

    def test_mysql_is_mariadb(self, mariadb_url: str) -> None:
        """Mysql opens MariaDB, too, and knows which of the two it is; Mariadb opens it by a URL of either."""
        for url in (f"{mariadb_url}mysql", f"{mariadb_url}mysql".replace("mysql://", "mariadb://", 1)):
            with Mysql(url) as one, Mariadb(url) as other:
                assert (one.dialect.key, other.dialect.key) == ("mariadb", "mariadb")

    def test_sqlite_file(self, tmp_path: Path) -> None:
        """A file is made where there is none, by path or URL; blocks on it are the same database."""
        with Sqlite(tmp_path / "it's 100%.db") as db:
            db.create_tables(Room, Label)
            row = Room(name="a")
            row.save()
        with Sqlite(f"sqlite:///{tmp_path}/it's 100%25.db") as db:
            row.name = "b"
            row.save()

        assert (tmp_path / "it's 100%.db").exists()
        assert [file.name for file in tmp_path.iterdir()] == ["it's 100%.db"]

    @pytest.mark.parametrize(
        ("open_it", "told"),
        [
            (lambda: Postgresql("sqlite:///x.db"), "Postgresql cannot open a database of SQLite (with Sqlite(…))"),
            (lambda: Postgresql("not a name"), "neither a URL nor a name"),
            (lambda: Postgresql(), "names no user"),
            (lambda: Postgresql("postgresql://u:p@h/d", port=5), "both a place and 'port'"),
            (lambda: Postgresql("postgresql://u:gehe%im@h/d"), "write '%' itself as %25"),
            (lambda: Postgresql("postgresql://u:p@h/d?options=-cx"), "takes no option 'options'"),
            (lambda: Mysql(host="h", usr="u"), "mysql takes no option 'usr'"),
            (lambda: Sqlite(""), "no SQLite file is named"),
            (lambda: Sqlite(None), "no SQLite file is named"),
            (lambda: Sqlite(host="h"), "sqlite takes no option 'host'"),
            (lambda: Sqlite(b"x.db"), "cannot open a 'bytes'"),
            (lambda: Sqlite("/etc/passwd"), "is not a SQLite database"),
            (lambda: Sqlite("no/such/folder/x.db"), "does not exist (the file is made, folders are not)"),
            (lambda: Lazydb("sqlite:///x.db"), "Lazydb('shop')"),
            (lambda: open_url("shop"), "no engine is given"),
        ],
    )
    def test_refused(self, open_it: Any, told: str) -> None:
        """What is no place is refused when it is named, before anything is opened; no message has a password."""
        with pytest.raises(TargetRefused) as caught:
            open_it()

        assert told in str(caught.value)
        assert "gehe" not in str(caught.value)

    @pytest.mark.parametrize(
        ("url", "told"),
        [
            ("postgresql://u:gehe%25im@127.0.0.1:1/d", "database 'd' cannot be used now: "),
            ("mariadb://u:gehe%25im@127.0.0.1:1/d", "database 'd' cannot be used now: "),
        ],
    )
    def test_away(self, url: str, told: str) -> None:
        """A database that cannot be reached is told with its name when it is used, and without its password."""
        with open_url(url) as db, pytest.raises(Unavailable) as caught:
            db.ping()

        assert told in str(caught.value)
        assert "gehe" not in str(caught.value)

    def test_silent_listener(self) -> None:
        """A server that takes a connection and says nothing ends with the deadline for connecting."""
        import socket

        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            started = time.monotonic()
            for name in ("mariadb", "postgresql"):
                with open_url(f"{name}://u:p@127.0.0.1:{port}/d?connect_timeout=2") as db, pytest.raises(Unavailable):
                    db.ping()

        assert time.monotonic() - started < 12

    def test_unknown_option(self) -> None:
        """Options are those of SQLAlchemy's create_engine; what is none is told."""
        with pytest.raises(ConfigurationError, match=r"options of database 'x': .*pool_sise"), Sqlite("x.db", options={"pool_sise": 3}):
            pass

    def test_registered(self, make_lazydb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The name that lazydb knows a database under opens it, with the password that is kept there; writing is as the admin allows."""
        with Sqlite(tmp_path / "shop.db") as db:
            db.create_tables(Room, Label)
            Room(name="a").save()
        lazydb = make_lazydb(tmp_path / "home")
        assert lazydb.run("add", f"sqlite:///{tmp_path}/shop.db", "--name", "shop").returncode == 0
        monkeypatch.setenv("LAZYDB_HOME", str(tmp_path / "home"))

        with Lazydb("shop") as db:
            found = list(db.session.scalars(select(Room.name)))
            with pytest.raises(QaplaError, match=r"read.?only"):
                Room(name="b").save()
            reference = db.reference
        engine = reference.open()

        assert (found, db.name, reference.kind, reference.text) == (["a"], "shop", "lazydb", "shop")
        with engine.connect() as connection:
            assert connection.scalar(select(Room.name)) == "a"
        engine.dispose()
        with pytest.raises(NotFound, match=r"no database is registered as 'shp' \(did you mean 'shop'\?\)"):
            Lazydb("shp")
        with pytest.raises(TargetRefused, match=r"Mysql cannot open a database of SQLite \(with Sqlite"):
            Mysql("shop")
