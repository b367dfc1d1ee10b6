"""What concerns a merged customer is the survivor's people's (R4), and theirs again once the merge is undone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest_asyncio

from kehu.contracts.customers import (
    Contact,
    CustomerKind,
    CustomerRegistered,
    CustomersMerged,
    CustomersUnmerged,
    IdentityKind,
)
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu.lineage import LINEAGE_VIEW
from kehu.testing.platform import Postgres
from kehu_notifier.app import service
from kehu_notifier.customers.views import CUSTOMERS_VIEW
from kehu_notifier.messages import composing
from kehu_notifier.messages.facts import MessagePrepared
from kehu_notifier.messages.views import CONDITIONS
from kehu_notifier.notices.company import look_up
from kehu_notifier.templates.template import TemplateName

NOON = datetime(2026, 11, 24, 4, tzinfo=UTC)
PHONE = "+8613800000001"


@pytest_asyncio.fixture
async def connection(postgres: Postgres) -> AsyncGenerator[asyncpg.Connection]:
    created = await postgres.create_database(services=[service])
    connection = await asyncpg.connect(**created.connection(service.role))
    try:
        yield connection
    finally:
        await connection.close()
        await postgres.drop_database(created)


async def say(connection: asyncpg.Connection, *facts: Fact) -> None:
    for fact in facts:
        named: Any = fact
        recorded: RecordedFact[Any] = RecordedFact(
            fact, new_id(), f"customer-{named.customer}", 1, 1, named.customer, "customer-registry", "a", "", new_id(),
            None, NOON, NOON,
        )  # fmt: skip
        for view in (CUSTOMERS_VIEW, LINEAGE_VIEW):
            if type(fact) in view.apply:
                await view.apply[type(fact)](connection, recorded)


def registered(customer: str, owner: str) -> Fact:
    """Both have the same phone."""
    contact = Contact(person=f"contact-{customer}", name="刘建国", phone=PHONE, main=True)
    return CustomerRegistered(
        customer=customer,
        number=f"K-{customer}",
        name=f"{customer} 有限公司",
        kind=CustomerKind.DEALER,
        nature="limited",
        identity_kind=IdentityKind.USCC,
        identity="91110000600037341L",
        region="安徽",
        department="east",
        owner=owner,
        contacts=(contact,),
        registered_by="b",
    )


def of_both(fact: type[CustomersMerged | CustomersUnmerged], **fields: str) -> list[Fact]:
    return [
        fact.model_validate({"customer": customer, "survivor": "s", "merged": "m", "reason": "同一客户", **fields})
        for customer in ("s", "m")
    ]


MERGED = of_both(CustomersMerged, survivor_number="K-s", merged_number="K-m", proposed_by="a", merged_by="b")
UNDONE = of_both(CustomersUnmerged, undone_by="b")


def prepared(recipient: str) -> MessagePrepared:
    return MessagePrepared(
        message="x",
        customer="m",
        thing="t",
        reason=UUID(int=1),
        template=TemplateName.DOSSIER_RETURNED,
        template_version=0,
        recipient=recipient,
        recipient_kind="contact",
        department="east",
        channel="sandbox",
        outlet="sms",
        values={},
        urgent=False,
        expires_at=NOON,
    )


async def test_recipients_follow_the_survivor_until_it_is_undone(connection: asyncpg.Connection) -> None:
    await say(connection, registered("s", "lin"), registered("m", "wu"))
    for facts, owner, contact, number in ((MERGED, "lin", "contact-s", "K-s"), (UNDONE, "wu", "contact-m", "K-m")):
        await say(connection, *facts)
        company = await look_up(connection, "m")
        # One person of one phone is told, whoever has that phone in both dossiers.
        assert (company.owner, company.main_contact) == (owner, contact)
        found = await composing.look_up(connection, prepared(contact), date(2026, 11, 24))
        assert found.recipient
        assert (found.recipient.address, found.values["customer_number"]) == (PHONE, number)


async def test_a_message_that_waits_for_the_merged_ones_contact_still_reaches_it(
    connection: asyncpg.Connection,
) -> None:
    await say(connection, registered("s", "lin"), registered("m", "wu"), *MERGED)
    found = await composing.look_up(connection, prepared("contact-m"), date(2026, 11, 24))
    assert found.recipient
    assert found.values["customer_name"] == "s 有限公司"


async def test_the_ledger_is_found_by_every_number_of_the_customer(connection: asyncpg.Connection) -> None:
    await say(connection, registered("s", "lin"), registered("m", "wu"), registered("x", "wu"), *MERGED)
    query = f"SELECT l.customer FROM customers l WHERE {CONDITIONS['customer'].format('$1')} ORDER BY 1"
    for named in ("s", "m", "K-s", "K-m"):
        assert [row["customer"] for row in await connection.fetch(query, named)] == ["m", "s"]
    assert [row["customer"] for row in await connection.fetch(query, "K-x")] == ["x"]
