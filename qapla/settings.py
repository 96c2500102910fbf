"""Read the settings of an application: ``default``, then the start point's module, then ``local``.

Every module of the settings package has one function, ``make_settings(settings, paths)``, as morfdict has it. Two of morfdict's habits are
left out on purpose: it interpolates ``%`` (a ``%40`` in a database URL would print all settings into it), and it swallows the ImportError
of a settings file that exists but is broken. Here a file is looked for first and then imported loudly.

A key is written ``settings["db:main:url"]`` or ``settings["db"]["main"]["url"]``; both are the same. ``QAPLA__DB__MAIN__URL`` in the
environment wins over the files, and what the program itself passes to the start over both. ``QAPLA__PATHS__MIGRATIONS`` sets a path.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import morfdict

from qapla.errors import QaplaError, SettingsError, closest, nearest, tell
from qapla.masking import mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

ENVIRONMENT_PREFIX = "QAPLA__"
REQUIRED = object()


class Paths(morfdict.Paths):
    """The paths by key, as morfdict has them: ``paths.set("migrations", "migrations", parent="module_root")``."""

    def get(self, name: str) -> str:
        """Return the path.

        Raises:
            SettingsError: it is not set, or leads from one that is not.
        """
        if name not in self.paths:
            raise SettingsError(f"path {name!r} is not set", hint=nearest(name, self.paths) or f"paths.set({name!r}, …) in the settings")
        path: str = super().get(name)
        return path


class Settings(morfdict.MorfDict):
    """The settings by key; ``:`` in a key leads one level deeper. Its ``repr`` masks secrets."""

    def __init__(self, data: Mapping[str, Any] | None = None, place: str = "the settings") -> None:
        self._origins: dict[str, str] = {}
        self._place = place  # where they are, as long as none is set
        super().__init__(data or {})

    def __getitem__(self, key: str) -> Any:
        first, _, rest = key.partition(":")
        value: Any = dict.__getitem__(self, first)
        if first in self._morf:
            value = self._morf[first](self, value)
        return value[rest] if rest else value

    def __setitem__(self, key: str, value: Any) -> None:
        first, _, rest = key.partition(":")
        if not rest:
            dict.__setitem__(self, first, Settings(value) if type(value) is dict else value)
            return
        if not isinstance(dict.get(self, first, None), Settings):
            dict.__setitem__(self, first, Settings())
        dict.__getitem__(self, first)[rest] = value

    def __contains__(self, key: object) -> bool:
        return self.get(str(key), REQUIRED) is not REQUIRED

    def __repr__(self) -> str:
        return f"<Settings {masked(self)}>"

    __str__ = __repr__

    def get(self, key: str, default: Any = None) -> Any:
        """Return the setting, or *default* where any part of *key* is missing."""
        try:
            return self[key]
        except (KeyError, TypeError):
            return default

    def require(self, key: str, expected: str) -> Any:
        """Return the setting.

        Args:
            expected: what it should be, in words, for whoever has to write it: ``"a database URL"``.

        Raises:
            SettingsError: it is missing; the message has key, file and what was expected.
        """
        value: Any = self.get(key)
        if value is None:
            near = nearest(key, [known for known, value in flat(self) if value is not None and _is_near(key, known)])
            hint = f"expected {expected}; {near}" if near else f"expected {expected}"
            raise SettingsError(f"setting {key!r} is missing from {self._files()}", hint=hint)
        return value

    def read(self, key: str, kind: type, default: Any, expected: str) -> Any:
        """Return the setting as *kind*; text, as the environment has it, is converted.

        Raises:
            SettingsError: it cannot be read so; the message has key, file and what was expected.
        """
        value = self.get(key)
        if value is None:
            return default
        if kind is bool and isinstance(value, str):
            if value.lower() not in BOOLEANS:
                raise self.wrong(key, expected)
            return BOOLEANS[value.lower()]
        try:
            return kind(value)
        except (TypeError, ValueError):
            raise self.wrong(key, expected) from None

    def names(self, key: str) -> tuple[str, ...]:
        """Return the setting as names: a list, or text with commas or spaces between them, as the environment has it.

        Raises:
            SettingsError: it is something else.
        """
        value = self.get(key)
        if isinstance(value, str):
            return tuple(value.replace(",", " ").split())
        if value is None or (isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)):
            return tuple(value or ())
        raise self.wrong(key, "a list of names")

    def resolve(self, key: str, default: Any = None) -> Any:
        """Return the object that the setting names by its dotted path, or *default* without such a setting.

        Raises:
            SettingsError: there is no such object.
        """
        value = self.get(key)
        if not isinstance(value, str):
            return default if value is None else value
        module, _, name = value.rpartition(".")
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError):
            raise self.wrong(key, "the dotted name of something that can be imported") from None

    def wrong(self, key: str, expected: str) -> SettingsError:
        """Make the error for a value that cannot be used; the value itself may be secret and is not shown."""
        return SettingsError(f"setting {key!r} in {self.origin(key)} is wrong", hint=f"expected {expected}")

    def origin(self, key: str) -> str:
        """Return the file, or the environment variable, that set *key*."""
        return self._origins.get(key) or self._files()

    def mark(self, origin: str, before: Mapping[str, Any]) -> None:
        """Remember *origin* for every setting that differs from *before* (from ``dict(flat(settings))``)."""
        self._origins.update({key: origin for key, value in flat(self) if key not in before or before[key] is not value})

    def _files(self) -> str:
        return ", ".join(dict.fromkeys(self._origins.values())) or self._place


BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False, "": False}


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every single setting with its whole key, ``db:main:url``."""
    for key in list(settings):
        value: Any = settings[key]
        if isinstance(value, Settings):
            yield from flat(value, f"{prefix}{key}:")
        else:
            yield f"{prefix}{key}", value


