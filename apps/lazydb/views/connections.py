"""The form of a connection, its Test, and what else can be done with one: pause, resume, refresh, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response

from lazydb.connections import CheckFailed
from lazydb.options import as_shown
from lazydb.tasks import refresh_schema
from lazydb.views.form import EXAMPLES, ConnectionForm
from lazydb.views.formsecrets import conceal, reveal
from lazydb.views.links import Links
from lazydb.views.state import ask, fragment, markup
from qapla.database.dialects import ENGINES
from qapla.database.spec import check_name, from_fields, parse_url
from qapla.errors import NotFound, QaplaError, SecretLost
from qapla.plugins.admin.pages import notify

if TYPE_CHECKING:
    from pyramid.request import Request

    from lazydb.records import Registered
    from qapla.database.spec import ConnectionSpec


def show_new(request: Request) -> dict[str, Any]:
    """Show an empty form for one engine."""
    engine = request.GET.get("engine", "postgresql")
    return _page(request, ConnectionForm(engine if engine in ENGINES else "postgresql"))


def show_edit(request: Request) -> dict[str, Any]:
    """Show the form of a connection, as it is registered."""
    known = _known(request)
    form = ConnectionForm.of(known.spec, known.name, as_shown(known.options), stored=known.name)
    form.has_password = known.has_password
    return _page(request, form)


def send_form(request: Request) -> Any:
    """Do what the pressed button says: fill in the URL's parts, test, save, or save as paused."""
    stored = request.matchdict.get("name")
    if stored is not None:
        _known(request)
    form = ConnectionForm.posted(request.POST, stored)
    _take_password(request, form)
    _take_settings(request, form)
    what = request.POST.get("do", "test")
    try:
        if form.url and (what == "fill" or not any(form.values.get(each) for each in ("host", "path", "database"))):
            form.fill(parse_url(form.url, origin=request.app["connections"].origins["form"]))
        if what == "fill":
            return _page(request, form)
        spec = from_fields(form.target, origin=request.app["connections"].origins["form"])
        if what == "test":
            return _tested(request, form, spec)
        return _saved(request, form, spec, paused=what == "save_paused")
    except CheckFailed as failed:
        form.may_save_paused = True
        return _page(request, form, failed.checked.steps, status=422, errors=_errors(form, failed))
    except QaplaError as error:
        if what == "test" and "HX-Request" in request.headers:
            return Response(fragment(request, "tested.pt", steps=[_as_step(error)]))
        return _page(request, form, status=422, errors=_errors(form, error))


def _tested(request: Request, form: ConnectionForm, spec: ConnectionSpec) -> Any:
    checked = request.app["connections"].test(spec, form.options, name=form.stored)
    if "HX-Request" in request.headers:
        return Response(fragment(request, "tested.pt", steps=checked.steps))
    form.may_save_paused = not checked.ok
    return _page(request, form, checked.steps)


def _saved(request: Request, form: ConnectionForm, spec: ConnectionSpec, *, paused: bool) -> Any:
    connections = request.app["connections"]
    if form.stored is None:
        added = connections.add(spec, name=form.name or None, settings=form.options, paused=paused)
    else:
        new_name = check_name(form.name) if form.name else None
        added = connections.change(form.stored, spec=spec, settings=form.options, new_name=new_name, paused=paused)
    name = added.connection.name
    words = "is kept, paused" if added.connection.paused else "is served" if added.is_new else "is changed"
    notify(request, f"{name} {words}.")
    links = Links.of_request(request)
    return HTTPSeeOther(links.overview if added.connection.paused else links.of(name).browse)


def pause(request: Request) -> Response:
    """Serve it no longer, until it is resumed."""
    known = _known(request)
    request.app["connections"].pause(known.name)
    notify(request, f"{known.name} is paused.", "info")
    return HTTPSeeOther(Links.of_request(request).overview)


def resume(request: Request) -> Response:
    """Serve it again."""
    known = _known(request)
    links = Links.of_request(request)
    try:
        request.app["connections"].resume(known.name)
    except SecretLost as error:
        notify(request, str(error), "warning")
        return HTTPSeeOther(links.of(known.name).action("edit"))
    except QaplaError as error:
        notify(request, f"{known.name} stays paused: {error}", "danger")
    else:
        notify(request, f"{known.name} is served again.")
    return HTTPSeeOther(links.overview)


def show_remove(request: Request) -> dict[str, Any]:
    """Ask for the name before a connection is forgotten."""
    return {"links": Links.of_request(request), "name": _known(request).name, "wrong": None, **_crumbs(request, "Remove")}


