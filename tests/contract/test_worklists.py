"""docs/worklists.md stays true: each list is served, each fact that puts something on it is published and told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from goldens import published_facts

from kehu.http.app import build_routes
from kehu.service import find_services
from kehu_notifier.notices.reactions import REACTIONS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "worklists.md"
SERVICES = ("customer-registry", "vetting")
_ROW = re.compile(r"^\|[^|]+\|[^|]+\| `GET (?P<path>[^`]+)` \|(?P<facts>[^|]+)\|$", re.MULTILINE)
_FACT = re.compile(r"`(\w+)`")
#: Files of a list, with the same filters as the list itself.
_EXPORT = "/export"


def rows() -> Iterator[tuple[str, str, list[str]]]:
    """Every row of the page: the service, the query, the facts."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for service in SERVICES:
        part = text.split(f"## {service}\n", 1)[1].split("\n## ", 1)[0]
        for row in _ROW.finditer(part):
            yield service, row["path"], _FACT.findall(row["facts"])


@cache
def lists(service: str) -> dict[str, dict[str, Any]]:
    """The parameters of every GET of a service, by its path."""
    paths = build_routes(find_services()[service]).openapi()["paths"]
    return {
        path: {one["name"]: one for one in operations["get"].get("parameters", ())}
        for path, operations in paths.items()
        if "get" in operations
    }


ROWS = list(rows())


@pytest.mark.parametrize(("service", "query", "facts"), ROWS, ids=[row[1] for row in ROWS])
def test_each_list_is_served_and_what_is_put_on_it_is_told(service: str, query: str, facts: list[str]) -> None:
    address = urlsplit(query)
    parameters = lists(service)[address.path]
    assert set(parse_qs(address.query)) <= set(parameters)
    published = {fact.__name__ for fact in published_facts().values()}
    told = {reaction.on.__name__ for reaction in REACTIONS if reaction.source == service}
    assert set(facts) <= published & told, sorted(set(facts) - (published & told))


@pytest.mark.parametrize("service", SERVICES)
def test_no_list_of_what_waits_is_missing(service: str) -> None:
    served = {path for path, parameters in lists(service).items() if "waiting_for" in parameters}
    shown = {urlsplit(query).path for named, query, _ in ROWS if named == service and "waiting_for=me" in query}
    assert shown == {path for path in served if not path.endswith(_EXPORT)}
