"""Transactions that were prepared and not ended: which there are on the declared databases, what to do with them, and doing it.

A program that dies between the two phases of a commit, or a server that goes away there, leaves them behind. ``order`` proves what is to be
done with them; this module keeps the conditions of the proof: it looks a second time, knows what it could not look at, leaves alone what
somebody may be busy with or what another application has made, and works in the order that lets it be interrupted, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sqlalchemy.exc import DBAPIError

from qapla.errors import QaplaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qapla.database.database import Database
    from qapla.database.plugin import DatabasePlugin
    from qapla.database.twophase import BranchName, Prepared, TwoPhase

SETTLED_S = 60.0  # a commit that is younger is under way; ``work`` decides none that is half as old

UNDER_WAY = "under way"

Advice = Literal["commit", "roll back", "wait", "leave"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A prepared transaction and the database through which it can be ended."""

    prepared: Prepared
    database: str
    style: TwoPhase

    @property
    def name(self) -> BranchName:
        """Return its name."""
        return self.prepared.name

    def statement(self, advice: Advice) -> str:
        """Return the statement that does what is advised."""
        return (self.style.commit if advice == "commit" else self.style.roll_back).format(self.name)


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is left of one commit.

    Attributes:
        work: its id.
        branches: what is prepared, by number.
        advice: ``commit`` or ``roll back`` them; ``wait`` for what *why* says; ``leave`` them to whoever made them.
        why: one sentence.
        is_complete: every database was looked at, so that nothing of this commit can be anywhere else.
    """

    work: str
    branches: tuple[Seen, ...]
    advice: Advice
    why: str
    is_complete: bool = True

    @property
    def is_settled(self) -> bool:
        """Tell whether it is certain what is to be done."""
        return self.advice in ("commit", "roll back")

    @property
    def is_under_way(self) -> bool:
        """Tell whether a program seems to be busy with it."""
        return self.why.startswith(UNDER_WAY)

    @property
    def age_s(self) -> float | None:
        """Return the seconds since the first was prepared; None where no server knows."""
        return max((seen.prepared.age_s for seen in self.branches if seen.prepared.age_s is not None), default=None)

    @property
    def in_order(self) -> list[Seen]:
        """Return the branches in the order in which they are to be ended: the decision first in a commit, last in a roll-back."""
        return sorted(self.branches, key=lambda seen: seen.name, reverse=self.advice == "roll back")


@dataclass(slots=True)
class Report:
    """What was found on all databases.

    Attributes:
        unreachable: why a database did not answer, by name.
    """

    doubts: list[Doubt] = field(default_factory=list)
    unreachable: dict[str, str] = field(default_factory=dict)


def look(plugin: DatabasePlugin) -> Report:
    """Look for prepared transactions of ours on all databases of *plugin* that can have some."""
    seen, unreachable = _look_once(plugin)
    if seen:
        # The decision may have come after its database was asked and before another was: whoever finds a branch looks again.
        again, missing = _look_once(plugin)
        unreachable |= missing
        seen = {name: found for name, found in seen.items() if name in again or found.database in missing} | {
            name: found for name, found in again.items() if name.number == 1
        }
    works: dict[str, list[Seen]] = {}
    for name in sorted(seen):
        works.setdefault(name.work, []).append(seen[name])
    return Report([_judge(plugin, work, found, unreachable) for work, found in works.items()], unreachable)


def resolve(plugin: DatabasePlugin, doubt: Doubt) -> Iterator[Seen]:
    """Do what is advised, branch by branch; yields each that has ended.

    Raises:
        QaplaError: one could not be ended; the others wait, for the order matters.
    """
    if not doubt.is_settled:
        return
    for seen in doubt.in_order:
        if doubt.advice == "roll back" and seen.name.number == 1 and not doubt.is_complete:
            raise QaplaError(f"{seen.name} on {seen.database!r} has to stay until every database answers: it is the last")
        _end(plugin[seen.database], seen, doubt.advice)
        yield seen


def _end(database: Database, seen: Seen, advice: Advice) -> None:
    try:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            try:
                connection.exec_driver_sql(seen.statement(advice))
            except DBAPIError:
                if seen.name in seen.style.find(connection):
                    raise
    except DBAPIError as error:
        raise QaplaError(f"{seen.name} on {seen.database!r} is still there: {_reason(error)}") from error


def _look_once(plugin: DatabasePlugin) -> tuple[dict[BranchName, Seen], dict[str, str]]:
    found: dict[BranchName, Seen] = {}
    unreachable: dict[str, str] = {}
    for database in plugin:
        style = plugin.plan.styles[database.name]
        if style is None:
            continue
        try:
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                for name, prepared in style.find(connection).items():
                    found.setdefault(name, Seen(prepared, database.name, style))  # two databases of one server see the same
        except (DBAPIError, QaplaError) as error:
            unreachable[database.name] = _reason(error)
    return found, unreachable


def _judge(plugin: DatabasePlugin, work: str, found: list[Seen], unreachable: Mapping[str, str]) -> Doubt:
    branches, is_complete = tuple(found), not unreachable
    ages = [seen.prepared.age_s for seen in found if seen.prepared.age_s is not None]
    if any(seen.prepared.is_held for seen in found):
        return Doubt(work, branches, "wait", f"{UNDER_WAY}: the connection that prepared it is still there", is_complete)
    if any(age < SETTLED_S for age in ages):
        return Doubt(work, branches, "wait", f"{UNDER_WAY}: prepared less than {SETTLED_S:.0f} seconds ago", is_complete)
    if any(seen.name.mark != plugin.plan.mark for seen in found):
        why = "made by another application, or by this one with other databases: its own command can tell"
        return Doubt(work, branches, "leave", why, is_complete)
    if found[0].name.number == 1:
        return Doubt(work, branches, "roll back", "its decision was not committed, so nothing was", is_complete)
    if not is_complete:
        names = ", ".join(repr(name) for name in unreachable)
        return Doubt(work, branches, "wait", f"until {names} can be asked whether the decision is there", is_complete)
    return Doubt(work, branches, "commit", "its decision was committed, so the rest has to be", is_complete)


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().split("\n")[0]
