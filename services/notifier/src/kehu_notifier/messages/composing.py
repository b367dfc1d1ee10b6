"""A message put together at the moment of sending: who it goes to, what it says, and whether it still should go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from kehu.event_store import Connection
from kehu.phones import PhoneKind, phone_kind
from kehu.policies import INITIAL, Policies
from kehu_notifier.channels.channel import Outgoing
from kehu_notifier.customers.views import leads_to
from kehu_notifier.messages.decisions import Readiness
from kehu_notifier.messages.facts import MessagePrepared
from kehu_notifier.templates.policy import TEMPLATES, Templates
from kehu_notifier.templates.rendering import CannotRenderError, render
from kehu_notifier.templates.template import Outlet, Template
from kehu_notifier.templates.worklists import WORKLISTS

_MAINLAND = "+86"

# Uses the primary key of notices.
_WAITS = "SELECT NOT coalesce(bool_or(ended), false) FROM notices WHERE thing = $1 AND reason = $2 AND template = $3"
# A merged customer goes by the survivor's number and name, and its contacts are known beside the survivor's (R4).
_CUSTOMER = f"SELECT number, name FROM customers WHERE customer = {leads_to('$1')}"
_DEPARTMENT = "SELECT name FROM departments WHERE code = $1"
_PAYER = "SELECT number, name FROM payers WHERE unit = $1"
_EMPLOYEE = """
SELECT number AS address, name_personal AS name, ended OR coalesce(last_day < $2, false) AS gone
FROM staff WHERE person = $1
"""
# Uses the primary key of customer_contacts.
_CONTACT = f"""
SELECT phone_personal AS address, name_personal AS name, false AS gone
FROM customer_contacts WHERE customer IN ($1, {leads_to("$1")}) AND person = $2 ORDER BY place LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody as they are known now. `address` is a phone, or the staff number (which is the WeCom id)."""

    name: str
    address: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What was looked up for a message."""

    waits: bool
    recipient: Recipient | None
    #: What its template may ask for, by variable (`LIVE_VARIABLES`), the recipient's name apart.
    values: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Letter:
    """A message put together: whether it should go, and what would."""

    readiness: Readiness
    outgoing: Outgoing | None = None


async def look_up(connection: Connection, prepared: MessagePrepared, today: date) -> Found:
    """What sending a message needs to know now; holds personal data, for this alone."""
    waits = await connection.fetchval(_WAITS, prepared.thing, prepared.reason, prepared.template)
    if prepared.recipient_kind == "employee":
        row = await connection.fetchrow(_EMPLOYEE, prepared.recipient, today)
    else:
        row = await connection.fetchrow(_CONTACT, prepared.customer, prepared.recipient)
    return Found(
        waits=bool(waits),
        recipient=Recipient(row["name"], row["address"], row["gone"]) if row else None,
        values=await _about(connection, prepared),
    )


async def _about(connection: Connection, prepared: MessagePrepared) -> dict[str, str]:
    """Numbers and names of what the message is about, as they are now; a code stands in for a name not known here."""
    found: dict[str, str] = {}
    if (customer := await connection.fetchrow(_CUSTOMER, prepared.customer)) is not None:
        found |= {"customer_number": customer["number"], "customer_name": customer["name"]}
    if prepared.department is not None:
        found["department_name"] = await connection.fetchval(_DEPARTMENT, prepared.department) or prepared.department
    if (unit := prepared.values.get("unit")) is not None:
        payer = await connection.fetchrow(_PAYER, unit)
        found |= {"payer_number": payer["number"] if payer else unit, "payer_name": payer["name"] if payer else "—"}
    return found


async def wording(policies: Policies, prepared: MessagePrepared) -> Template:
    """The template in the words of the version that the message was requested under."""
    if prepared.template_version == INITIAL:
        return TEMPLATES.initial.of(prepared.template)
    history, _ = await policies.history(TEMPLATES.name)
    version = Templates.model_validate(dict(history.version(prepared.template_version).data))
    return version.of(prepared.template)


def compose(
    prepared: MessagePrepared, template: Template, found: Found, *, sign_name: str, longest: int, channel_there: bool
) -> Letter:
    """Put a message together. Pure.

    Args:
        prepared: what is known of it since its request.
        template: its words.
        found: what was looked up just now.
        sign_name: stands in 【】 before an SMS.
        longest: characters of a value in an SMS.
        channel_there: whether its channel is set up.

    """
    recipient = found.recipient
    if recipient is None or recipient.gone:
        return Letter(Readiness(channel_there=channel_there, waits=found.waits, recipient_gone=True))
    address = address_in(prepared.outlet, recipient.address)
    values = {**found.values, "recipient_name": recipient.name, **prepared.values}
    try:
        rendered = render(template, values, longest=longest)
    except CannotRenderError as error:
        return Letter(Readiness(channel_there=channel_there, waits=found.waits, cannot_render=error.problem))
    outgoing = Outgoing(
        message=prepared.message,
        recipient=prepared.recipient,
        to=address or "",
        text=f"【{sign_name}】{rendered.text}" if prepared.outlet == "sms" else _with_list(rendered.text, prepared),
        variables=rendered.variables,
        provider_template=template.sms_code,
    )
    ready = Readiness(channel_there=channel_there, waits=found.waits, has_address=address is not None)
    return Letter(ready, outgoing)


def _with_list(text: str, prepared: MessagePrepared) -> str:
    """What an employee reads, with where it is found."""
    found = WORKLISTS.get(prepared.template)
    return f"{text}\n列表 / List: {found.service} {found.path}" if found else text


def address_in(outlet: Outlet, address: str) -> str | None:
    """The address as a channel takes it; None where it is none of that channel's: an SMS goes to mainland mobiles."""
    if outlet == "sms" and not (address.startswith(_MAINLAND) and phone_kind(address) is PhoneKind.MOBILE):
        return None
    return address or None
