"""What routes that print forms share: who printed what and why is recorded, names are looked up, a file goes out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Annotated
from urllib.parse import quote

from fastapi import Query, Response

from kehu.calendar import today
from kehu.deciding import Category, Context, Decision
from kehu.errors import Forbidden
from kehu.facts import Fact
from kehu.http import ActingRequest
from kehu.printing.forms import Form
from kehu.printing.rendering import Format, print_form
from kehu.service import Feature, Service

#: As what a form is wanted.
Printing = Annotated[Format, Query(alias="format", description="As what: `pdf`, or `docx` to go on working with.")]


class FormPrinted(Fact, clause="R4.6"):
    """Somebody printed a form: which, of what, and why where they had to say so."""

    form: str
    of: str
    format: str
    printed_by: str
    reason: str | None = None
    masked: bool = False


def printings(schema: str) -> Category[None]:
    """What was printed in a service, by the person who did."""
    return Category(f"{schema}_print", (FormPrinted,), None, lambda state, _: state)


def with_printing(service: Service) -> Service:
    """A service whose features print forms."""
    return replace(service, features=[*service.features, Feature("printing", categories=[printings(service.schema)])])


def check_may_print(context: Context) -> None:
    """Refuse who is leaving: no data goes with them, on paper neither.

    Raises:
        Forbidden: they are leaving (R4.6).

    """
    if context.actor.departing:
        raise Forbidden(
            "离职手续已开始,不能再打印客户资料。交接需要的,请由部门经理打印。",
            "Your departure has started, so you can print no customer data any more. Ask the department's manager.",
            clause="R4.6",
            code="departing",
        )


async def record_printing(request: ActingRequest, form: Form, format_: Format, *, reason: str | None) -> None:
    """Record that a form is printed.

    Args:
        request: by whom.
        form: what.
        format_: as what.
        reason: why, where the policy asks for it (other people's customers, several at once).

    Raises:
        Forbidden: they are leaving (R4.6).

    """
    fact = FormPrinted(
        form=form.code or form.title.en,
        of=form.number,
        format=format_.value,
        printed_by=request.actor.id,
        reason=reason,
        masked=form.printed.masked,
    )
    await request.running.commands.handle(
        printings(request.running.service.schema),
        request.actor.id,
        partial(_printed, fact),
        await request.context(),
        must_exist=False,
        correlation=request.correlation,
    )


def _printed(fact: FormPrinted, _state: None, context: Context) -> Decision:
    check_may_print(context)
    return Decision([fact])


async def printed_answer(request: ActingRequest, form: Form, format_: Format, *, reason: str | None) -> Response:
    """The form as a file to keep, once it is recorded who has it.

    Raises:
        Forbidden, FormTooLarge, PrintingBusy: as `record_printing` and `print_form`.

    """
    check_may_print(await request.context())
    made = await print_form(form, format_)
    await record_printing(request, form, format_, reason=reason)
    name = quote(f"{form.title.zh}-{form.number}-{today(request.now)}.{format_.value}", safe="")
    return Response(
        made,
        media_type=format_.media_type,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )


# Uses the primary key.
_NAMES = "SELECT person, name_personal FROM staff WHERE person = ANY ($1)"


async def staff_names(request: ActingRequest, people: Iterable[str | None]) -> dict[str, str]:
    """Names of members of the staff, as forms show them: name and id; of whom nothing is known, the id alone."""
    wanted = sorted({person for person in people if person} | {request.actor.id})
    rows = await request.pool.fetch(_NAMES, wanted)
    known = {row["person"]: row["name_personal"] for row in rows}
    return {person: f"{known[person]} ({person})" if person in known else person for person in wanted}