def remove(request: Request) -> Any:
    """Forget a connection whose name was typed."""
    known, typed = _known(request), request.POST.get("typed", "")
    if typed.strip() != known.name:
        request.response.status_int = 422
        wrong = f"This is not {known.name!r}." if typed else "Type the name first."
        return {**show_remove(request), "wrong": wrong}
    request.app["connections"].remove(known.name)
    notify(request, f"{known.name} is removed. The database itself is as it was.")
    return HTTPSeeOther(Links.of_request(request).overview)


def refresh(request: Request) -> Response:
    """Read the structure again, in the background; the page of the database shows how far it is."""
    known = _known(request)
    job_id = request.app["tasks"].submit(refresh_schema, known.id, subject=known.id)
    return HTTPSeeOther(f"{Links.of_request(request).of(known.name).browse}?job={job_id}")


def show_state(request: Request) -> Response:
    """Ask the database now, and answer with the part of the page that says how it is."""
    known = _known(request)
    return Response(markup(request, ask(known, request.app["catalog"].find(known.name))))


def show_job(request: Request) -> Response:
    """Answer with the part of a page that says how far a job is."""
    return Response(job_fragment(request, request.matchdict["job"]))


def job_fragment(request: Request, job_id: str) -> str:
    """Return the progress of a job as a part of a page.

    Raises:
        NotFound: there is no such job.
    """
    job = request.app["jobs"].find(job_id)
    if job is None:
        raise NotFound("there is no such job")
    running = job.state in ("queued", "running")
    known = request.app["connections"].find_by_id(job.subject) if job.subject is not None else None
    links = Links.of_request(request)
    reload = links.of(known.name).browse if known is not None and job.state == "done" else None
    return fragment(request, "job.pt", job=job, running=running, href=links.job(job_id), reload=reload)


def _known(request: Request) -> Registered:
    return request.app["connections"].get(request.matchdict["name"])


def _take_password(request: Request, form: ConnectionForm) -> None:
    """Keep a typed password sealed in the page, or take the one that was kept there."""
    box, place = request.app["sealing"], f"form of user {request.identity.id}"
    kept = request.POST.get("kept", "")
    if form.password is None and kept:
        try:
            form.password = box.open(kept, place)
        except SecretLost:
            form.errors["password"] = "Enter the password again."  # noqa: S105  (a message)
            return
    if form.password is not None:
        form.kept = box.seal(form.password, place)


def _take_settings(request: Request, form: ConnectionForm) -> None:
    """Put the secrets among the settings that were typed before back into their fields."""
    kept = request.POST.get("kept_settings", "")
    if kept:
        try:
            reveal(form.values, request.app["sealing"].open(kept, f"settings of user {request.identity.id}"))
        except SecretLost:
            form.errors["jwt_secret"] = "Enter the secrets among the settings again."  # noqa: S105  (a message)


def _page(
    request: Request, form: ConnectionForm, steps: tuple[Any, ...] = (), *, status: int = 200, errors: dict[str, str] | None = None
) -> dict[str, Any]:
    request.response.status_int = status
    form.errors.update(errors or {})
    form.hide_password()
    typed = conceal(form.values)
    if typed is not None:
        form.kept_settings = request.app["sealing"].seal(typed, f"settings of user {request.identity.id}")
    if form.password is not None and not form.kept:
        form.kept = request.app["sealing"].seal(form.password, f"form of user {request.identity.id}")
    links = Links.of_request(request)
    return {
        "form": form,
        "links": links,
        "engines": list(ENGINES.values()),
        "engine_label": ENGINES[form.engine].label,
        "url_example": EXAMPLES.get(form.engine, f"{form.engine}://user:password@host:{ENGINES[form.engine].port}/database"),
        "action": links.of(form.stored).action("edit") if form.stored else links.new,
        "tested": fragment(request, "tested.pt", steps=steps),
        **_crumbs(request, "Edit" if form.stored else "Add a database"),
    }


def _crumbs(request: Request, last: str) -> dict[str, Any]:
    name = request.matchdict.get("name")
    links = Links.of_request(request)
    return {"title": last, "crumbs": ([(name, links.of(name).browse)] if name else []) + [(last, None)]}


def _errors(form: ConnectionForm, error: QaplaError) -> dict[str, str]:
    """Return the message under the field it is about; what has no field of its own is about the URL."""
    field = getattr(error, "field", None)
    return {field if field == "password" or field in form.names else "url": str(error)}


def _as_step(error: QaplaError) -> Any:
    from qapla.database.check import Step

    return Step(getattr(error, "field", None) or "form", False, 0.0, error.message, error.hint)
