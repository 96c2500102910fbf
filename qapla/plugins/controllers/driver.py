"""``Driver``: say once which driver a controller uses; it is made for each request, on the request's own session.

::

    class ChoiceController(Controller):
        choices = Driver(ChoiceReadDriver)                    # on request.main
        songs = Driver(SongReadDriver, database="music")      # on request.music

A unit test puts a fake in its place: ``controller.choices = FakeChoices()``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

Made = TypeVar("Made")


class Driver(Generic[Made]):
    """An attribute of a controller: *driver*, made with the session of *database* when it is first used.

    Args:
        driver: a class of drivers, or anything that is called with a session.
        database: name of the database, as in ``request.<name>``.
    """

    def __init__(self, driver: Callable[[Any], Made], database: str = "main") -> None:
        self._driver = driver
        self._database = database
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, controller: None, owner: type) -> Self: ...

    @overload
    def __get__(self, controller: Any, owner: type) -> Made: ...

    def __get__(self, controller: Any, owner: type) -> Self | Made:
        """Return the driver of this controller; Python finds it in the instance from then on."""
        if controller is None:
            return self
        made: Made = self._driver(getattr(controller.request, self._database))
        controller.__dict__[self._name] = made
        return made
