"""``qapla shell``: Python with the application started, one scope open, and a session for each of its databases.

IPython where it is installed, else Python's own prompt with completion. Nothing is committed unless somebody commits.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qapla.application import Application
    from qapla.scope import Scope


def run_shell(app: Application, source: str | None = None) -> None:
    """Start *app*, then run *source*, or what is piped in, or ask for input; close the scope and stop."""
    app.run_shell()
    try:
        with app.scope() as scope:
            names = make_names(app, scope)
            if source is None and not sys.stdin.isatty():
                source = sys.stdin.read()
            if source is not None:
                run(app, source, names)
                return
            interact(names, describe(app, names))
    finally:
        app.stop()


def run(app: Application, source: str, names: dict[str, Any]) -> None:
    """Run *source*.

    Raises:
        Unavailable: a declared database is away.
    """
    try:
        exec(compile(source, "<qapla shell>", "exec"), names)  # noqa: S102
    except Exception as error:
        outage = app["database"].find_outage(error) if "database" in app else None
        if outage is None:
            raise
        raise outage from error


def make_names(app: Application, scope: Scope) -> dict[str, Any]:
    """Return what a shell knows: ``app``, ``settings``, ``scope``, and the session of each database by its name."""
    names: dict[str, Any] = {"__name__": "__main__"}
    if "database" in app:
        names |= {database.name: scope["database"][database.name] for database in app["database"]}
    return names | {"app": app, "settings": app.settings, "scope": scope}


def describe(app: Application, names: dict[str, Any]) -> str:
    """Return what is said before the first prompt."""
    sessions = [name for name, value in names.items() if type(value).__name__.endswith("Session")]
    lines = [f"{type(app).__name__}: app, settings, scope"]
    if sessions:
        lines.append(f"sessions: {', '.join(sessions)}    (nothing is kept without commit())")
    return "\n".join(lines)


def interact(names: dict[str, Any], banner: str) -> None:
    """Ask for input until its end."""
    if find_spec("IPython") is not None:
        import IPython  # type: ignore[import-not-found, unused-ignore]

        print(banner)  # noqa: T201
        IPython.start_ipython(argv=["--no-banner"], user_ns=names)
        return
    import code

    _complete(names)
    code.interact(banner=banner, local=names, exitmsg="")


def _complete(names: dict[str, Any]) -> None:
    try:
        import readline
        import rlcompleter
    except ImportError:  # not every Python has it
        return
    readline.set_completer(rlcompleter.Completer(names).complete)
    readline.parse_and_bind("tab: complete")
