"""What somebody who is leaving may still use, over every route of every service (R4.6).

Every route refuses them but those that say `OPEN_TO_LEAVERS`, which are named here with the reason. A new route that
lets a leaver act, or one that asks nobody who acts, fails these tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kehu.http.requests import acting, is_open_to_leavers
from kehu.service import Service, find_services

#: Open work, and what one needs to finish it: records of past visits (F7) and handover notes; nothing else.
OPEN = {
    "customer-registry": {
        "GET /me",  # that one is leaving, and since when one may do nothing else
        "GET /departures",  # one's own
        "GET /departures/{departure}",  # one's own: what is handed over and what is open
        "POST /departures/{departure}/customers/{customer}/notes",  # handover notes
        "GET /dossiers/{customer}",  # one's own customers, masked: whom the notes are about
    },
    "engagement": {
        "GET /visits",  # those of one's own that have no record yet
        "GET /customers/{customer}/visits",
        "GET /customers/{customer}/visits/{visit}",
        "POST /customers/{customer}/visits/{visit}/record",  # F7
    },
    "notifier": {
        "GET /messages",  # to oneself: what is open
        "GET /messages/{message}",
    },
}
SERVICES = find_services()


def routes(service: Service) -> Iterator[tuple[str, Any]]:
    """Every route that a service's features have, with its method and path."""
    for feature in service.features:
        for route in feature.router.routes if feature.router else ():
            found: Any = route
            for method in sorted(found.methods):
                yield f"{method} {found.path}", found


def asks(dependant: Any) -> Iterator[Any]:
    """Everything that a route depends on."""
    yield dependant.call
    for below in dependant.dependencies:
        yield from asks(below)


@pytest.mark.parametrize("service", SERVICES.values(), ids=lambda service: service.name)
def test_who_is_leaving_may_use_what_is_named_here_and_nothing_else(service: Service) -> None:
    found = {name for name, route in routes(service) if is_open_to_leavers(route)}
    assert found == OPEN.get(service.name, set())


@pytest.mark.parametrize("service", SERVICES.values(), ids=lambda service: service.name)
def test_every_route_asks_who_acts(service: Service) -> None:
    found = dict(routes(service))
    assert len(found) > 5
    assert not [name for name, route in found.items() if acting not in set(asks(route.dependant))]


def test_every_service_is_looked_at() -> None:
    assert len(SERVICES) == 5
    assert set(OPEN) <= set(SERVICES)
