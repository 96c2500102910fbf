"""The crew over HTTP."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.view import view_config

from qapla.errors import NotFound
from rotarran.application.db import Battle
from rotarran.application.drivers import WarriorReadDriver, WarriorWriteDriver

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from rotarran.application.db import Warrior


def includeme(config: Configurator) -> None:
    """Add the routes and scan the views."""
    config.add_route("crew", "/crew")
    config.add_route("warrior", r"/crew/{id:\d+}")
    config.add_route("battles", r"/crew/{id:\d+}/battles")
    config.scan("rotarran.views")


@view_config(route_name="crew", request_method="GET", renderer="json")
def list_crew(request: Any) -> list[dict[str, Any]]:
    """Answer the crew, the most honoured first."""
    return [as_json(warrior) for warrior in WarriorReadDriver(request.main).most_honoured()]


@view_config(route_name="crew", request_method="POST", renderer="json")
def enlist(request: Any) -> dict[str, Any]:
    """Take somebody on board; committed by hand, as the application is put together."""
    name = str(request.json_body.get("name", "")).strip()
    if not name:
        raise HTTPBadRequest("name is missing")
    warrior = WarriorWriteDriver(request.main).create(name=name)
    request.main.commit()
    request.response.status = 201
    return as_json(warrior)


@view_config(route_name="warrior", request_method="GET", renderer="json")
def show_warrior(request: Any) -> dict[str, Any]:
    """Answer one warrior with his battles."""
    warrior = WarriorReadDriver(request.main).get_by_id(int(request.matchdict["id"]))
    battles = [{"place": battle.place, "on": battle.fought_on.isoformat(), "won": battle.is_won} for battle in warrior.battles]
    return {**as_json(warrior), "battles": battles}


@view_config(route_name="battles", request_method="POST", renderer="json")
def report_battle(request: Any) -> dict[str, Any]:
    """Write down a battle; honour is counted in the background, once the battle is committed."""
    from rotarran.tasks import count_honour

    warrior = WarriorReadDriver(request.main).get_by_id(int(request.matchdict["id"]))
    body = request.json_body
    warrior.battles.append(Battle(place=body["place"], fought_on=date.fromisoformat(body["on"]), is_won=body["won"]))
    count_honour.delay_after_commit()
    request.main.commit()
    request.response.status = 201
    return as_json(warrior)


@view_config(context=NotFound, renderer="json")
def not_found(error: NotFound, request: Any) -> dict[str, Any]:
    """Answer what is not there."""
    request.response.status = error.status
    return {"message": error.message}


def as_json(warrior: Warrior) -> dict[str, Any]:
    """Return a warrior as JSON has him."""
    return {"id": warrior.id, "name": warrior.name, "rank": warrior.rank, "honour": warrior.honour}