def _is_near(key: str, known: str) -> bool:
    """Tell whether *known* could be a slip of the pen for *key*. Levels that both begin with say nothing: one plugin has many keys."""
    ours, theirs = key.split(":"), known.split(":")
    while min(len(ours), len(theirs)) > 1 and ours[0] == theirs[0]:
        del ours[0], theirs[0]
    return closest(":".join(ours), [":".join(theirs)]) is not None


def masked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings by their whole keys, with every secret and every password of a URL masked."""
    return {key: mask(key, value) for key, value in flat(settings)}


def load(package: str, start_point: str, overrides: Mapping[str, Any] | None = None) -> tuple[Settings, Paths]:
    """Read the settings in *package* for one start point (``uwsgi celery tests shell command``).

    ``default`` must exist. ``local``, a file of this machine, comes last, but never over ``tests``: a test must not depend on it.
    *overrides*, given by the program that starts the application, win over everything.

    Raises:
        SettingsError: no ``default``, or a module without ``make_settings``.
    """
    settings, paths = Settings(), Paths()
    paths.set("module_root", _find_root(package))
    for name in ("default", start_point) if start_point == "tests" else ("default", start_point, "local"):
        module = _find_module(package, name)
        if module is not None:
            _run(module, settings, paths)
    _read_environment(settings)
    override(settings, overrides or {}, "the start call")
    _take_paths(settings, paths)
    return settings, paths


def load_dotted(given: Mapping[str, Any], prefix: str, origin: str) -> tuple[Settings, Paths]:
    """Make settings of those in *given* that begin with *prefix*, ``qapla.db.main.url``, and of the environment; there are no files."""
    settings, paths = Settings(place=origin), Paths()
    own = {key.removeprefix(prefix): value for key, value in given.items() if key.startswith(prefix)}
    override(settings, from_dotted(own), origin)
    _read_environment(settings)
    _take_paths(settings, paths)
    return settings, paths


def from_dotted(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by their own keys, ``db:main:url``, from those of an .ini file, ``db.main.url``."""
    return {key.replace(".", ":"): value for key, value in given.items()}


