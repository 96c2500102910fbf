"""The renderer of ``.pt``: Chameleon, which comes with Deform. Only where no other plugin or application has registered one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pyramid.interfaces import PHASE3_CONFIG, IRendererFactory
from pyramid.path import AssetResolver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chameleon import PageTemplateFile
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the renderer when everybody else has had the chance to."""

    def register() -> None:
        if config.registry.queryUtility(IRendererFactory, name=".pt") is None:
            config.registry.registerUtility(make_renderer, IRendererFactory, name=".pt")

    config.action(None, register, order=PHASE3_CONFIG)


def make_renderer(info: Any) -> Callable[[Any, Mapping[str, Any]], str]:
    """Return the renderer of one template (Pyramid's renderer factory)."""
    path = AssetResolver(info.package).resolve(info.name).abspath()
    reload = bool(info.settings.get("pyramid.reload_templates"))

    def render(value: Mapping[str, Any] | None, system: Mapping[str, Any]) -> str:
        names = {**system, **(value or {})}
        return load(path, reload)(**names)

    return render


@cache
def load(path: str, reload: bool) -> PageTemplateFile:
    """Return the template at *path*, compiled when it is first used; with *reload* again whenever its file changes."""
    from chameleon import PageTemplateFile

    return PageTemplateFile(path, auto_reload=reload)
