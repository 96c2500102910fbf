"""Read a routing file: YAML, strictly.

::

    rotarran.auth.controllers:          # what the names of classes below begin with
      - controller: LoginController
        route: /auth/login
        route_name: auth:login
        methods: [GET, POST]
      - controller: LogoutController    # route, name, methods … may also be attributes of the class
    rotarran.controllers.ChoiceController:
      route: /choices/{id}

Also a plain list of entries with whole names. An entry may have ``url``; then ``route`` is its name. Whatever is wrong (an unknown key or
class, a name or address that is declared twice, a route that one before it hides) is an error with file and line.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from qapla.errors import ConfigurationError, QaplaError, nearest
from qapla.plugins.controllers.controller import Controller
from qapla.plugins.controllers.declaration import Declared, declare, hides, refuse_unknown

KEYS = ("controller", "route", "url", "route_name", "methods", "renderer", "permission", "factory", "route_options", "view_options")
TEXTS = ("controller", "route", "url", "route_name", "renderer", "permission", "factory")


class _File:
    """One routing file while it is read; knows how to say where something is wrong."""

    def __init__(self, path: str) -> None:
        self.path = path

    def wrong(self, node: yaml.Node | yaml.Mark, message: str, hint: str | None = None) -> ConfigurationError:
        mark = node.start_mark if isinstance(node, yaml.Node) else node
        return ConfigurationError(f"{self.path}:{mark.line + 1}: {message}", hint=hint)

    def compose(self) -> yaml.Node | None:
        try:
            text = Path(self.path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigurationError(f"routing file {self.path!r} cannot be read: {reason}") from error
        try:
            return yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}" if mark else ""
            raise ConfigurationError(f"{self.path}{line}: this is not YAML: {error.problem or error.context}") from error
        except yaml.YAMLError as error:
            raise ConfigurationError(f"{self.path}: this is not YAML") from error

    def pairs(self, node: yaml.Node) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Return key and value nodes by key; YAML itself would let the last of two equal keys win."""
        if not isinstance(node, yaml.MappingNode):
            raise self.wrong(node, "keys and values are expected here")
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            name = str(self.value(key))
            if name in found:
                line = found[name][0].start_mark.line + 1
                raise self.wrong(key, f"{name!r} is here a second time", hint=f"the first time is in line {line}")
            found[name] = (key, value)
        return found

    def value(self, node: yaml.Node) -> Any:
        """Return the plain value of *node*."""
        if isinstance(node, yaml.MappingNode):
            return {name: self.value(value) for name, (_, value) in self.pairs(node).items()}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item) for item in node.value]
        try:
            return yaml.SafeLoader("").construct_object(node)
        except yaml.YAMLError as error:
            raise self.wrong(node, f"the value has the kind {node.tag!r}, which is not offered") from error

    def entries(self, root: yaml.Node) -> list[tuple[str, yaml.Node]]:
        """Return the entries, each with what the name of its class begins with."""
        if isinstance(root, yaml.SequenceNode):
            return [("", item) for item in root.value]
        found: list[tuple[str, yaml.Node]] = []
        for prefix, (_, value) in self.pairs(root).items():
            if isinstance(value, yaml.SequenceNode):
                found += [(f"{prefix}.", item) for item in value.value]
            elif isinstance(value, yaml.MappingNode):
                found.append((prefix, value))
            else:
                raise self.wrong(value, "a list of controllers is expected here")
        return found


def read(path: str) -> list[Declared]:
    """Return the controllers of the file at *path*, in its order.

    Raises:
        ConfigurationError: something in it is wrong; file and line are named.
    """
    file = _File(path)
    root = file.compose()
    found: list[Declared] = []
    for prefix, node in file.entries(root) if root is not None else ():
        one = _read_entry(file, prefix, node)
        _check(file, node, one, found)
        found.append(one)
    return found


def _read_entry(file: _File, prefix: str, node: yaml.Node) -> Declared:
    pairs = file.pairs(node)
    for name, (key, _) in pairs.items():
        refuse_unknown(name, KEYS, f"{file.path}:{key.start_mark.line + 1}")
    options = {name: _read_option(file, name, value) for name, (_, value) in pairs.items()}
    name = options.pop("controller", "")
    if bool(name) == (bool(prefix) and not prefix.endswith(".")):
        if not name:
            raise file.wrong(node, "the entry has no key 'controller'")
        raise file.wrong(node, "the class is named twice", hint=f"below a package comes a list: '- controller: {name}'")
    if "url" in options:  # the other spelling: url is the address, route its name
        options["route_name"] = options.pop("route", options.get("route_name"))
        options["route"] = options.pop("url")
    at = pairs["controller"][1] if name else node
    controller = _find(file, at, prefix + name)
    place = (file.path, node.start_mark.line + 1, "", f"controller: {prefix}{name}")
    try:
        return declare(controller, options, place)
    except QaplaError as error:
        raise file.wrong(at, error.message, hint=error.hint) from error


def _read_option(file: _File, name: str, node: yaml.Node) -> Any:
    value = file.value(node)
    if name in TEXTS and not (isinstance(value, str) and value):
        raise file.wrong(node, f"{name!r} has to be text")
    if name == "methods":
        value = [value] if isinstance(value, str) else value
        if not (isinstance(value, list) and value and all(isinstance(method, str) for method in value)):
            raise file.wrong(node, "'methods' has to be a list of HTTP methods", hint="methods: [GET, POST]")
    if name.endswith("_options") and not isinstance(value, dict):
        raise file.wrong(node, f"{name!r} has to be keys and values")
    return value


def _find(file: _File, node: yaml.Node, dotted: str) -> Any:
    module, _, name = dotted.rpartition(".")
    try:
        home = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise  # the module is there, and imports something that is not
        raise file.wrong(node, f"there is no module {module!r}") from None
    except ValueError:
        raise file.wrong(node, f"{dotted!r} is not the dotted name of a class") from None
    if not hasattr(home, name):
        names = [key for key, value in vars(home).items() if isinstance(value, type) and issubclass(value, Controller)]
        raise file.wrong(node, f"module {module!r} has no {name!r}", hint=nearest(name, names))
    return getattr(home, name)


def _check(file: _File, node: yaml.Node, one: Declared, before: list[Declared]) -> None:
    for other in before:
        line = other.place[1] if other.place else None
        if one.route is not None and other.route_name == one.route_name:
            raise file.wrong(node, f"route name {one.route_name!r} is declared a second time", hint=f"the first time is in line {line}")
        if one.route is not None and other.route == one.route:
            raise file.wrong(node, f"route {one.route!r} is declared a second time", hint=f"the first time is in line {line}")
        if hides(other, one):
            hint = f"put it before {other.route!r} in line {line}, which takes all its addresses"
            raise file.wrong(node, f"route {one.route!r} can never be reached", hint=hint)
