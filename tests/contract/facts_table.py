"""The table of published facts in docs/facts.md, by topic, from what services declare; run this file to write it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from goldens import published_facts

from kehu.contracts.platform import InboundRefused
from kehu.facts import Fact
from kehu.service import Service, find_services

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "facts.md"
BEGIN = "<!-- begin: tests/contract/facts_table.py -->\n"
END = "<!-- end -->\n"


def table() -> str:
    """Every published fact under the topic that carries it; those that no service publishes yet come last."""
    left = published_facts()
    lines: list[str] = []
    for service in find_services().values():
        rows = list(_rows(service))
        for fact, _ in rows:
            left.pop(fact.type_name(), None)
        lines += [f"### `{service.topic}`\n", *_lines(rows)]
    if left:
        lines += [
            "### In the contracts, published by no service yet\n",
            *_lines([(fact, "") for fact in left.values()]),
        ]
    return "\n".join(lines)


def document(text: str) -> str:
    """The document with the table as it is now."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def _rows(service: Service) -> Iterator[tuple[type[Fact], str]]:
    for category in service.each("categories"):
        for fact in category.facts:
            if fact.published:
                yield fact, f"`{category.name}-…`"
    if service.each("inbound"):
        yield InboundRefused, f"`{service.schema}_inbound-…`"


def _lines(rows: list[tuple[type[Fact], str]]) -> Iterator[str]:
    yield "| `ce_type` | `ce_subject` | clause | what has happened | members of `data` |"
    yield "|---|---|---|---|---|"
    for fact, subject in rows:
        told = " ".join((fact.__doc__ or "").partition("\n\n")[0].split()).replace("``", "`")
        members = ", ".join(
            f"`{name}`" if field.is_required() else f"*`{name}`*" for name, field in fact.model_fields.items()
        )
        yield f"| `{fact.type_name()}` | {subject} | {fact.clause} | {told} | {members} |"
    yield ""


if __name__ == "__main__":
    written = document(DOCUMENT.read_text(encoding="utf-8"))
    sys.exit(0 if DOCUMENT.write_text(written, encoding="utf-8") else 1)
