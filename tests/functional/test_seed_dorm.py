"""dorm's README, block by block, with nothing changed but the imports: on each engine, twice on the same databases.

The blocks are kept to the letter. On PostgreSQL and MariaDB the import of ``Sqlite`` is one more that is changed: to a function of that
name that opens the database which stands for the file. *RESTful Service* is a program by itself: ``restmodels/test_program.py``.
"""

from __future__ import annotations

import gc
import sys
from contextlib import ExitStack
from datetime import datetime
from types import ModuleType

import pytest

from qapla.database import drivers
from qapla.testing.servers import make_database

MODELS = '''
from datetime import datetime
from {drivers} import Sqlite
from qapla.database import models

class Question(models.Model):
    question_text = models.Char(max_length=200)
    pub_date = models.DateTime()

class Choice(models.Model):
    question = models.ForeignKey(Question)
    choice_text = models.Char(max_length=200)
    votes = models.Integer()
'''

QUERIES = '''
# Create the database file (also opens the transaction)
with Sqlite("poll.db") as db:
        try:
            db.create_table(Question)
            db.create_table(Choice)
        except Exception:
            pass
        
        # insert some data
        question = Question(question_text="What is your favorite color?", pub_date=datetime.now())
        question.save()
        choice_1 = Choice(question=question.id, choice_text="red", votes=0)
        choice_2 = Choice(question=question.id, choice_text="blue", votes=0)
        choice_1.save()
        choice_2.save()

# read from database
with Sqlite("poll.db") as db:
    first_question = Question.select().where(id=1).first()
    red_choices = Choice.select().where(choice_text="red").all()

    # Get first 5 results from all databases
    first_5_choices = Choice.select()[:5]

    # Get first 5 results from first 5 databases
    first_5_choices_dbs = Choice.select()[:5, :5]

    # Get results as pandas.DataFrame
    all_choices_as_df = Choice.select().as_df()
'''

PARALLEL = '''
with ExitStack() as stack:
    [stack.enter_context(Sqlite(db['address'])) for db in DATABASES]
    # get dask distributed dataframe
    ddf = Choice.select().as_distributed_df()
    result = ddf.votes.value_counts().compute()
    most_common_10_votes = result.sort_values()[-10:]
    print(most_common_10_votes)
'''

ODD = ["it's \"quoted\"", "100 % of them: %s %(id)s", "日本語 ☃ \U0001f600", "back\\slash; -- ' OR 1=1", "tab\tand\nline"]
CLASSES = {"sqlite": drivers.Sqlite, "postgresql": drivers.Postgresql, "mariadb": drivers.Mariadb}


class Page:
    """The README being followed: its blocks run in one module, whose databases are of one engine."""

    def __init__(self, engine_name: str, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._engine_name, self._stack, self._monkeypatch = engine_name, stack, monkeypatch
        self._urls: dict[str, str] = {}
        self.open_page()

    def open_page(self) -> None:
        """Start anew, as another process would, on the databases that are there."""
        places = ModuleType("seed_places")
        places.Sqlite = self.open
        self.module = ModuleType("seed_poll")
        self._monkeypatch.setitem(sys.modules, "seed_places", places)
        self._monkeypatch.setitem(sys.modules, "seed_poll", self.module)
        self.run(MODELS.format(drivers="qapla.database.drivers" if self._engine_name == "sqlite" else "seed_places"))

    def open(self, address: str) -> drivers.Driver:
        """Return what opens the database that is called *address*."""
        if self._engine_name == "sqlite":
            return drivers.Sqlite(address)
        if address not in self._urls:
            url = self._stack.enter_context(make_database(self._engine_name))
            self._urls[address] = url.set(drivername=self._engine_name).render_as_string(hide_password=False)
        return CLASSES[self._engine_name](self._urls[address])

    def run(self, block: str) -> None:
        """Run a block as it is written."""
        exec(compile(block, "dorm.md", "exec"), vars(self.module))

    def __getattr__(self, name: str) -> object:
        return vars(self.module)[name]


@pytest.fixture
def page(engine_name, tmp_path, monkeypatch):
    """Give the test the README in an empty folder."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        page = Page(engine_name, stack, monkeypatch)
        yield page
    vars(page.module).clear()
    gc.collect()  # its models are of the one base that all programs share; others may declare the same tables


def test_create_models(page):
    """*Create Models*: the classes are mapped, and have the key that nobody declared; a cell of a notebook may run again."""
    page.run(MODELS.format(drivers="seed_places"))

    assert list(page.Choice.__table__.columns.keys()) == ["id", "question_id", "choice_text", "votes"]
    assert page.Question.__table__.primary_key.columns.keys() == ["id"]


def test_make_queries(page):
    """*Make Queries*: rows are saved and found; run again on the same file, and by another program, there are more of them."""
    for times in (1, 2, 3):
        page.run(QUERIES)

        assert page.first_question.question_text == "What is your favorite color?"
        assert [choice.choice_text for choice in page.red_choices] == ["red"] * times
        with page.open("poll.db"):
            assert len(list(page.first_5_choices)) == len(list(page.first_5_choices_dbs)) == min(2 * times, 5)
        assert list(page.all_choices_as_df.columns) == ["id", "question_id", "choice_text", "votes"]
        assert list(page.all_choices_as_df["choice_text"]) == ["red", "blue"] * times
        if times == 2:
            page.open_page()


def test_odd_values(page):
    """*Make Queries*, with whatever people write: quotes, percent signs, other alphabets come back as they were, and nothing else does."""
    page.run(QUERIES)
    with page.open("poll.db"):
        for text in ODD:
            question = page.Question(question_text=text, pub_date=datetime(2024, 2, 29, 23, 59, 59, 999999))
            question.save()
            page.Choice(question=question, choice_text=text, votes=7).save()

    with page.open("poll.db"):
        for text in ODD:
            found = page.Choice.select().where(choice_text=text).one()
            assert (found.choice_text, found.votes, found.question.question_text) == (text, 7, text)
            assert found.question.pub_date == datetime(2024, 2, 29, 23, 59, 59, 999999)
            assert page.Choice.select().where(choice_text__contains=text[3:9]).one() is found
            assert page.Choice.select().where(question__question_text=text, votes__gt=6).count() == 1
        assert list(page.Choice.select().where(choice_text__in=ODD).as_df()["choice_text"]) == ODD


def test_parallel_processing(page, capsys):
    """*Multiple Database Connection & Parallel Processing*: the votes of all databases are counted together, twice the same."""
    page.module.ExitStack = ExitStack
    page.module.DATABASES = [{"address": f"poll-{number}.db"} for number in range(3)]
    for number, database in enumerate(page.DATABASES):
        with page.open(database["address"]) as db:
            db.create_tables(page.Question, page.Choice)
            question = page.Question(question_text="?", pub_date=datetime(2024, 1, 1))
            question.save()
            for votes in range(12):
                page.Choice(question=question.id, choice_text="red", votes=votes % (number + 3)).save()

    for _ in range(2):
        page.run(PARALLEL)

        assert page.result.to_dict() == {0: 10, 1: 10, 2: 9, 3: 5, 4: 2}
        assert list(page.most_common_10_votes) == [2, 5, 9, 10, 10]
        assert "count" in capsys.readouterr().out