def override(settings: Settings, values: Mapping[str, Any], origin: str) -> None:
    """Set *values* over what is there, and remember *origin*."""
    before = dict(flat(settings))
    for key, value in values.items():
        settings[key] = value
    settings.mark(origin, before)


def _take_paths(settings: Settings, paths: Paths) -> None:
    """Let ``paths:<key>``, from wherever a file has no say, be the path of that key."""
    given = settings.pop("paths", Settings())
    if not isinstance(given, Settings):
        raise settings.wrong("paths", "paths by key: 'paths:migrations'")
    for key, value in flat(given):
        paths.set(key, value)


def find_package(application: type) -> str:
    """Return the settings package of an application class that names none: ``settings`` in its own package, or in one around that.

    A class derived elsewhere, in a test perhaps, has the settings of the class that it is derived from.
    """
    modules = [kind.__module__ for kind in application.__mro__ if kind.__module__.partition(".")[0] not in ("qapla", "builtins")]
    candidates = [f"{around}settings" for module in modules or [application.__module__] for around in _packages_around(module)]
    return next((name for name in candidates if _is_package(name)), candidates[-1])


def _packages_around(module: str) -> Iterator[str]:
    """Yield ``shop.web.`` and ``shop.`` for ``shop.web.app``; for a module of no package, the place where it lies."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    parts = (spec.name if spec is not None else module).split(".")
    is_package = getattr(sys.modules.get(module), "__path__", None) is not None
    if len(parts) == 1 and not is_package:
        yield ""
    for length in range(len(parts) if is_package else len(parts) - 1, 0, -1):
        yield ".".join(parts[:length]) + "."


def _is_package(name: str) -> bool:
    try:
        found = find_spec(name)
    except (ImportError, ValueError):
        return False
    return found is not None and found.submodule_search_locations is not None


def _find_root(package: str) -> str:
    """Return the folder of the package that *package* is in; a top-level ``settings`` stands beside its application."""
    parent = package.rpartition(".")[0]
    try:
        folders = import_module(parent or package).__path__
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and not (parent or package).startswith(error.name or "?"):
            raise  # it is there, and what it imports is not
        hint = "settings_module in MetaConfig names another one"
        raise SettingsError(f"settings package {package!r} cannot be imported: {error}", hint=hint) from error
    folder = os.path.abspath(next(iter(folders)))
    return folder if parent else os.path.dirname(folder)


def _find_module(package: str, name: str) -> ModuleType | None:
    try:
        found = find_spec(f"{package}.{name}")
    except ModuleNotFoundError as error:
        raise SettingsError(f"settings package {package!r} cannot be imported", hint=f"{error}") from error
    if found is None and name == "default":
        raise SettingsError(f"settings package {package!r} has no module 'default'", hint="default.py with make_settings(settings, paths)")
    return _import(f"{package}.{name}", found.origin) if found else None


def _import(name: str, file: str | None) -> ModuleType:
    with _told(file):
        return import_module(name)


def _run(module: ModuleType, settings: Settings, paths: Paths) -> None:
    make_settings = getattr(module, "make_settings", None)
    if make_settings is None:
        raise SettingsError(f"settings file {module.__file__!r} is incomplete", hint="expected a function make_settings(settings, paths)")
    before = dict(flat(settings))
    with _told(module.__file__):
        make_settings(settings, paths)
    settings.mark(str(module.__file__), before)


@contextmanager
def _told(file: str | None) -> Iterator[None]:
    """Let an error say in which settings file it is, and in which line."""
    try:
        yield
    except QaplaError:
        raise
    except Exception as error:
        raise SettingsError(f"settings file {file!r} cannot be used: {tell(error, file)}") from error


def _read_environment(settings: Settings) -> None:
    for variable, value in os.environ.items():
        if variable.startswith(ENVIRONMENT_PREFIX):
            key = variable[len(ENVIRONMENT_PREFIX) :].lower().replace("__", ":")
            override(settings, {key: value}, f"environment variable {variable}")
