"""One unit of work: a request, a task, a command or a test.

A scope asks a plugin for its value only when somebody wants it, and closes what was opened in reverse order, in every ending.
``request.main``, ``@WithDatabase(main, "main")``, the fixture ``dbsession`` and ``with app.scope() as scope`` are four spellings of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from qapla.application import Application


class Scope:
    """Values of plugins that live as long as one unit of work. Used by one thread.

    Args:
        app: the application whose plugins are asked.
        request: the request that this scope belongs to, if it is one.
    """

    def __init__(self, app: Application, request: Any = None) -> None:
        self.app = app
        self.request = request
        self.closed = False
        self._values: dict[str, Any] = {}
        self._closers: list[Callable[[BaseException | None], None]] = []

    def __getitem__(self, key: str) -> Any:
        """Return what the plugin called *key* offers to this scope; it is opened by the first who asks."""
        try:
            return self._values[key]
        except KeyError:
            return self._open(key)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def _open(self, key: str) -> Any:
        if self.closed:
            raise RuntimeError(f"the scope is closed: {key!r} cannot be opened any more")
        plugin = self.app.get_plugin(key)
        value = self._values[key] = plugin.enter(self)
        self._closers.append(lambda error: plugin.exit(self, value, error))
        return value

    def on_close(self, closer: Callable[[BaseException | None], None]) -> None:
        """Call *closer* when the scope ends, with the error that ended it or None; the last one added is called first."""
        self._closers.append(closer)

    def close(self, error: BaseException | None = None) -> None:
        """Close what was opened, last first. Closing twice does nothing.

        All closers run, whatever one of them raises; the first of their errors is raised afterwards.
        """
        self.closed = True
        failed: BaseException | None = None
        while self._closers:
            try:
                self._closers.pop()(error)
            except BaseException as problem:
                failed = failed or problem
        self._values.clear()
        if failed is not None:
            raise failed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close(error)
