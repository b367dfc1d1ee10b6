"""Every published fact is told to somebody by the notifier, or it is said why not; every list named is there."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from goldens import published_facts
from notices_table import DOCUMENT, document

from kehu.contracts.platform import InboundRefused
from kehu.http.app import build_routes
from kehu.service import find_services
from kehu_customer_registry.dossiers.changes import MAJOR
from kehu_notifier.notices.reactions import REACTIONS
from kehu_notifier.notices.untold import UNTOLD
from kehu_notifier.templates.initial import WORDS
from kehu_notifier.templates.template import TemplateName
from kehu_notifier.templates.words import DOCUMENTS, FIELDS
from kehu_notifier.templates.worklists import WORKLISTS, Worklist
from kehu_vetting.qualifications.required_documents import REQUIRED_DOCUMENTS

FACTS = {fact.__name__: fact for fact in published_facts().values()}
TOLD = {reaction.on for reaction in REACTIONS}


@pytest.mark.parametrize("name", sorted(FACTS))
def test_a_published_fact_is_told_to_somebody_or_it_is_said_why_not(name: str) -> None:
    fact = FACTS[name]
    assert (fact in TOLD) != (fact in UNTOLD), (
        f"{name} makes somebody wait or is news to somebody: add a reaction to "
        "services/notifier/src/kehu_notifier/notices (with an example in testing/examples.py), or the reason why "
        "nobody is told to UNTOLD in notices/untold.py. One of the two."
    )


def test_the_table_of_notices_is_what_the_notifier_does() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert document(text) == text, "Notices have changed: run `python tests/contract/notices_table.py`."


def test_a_reason_is_given_for_what_nobody_is_told() -> None:
    assert all(reason.endswith((".", "。")) for reason in UNTOLD.values())
    assert set(UNTOLD) <= set(FACTS.values())


def test_a_fact_is_listened_for_on_every_topic_that_carries_it() -> None:
    """The same fact from another service would be told to nobody."""
    published = {
        (service.name, fact)
        for service in find_services().values()
        for category in service.each("categories")
        for fact in category.facts
        if fact.published and fact is not InboundRefused
    }
    heard = {(reaction.source, reaction.on) for reaction in REACTIONS}
    assert {(service, fact.__name__) for service, fact in published - heard if fact not in UNTOLD} == set()


def test_papers_and_fields_are_said_in_words() -> None:
    """The notifier knows other services by their facts alone; the codes in them are theirs."""
    assert {one.code for one in REQUIRED_DOCUMENTS.initial.types} <= set(DOCUMENTS)
    assert {*MAJOR, "owner"} <= set(FIELDS)


@cache
def document_of(service: str) -> dict[str, Any]:
    """The OpenAPI document of a service."""
    return build_routes(find_services()[service]).openapi()


@pytest.mark.parametrize("named", sorted(set(WORKLISTS.values()), key=lambda one: (one.service, one.path)))
def test_a_list_that_a_message_names_is_served(named: Worklist) -> None:
    url = urlsplit(named.path)
    operation = document_of(named.service)["paths"][url.path]["get"]
    offered = {one["name"]: one["schema"] for one in operation.get("parameters", []) if one["in"] == "query"}
    for name, (value,) in parse_qs(url.query).items():
        assert name in offered, f"{named.path} takes no {name}"
        assert value


def test_whatever_employees_are_told_names_a_list() -> None:
    of_staff = {name for name in TemplateName if WORDS[name].channel == "wecom"}
    assert set(WORKLISTS) == of_staff
