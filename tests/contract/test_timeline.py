"""Every published fact about a customer stands on the customer's timeline (R4.4.b), or it is said why not."""

from __future__ import annotations

import pytest
from goldens import published_facts

from kehu.facts import Fact
from kehu.identity import STAFF_SERVICE
from kehu.service import OWN_LOG, find_services
from kehu_customer_registry.timeline.lines import LINES

#: Published facts with a field `customer` that have no line, with the reason.
WITHOUT_A_LINE: dict[str, str] = {}
ABOUT_CUSTOMERS = {name: fact for name, fact in published_facts().items() if "customer" in fact.model_fields}


@pytest.mark.parametrize("name", sorted(ABOUT_CUSTOMERS))
def test_a_published_fact_about_a_customer_has_a_line_on_its_timeline(name: str) -> None:
    fact = ABOUT_CUSTOMERS[name]
    assert fact in {line.fact for line in LINES} or WITHOUT_A_LINE.get(fact.__name__), (
        f"{fact.__name__} is about a customer and does not show on its timeline: add a Line to LINES in "
        "services/customer-registry/src/kehu_customer_registry/timeline/lines.py (its module to SOURCES if new), "
        "or the reason why it has none to WITHOUT_A_LINE here."
    )


def test_no_fact_has_two_lines() -> None:
    facts = [line.fact for line in LINES]
    assert len(facts) == len(set(facts))


def test_a_line_is_looked_for_on_every_topic_that_carries_its_fact_and_on_no_other() -> None:
    publishers: dict[type[Fact], set[str]] = {}
    for service in find_services().values():
        for category in service.each("categories"):
            for fact in category.facts:
                source = OWN_LOG if service.name == STAFF_SERVICE else service.name
                publishers.setdefault(fact, set()).add(source)
    wrong = {
        line.fact.__name__: sorted(publishers[line.fact])
        for line in LINES
        if line.fact in publishers and line.sources != publishers[line.fact]
    }
    assert not wrong, "Mend SOURCES, or `also` of the line, in timeline/lines.py."
