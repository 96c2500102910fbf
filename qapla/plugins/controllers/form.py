"""Controllers of forms: ``FormController`` (a page with a form of Deform), ``JsonFormController`` (the same checks on a JSON body).

::

    class ChoiceForm(FormController):
        route = "/choices/new"
        renderer = "rotarran:templates/form.pt"        # the template says ${structure: form.render()}
        schema = ChoiceSchema
        choices = Driver(ChoiceWriteDriver)

        def submit(self, values):
            self.choices.create(**values)
            self.request.main.commit()
            return self.redirect("choices")

A form that is wrong is shown again with its errors, 422. A form carries a CSRF token, which Pyramid checks; ``csrf = False`` is for forms
that change nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import colander
import deform
from pyramid.csrf import get_csrf_token
from pyramid.interfaces import IDefaultCSRFOptions

from qapla.errors import InputError
from qapla.plugins.controllers.controller import Controller, FinalizeController, RestfulController

if TYPE_CHECKING:
    from collections.abc import Mapping



class _WithSchema(Controller):
    """A controller that checks values by a schema of colander.

    Attributes:
        schema: a class of ``colander.Schema``, or anything that makes one.
    """

    schema: ClassVar[Any] = None

    def make_schema(self) -> colander.SchemaNode:
        """Return the schema of this request, bound to ``request=``; override it for a schema that depends on more."""
        if self.schema is None:
            raise TypeError(f"{type(self).__qualname__} has no schema: set the class attribute 'schema'")
        return type(self).schema().bind(request=self.request)

    def submit(self, values: dict[str, Any]) -> Any:
        """Do what was asked for; *values* have been checked. Returns what ``make`` may return.

        Raises ``colander.Invalid`` for what only shows now, as a name that is taken: it is treated like any other mistake.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no method 'submit'")


class FormController(_WithSchema):
    """Show a form on GET and check it on POST. The template has ``form``, a ``deform.Form``.

    Attributes:
        buttons: names of the buttons; the one that was used is in ``request.POST``.
        csrf: whether the form carries a token; it needs a session, or another place that Pyramid keeps tokens in.
    """

    methods = ("GET", "POST")
    buttons: ClassVar[tuple[Any, ...]] = ("save",)
    csrf: ClassVar[bool] = True

    @classmethod
    def make_view_options(cls) -> dict[str, Any]:
        """Let Pyramid check the token."""
        return {**({"require_csrf": True} if cls.csrf else {}), **super().make_view_options()}

    def get_values(self) -> Mapping[str, Any]:
        """Return what the form shows before somebody has filled it in: those of the object that is edited."""
        return {}

    def make_form(self) -> deform.Form:
        """Return the form of this request."""
        schema = self.make_schema()
        if self.csrf:
            schema.add(make_token(self.request))
        return deform.Form(schema, action=self.request.path_qs, buttons=self.buttons)

    def make(self) -> Any:
        """Show the form, or check what was sent."""
        form = self.make_form()
        if self.request.method != "POST":
            form.set_appstruct({**self.get_values()})
            return {"form": form}
        posted = self._read_posted()
        try:
            values = form.validate(posted)
            values.pop(token_name(self.request), None)
            return self.submit(values)
        except colander.Invalid as error:
            form.widget.handle_error(form, error)
        except deform.ValidationFailure:
            pass  # the form has its errors already
        self.request.response.status_int = 422
        return {"form": form}

    def _read_posted(self) -> list[tuple[str, Any]]:
        try:
            return list(self.request.POST.items())
        except (ValueError, DeprecationWarning):  # no boundary, bytes that are not UTF-8, another charset
            raise InputError("the body is not a form", hint="send the form of the page, in UTF-8") from None


class JsonFormController(_WithSchema, RestfulController):
    """Check a JSON object by a schema: ``submit`` for POST, or ``self.check(schema)`` in any other method.

    What is wrong is answered with 422: ``{"errors": [{"type": "field", "field": "name", "message": "Required"}]}``.
    """

    def post(self) -> Any:
        """Check the body and submit it."""
        values = self.check()
        try:
            return self.submit(values)
        except colander.Invalid as error:
            self._refuse_values(error)

    def check(self, schema: colander.SchemaNode | None = None) -> dict[str, Any]:
        """Return the values of the body that *schema*, by default the controller's own, finds right; what is wrong ends ``make``."""
        try:
            values: dict[str, Any] = (schema or self.make_schema()).deserialize(self.json_body)
        except colander.Invalid as error:
            self._refuse_values(error)
        return values

    def _refuse_values(self, error: colander.Invalid) -> Any:
        self.request.response.status_int = 422
        raise FinalizeController({"errors": list_errors(error)})


def make_token(request: Any) -> colander.SchemaNode:
    """Return the hidden field with the CSRF token."""
    widget = deform.widget.HiddenWidget()
    return colander.SchemaNode(
        colander.String(), name=token_name(request), default=get_csrf_token(request), missing=colander.drop, widget=widget
    )


def token_name(request: Any) -> str:
    """Return the name of the field where Pyramid looks for the token."""
    options = request.registry.queryUtility(IDefaultCSRFOptions)
    return (options.token if options is not None else None) or "csrf_token"


def list_errors(error: colander.Invalid) -> list[dict[str, str]]:
    """Return what is wrong, field by field; an error of the whole has the type ``form`` and no field."""
    found = []
    for field, message in error.asdict().items():
        name = field.removeprefix(".")
        one = {"type": "field", "field": name, "message": str(message)} if name else {"type": "form", "message": str(message)}
        found.append(one)
    return found
