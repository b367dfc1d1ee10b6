"""The published language stays what its readers were told."""

from __future__ import annotations

import json

import pytest
from goldens import GOLDENS, breaks, golden, published_facts, schema_of

FACTS = published_facts()


@pytest.mark.parametrize("name", sorted(FACTS))
def test_a_published_fact_is_as_its_golden_says(name: str) -> None:
    path = golden(name)
    assert path.exists(), f"{name} is new: run `python tests/contract/goldens.py` and commit its golden."
    old, new = json.loads(path.read_text()), schema_of(FACTS[name])
    assert not breaks(old, new), "Contracts change only by adding; a breaking change is a new version on a new topic."
    assert old == new, f"{name} has grown: run `python tests/contract/goldens.py` and commit its golden."


def test_no_published_fact_has_gone() -> None:
    assert {path.stem for path in GOLDENS.glob("*.json")} <= set(FACTS)


@pytest.mark.parametrize("name", sorted(set(FACTS) - {"kehu.InboundRefused.v1"}))  # it names the refusal's own clause
def test_every_published_fact_names_its_clause(name: str) -> None:
    assert FACTS[name].clause


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda schema: schema["properties"].pop("amount_fen"), "/properties/amount_fen is gone"),
        (lambda schema: schema["required"].remove("month"), ": month is no longer always there"),
        (lambda schema: schema["properties"]["late"].update(type="string"), "/properties/late/type: "),
    ],
)
def test_a_change_in_place_is_found(change: object, expected: str) -> None:
    """Guard: `breaks` in goldens.py."""
    old = schema_of(FACTS["kehu.ContractVolumeReported.v1"])
    new = json.loads(json.dumps(old))
    assert callable(change)
    change(new)
    assert any(expected in found for found in breaks(old, new))


def test_adding_an_optional_member_breaks_nobody() -> None:
    old = schema_of(FACTS["kehu.ContractVolumeReported.v1"])
    new = json.loads(json.dumps(old))
    new["properties"]["currency"] = {"type": "string", "default": "CNY"}
    assert breaks(old, new) == []
