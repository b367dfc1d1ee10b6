"""Volumes that other systems report on the inbound topic, by customer id or 客户编号; the rules are the same."""

from __future__ import annotations

from typing import Any

from kehu.contracts.customers import ContractVolumeCorrected, ContractVolumeReported
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import Inbound
from kehu_customer_registry.dossiers.views import resolve
from kehu_customer_registry.settings import RegistrySettings
from kehu_customer_registry.volumes.decisions import Reporting, accept_correction, accept_report
from kehu_customer_registry.volumes.facts import VOLUMES


async def name_customer(connection: Connection, recorded: RecordedFact[Any]) -> RecordedFact[Any]:
    """The message with its customer's id in place of the 客户编号."""
    named: str = recorded.fact.customer
    listed = (await resolve(connection, [named])).get(named)
    if listed is None:
        return recorded
    return recorded._replace(fact=recorded.fact.model_copy(update={"customer": listed.customer}))


async def look_up_customer(connection: Connection, recorded: RecordedFact[Any]) -> Reporting | None:
    """The customer that is reported on; None where there is none of that name."""
    listed = (await resolve(connection, [recorded.fact.customer])).get(recorded.fact.customer)
    return listed and Reporting(listed.customer, listed.number, listed.department, listed.registered)


def customer_of(recorded: RecordedFact[Any]) -> tuple[str]:
    """The one stream that a report concerns."""
    return (recorded.fact.customer,)


_SOURCES = RegistrySettings().volume_sources
INBOUND = (
    Inbound(
        name="volume-reports",
        type=ContractVolumeReported,
        sources=_SOURCES,
        category=VOLUMES,
        stream_ids=customer_of,
        decide=accept_report,
        gather=look_up_customer,
        resolve=name_customer,
    ),
    Inbound(
        name="volume-corrections",
        type=ContractVolumeCorrected,
        sources=_SOURCES,
        category=VOLUMES,
        stream_ids=customer_of,
        decide=accept_correction,
        gather=look_up_customer,
        resolve=name_customer,
    ),
)
