"""qapla.scope"""

from __future__ import annotations

import asyncio
import threading

import pytest

from qapla.application import Application
from qapla.plugin import Plugin
from qapla.scope import current, find_current


class Tracing(Plugin):
    """Writes down what happens to it."""

    def __init__(self, key, seen, fails=False):
        self.key, self.seen, self.fails = key, seen, fails

    def enter(self, scope):
        """Open."""
        self.seen.append(f"open {self.key}")
        return self.key.upper()

    def exit(self, scope, value, error):
        """Close."""
        self.seen.append(f"close {self.key} {type(error).__name__}")
        if self.fails:
            raise ValueError(self.key)


@pytest.fixture
def seen():
    """Give the list that plugins write to."""
    return []


@pytest.fixture
def app(seen):
    """Give a running application with three plugins; the second fails when it closes."""

    class Traced(Application):
        class MetaConfig:
            settings_module = "lazydb.settings"

        def append_app_plugins(self):
            for key in ("one", "two", "three"):
                self.add_app_plugin(Tracing(key, seen, fails=key == "two"))

    app = Traced().run_tests()
    yield app
    app.stop()


class TestScope:
    """Application.scope()"""

    def test_opens_nothing_by_itself(self, app, seen):
        """A plugin that nobody asks costs nothing."""
        with app.scope():
            pass

        assert seen == []

    def test_opens_once_and_closes_last_first(self, app, seen):
        """What was opened last is closed first."""
        with app.scope() as scope:
            assert [scope["three"], scope["one"], scope["three"]] == ["THREE", "ONE", "THREE"]

        assert seen == ["open three", "open one", "close one NoneType", "close three NoneType"]

    def test_tells_the_error(self, app, seen):
        """Plugins learn what ended the scope."""
        with pytest.raises(KeyError), app.scope() as scope:
            {}[scope["one"]]

        assert seen == ["open one", "close one KeyError"]

    def test_one_failing_exit_stops_no_other(self, app, seen):
        """All are closed; the first problem is raised afterwards."""
        scope = app.scope()
        scope["one"], scope["two"]

        with pytest.raises(ValueError, match="two"):
            scope.close()

        assert seen[2:] == ["close two NoneType", "close one NoneType"]

    def test_closed_stays_closed(self, app):
        """A closed scope opens nothing any more, and closing twice does nothing."""
        scope = app.scope()
        scope.close()
        scope.close()

        with pytest.raises(RuntimeError, match="'one'"):
            scope["one"]


class TestFindCurrent:
    """find_current"""

    def test_innermost(self, app):
        """It is the one entered last that is still open."""
        with app.scope() as outer:
            with app.scope() as inner:
                assert find_current() is inner
            assert find_current() is outer
        assert find_current() is None

    def test_made_and_not_entered(self, app):
        """A scope that nobody has entered is current for nobody."""
        app.scope()

        assert find_current() is None

    def test_closed_in_any_order(self, app):
        """A scope that is closed is current no more, whatever was entered in it."""
        outer = app.scope().enter()
        inner = app.scope().enter()

        outer.close()
        assert find_current() is inner
        inner.close()

        assert find_current() is None

    def test_entered_again_inside(self, app):
        """It is no outer scope of its own."""
        outer = app.scope().enter()
        inner = app.scope().enter()
        with outer:
            assert find_current() is outer
        assert find_current() is None
        inner.close()

        assert find_current() is None

    def test_other_threads(self, app):
        """A thread begins without a scope; one that it closes is closed for all."""
        found = []
        with app.scope() as scope:
            thread = threading.Thread(target=lambda: (found.append(find_current()), scope.close()))
            thread.start()
            thread.join()

            assert (found, find_current()) == ([None], None)

    def test_tasks_of_asyncio(self, app):
        """Each task has its own, and knows the one that it was made in."""

        async def work(outer):
            assert find_current() is outer
            with app.scope() as scope:
                await asyncio.sleep(0)
                assert find_current() is scope

        async def main():
            with app.scope() as outer:
                await asyncio.gather(work(outer), work(outer))
                assert find_current() is outer

        asyncio.run(main())

    def test_generators(self, app):
        """``current`` keeps the scope of a generator from being its caller's between two steps."""

        def steps():
            scope = app.scope()
            with current(scope):
                first = find_current() is scope
            yield first
            scope.close()

        with app.scope() as outer:
            for step in steps():
                assert step
                assert find_current() is outer


class TestAsynchronousScope:
    """async with Application.scope()"""

    def test_closes_last_first_and_awaits_what_needs_it(self, app, seen):
        """Plain and awaited closers alike; plugins see that the scope is one of asyncio."""

        async def closer(error):
            await asyncio.sleep(0)
            seen.append(f"awaited {type(error).__name__}")

        async def work():
            async with app.scope() as scope:
                assert (scope["one"], scope.is_asynchronous, find_current()) == ("ONE", True, scope)
                scope.on_close(closer)
                scope.on_close(lambda error: seen.append("plain"))
            assert scope.closed
            assert find_current() is None

        asyncio.run(work())

        assert seen == ["open one", "plain", "awaited NoneType", "close one NoneType"]

    def test_all_are_closed_and_the_first_error_is_raised(self, app, seen):
        """Whatever one of them raises."""

        async def work():
            async with app.scope() as scope:
                scope["one"], scope["two"]
                raise KeyError

        with pytest.raises(ValueError, match="two"):
            asyncio.run(work())

        assert seen[2:] == ["close two KeyError", "close one KeyError"]

    def test_closed_by_the_wrong_door(self, app):
        """What has to be awaited cannot be closed in passing."""

        async def work():
            async with app.scope() as scope:
                with pytest.raises(RuntimeError, match=r"await scope\.aclose\(\)"):
                    scope.close()

        asyncio.run(work())
