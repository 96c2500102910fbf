"""``qapla repositories …``: what waits to be written into the stores behind repositories, and a worker that writes it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from qapla.cli import prepared
from qapla.errors import ConfigurationError, StoreUnavailable

if TYPE_CHECKING:
    from qapla.driver.repositories.repository import Repository
    from qapla.driver.repositories.writer import Writer

Found = dict[str, "Repository[Any, Any]"]


@click.group()
def repositories() -> None:
    """Write behind repositories: show what waits, write it, try again what was refused."""


@repositories.command()
@click.argument("names", nargs=-1)
@click.option("--until-empty", is_flag=True, help="Write what waits, and end.")
@click.pass_context
def write(context: click.Context, names: tuple[str, ...], until_empty: bool) -> None:
    """Write what waits into the stores, until Ctrl-C or SIGTERM. Several at once, and on several machines, stand in for each other.

    Example: qapla repositories write
    """
    with _behind(context, names) as found:
        asyncio.run(_write_all(found) if until_empty else _work(found))


@repositories.command()
@click.argument("names", nargs=-1)
@click.pass_context
def status(context: click.Context, names: tuple[str, ...]) -> None:
    """Show how many writes wait, since when, and what the stores have refused and why. Exit code 1 if something was refused.

    Example: qapla repositories status
    """

    async def show() -> int:
        count = 0
        for name, writer in _writers(found):
            seen, refused = await writer.look(), await writer.refused()
            count += len(refused)
            since = f", since {seen.age_s():.0f} s" if seen.waiting.size else ""
            click.echo(f"{name:20} {seen.waiting.size} wait{since}; {len(refused)} refused")
            for key, why in refused.items():
                click.echo(f"    {key}  {why}")
        await _close(found)
        return count

    with _behind(context, names) as found:
        is_wrong = asyncio.run(show())
    context.exit(1 if is_wrong else 0)


@repositories.command()
@click.argument("names", nargs=-1)
@click.pass_context
def retry(context: click.Context, names: tuple[str, ...]) -> None:
    """Let writes that a store has refused wait again. What was written to the same keys after them stays.

    Example: qapla repositories retry article
    """

    async def again() -> None:
        for name, writer in _writers(found):
            click.echo(f"{name:20} {await writer.retry_refused()} wait again")
        await _close(found)

    with _behind(context, names) as found:
        asyncio.run(again())


@contextmanager
def _behind(context: click.Context, names: tuple[str, ...]) -> Iterator[Found]:
    """Give the named repositories, or all, that are written behind; the application runs meanwhile."""
    application = prepared(context).run_command()
    try:
        kept = application["repositories"]
        kept.has_workers = False
        found: Found = {name: kept.service(name).repository for name in names or kept}
        for name in names:
            if found[name].writer is None:
                raise ConfigurationError(f"repository {name!r} is not written behind", hint="write_policy='behind'")
        found = {name: one for name, one in found.items() if one.writer is not None}
        if not found:
            raise ConfigurationError("no repository is written behind", hint="Declared(…, write_policy='behind')")
        yield found
    finally:
        application.stop()


def _writers(found: Found) -> Iterator[tuple[str, Writer]]:
    for name, one in found.items():
        assert one.writer is not None
        yield name, one.writer


async def _write_all(found: Found) -> None:
    try:
        for name, writer in _writers(found):
            try:
                click.echo(f"{name:20} {await writer.write_pending()} written")
            except StoreUnavailable as error:
                raise click.ClickException(f"{name}: {error}") from error
    finally:
        await _close(found)


async def _work(found: Found) -> None:
    ending = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, ending.set)
    try:
        async with AsyncExitStack() as stack:
            for _, writer in _writers(found):
                await stack.enter_async_context(writer.running())
            click.echo(f"writing behind {', '.join(found)}")
            await ending.wait()
    finally:
        await _close(found)


async def _close(found: Found) -> None:
    for one in found.values():
        await one.aclose()
