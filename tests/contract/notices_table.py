"""The table of docs/notices.md: of each published fact, who is told what; run this file to write it.

It is made by putting an example of every fact through the notifier's own reactions, so it says what they do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from kehu.facts import Fact
from kehu.ids import new_id
from kehu.service import find_services
from kehu_notifier.notices.facts import NOTICES, Audience, NoticeEnded, NoticeNeeded, Notices
from kehu_notifier.notices.reactions import REACTIONS
from kehu_notifier.notices.untold import UNTOLD
from kehu_notifier.templates.template import TemplateName
from kehu_notifier.testing import COMPANY, NOW, context, recorded
from kehu_notifier.testing.examples import EXAMPLES

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "notices.md"
BEGIN = "<!-- begin: tests/contract/notices_table.py -->\n"
END = "<!-- end -->\n"
#: Whom a fact does not name.
_ELSEWHERE = {"owner": "the customer's owner", "main_contact": "the customer's main contact (SMS)"}

_WAITING = NoticeNeeded(
    thing="",
    customer="",
    reason=new_id(),
    reason_at=NOW,
    template=TemplateName.TURN_TO_SIGN,
    audience=Audience(kind="owner"),
    waiting=True,
    values={},
)
_SOMETHING_WAITS = NOTICES.fold([_WAITING])


def table() -> str:
    """Every published fact by its service: who is told which template, or why nobody is."""
    lines: list[str] = []
    for service in find_services().values():
        facts = dict.fromkeys(
            fact for category in service.each("categories") for fact in category.facts if fact.published
        )
        lines += [
            f"### {service.name}\n",
            "| fact | clause | told: template, to whom (⏳: until it is done) | ends what waits |",
            "|---|---|---|---|",
            *(_row(service.name, fact) for fact in facts),
            "",
        ]
    return "\n".join(lines)


def document(text: str) -> str:
    """The document with the table as it is now."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def _row(service: str, fact: type[Fact]) -> str:
    if fact in UNTOLD:
        return f"| `{fact.__name__}` | {fact.clause or ''} | nobody: {UNTOLD[fact]} | |"
    needs = list(_needs(service, fact))
    told: dict[str, list[str]] = {}
    for example, need in needs:
        wait = " ⏳" if need.waiting else ""
        audience = _in_words(need.audience, example)
        told.setdefault(f"`{need.template.value}`{wait}", [])
        if audience not in told[f"`{need.template.value}`{wait}"]:
            told[f"`{need.template.value}`{wait}"].append(audience)
    said = "<br>".join(f"{template}: {', '.join(audiences)}" for template, audiences in told.items())
    return f"| `{fact.__name__}` | {fact.clause or ''} | {said or '–'} | {'yes' if _ends(service, fact) else ''} |"


def _needs(service: str, fact: type[Fact]) -> Iterator[tuple[Fact, NoticeNeeded]]:
    for example, one in _noted(service, fact, Notices()):
        if isinstance(one, NoticeNeeded):
            yield example, one


def _ends(service: str, fact: type[Fact]) -> bool:
    """Whether something waits no longer once it has happened."""
    return any(isinstance(one, NoticeEnded) for _, one in _noted(service, fact, _SOMETHING_WAITS))


def _noted(service: str, fact: type[Fact], state: Notices) -> Iterator[tuple[Fact, Fact]]:
    """What the reactions to a fact's examples note, each with its example."""
    for reaction in REACTIONS:
        for example in EXAMPLES:
            if reaction.on is fact and reaction.source == service and type(example) is fact:
                cause = recorded(example, by="system:example")
                for _ in reaction.stream_ids(cause):
                    for one in reaction.decide(cause, state, context(COMPANY)).facts:
                        yield example, one


def _in_words(audience: Audience, example: Fact) -> str:
    match audience.kind:
        case "role":
            role = f"`{audience.role}`" + (" of the department" if audience.department else "")
            delegates = " and delegates" if audience.step else ""
            return role + delegates + (f", else `{audience.stand_in}`" if audience.stand_in else "")
        case "persons":
            return "/".join(dict.fromkeys(f"its {name}" for name in _named(audience, example)))
        case "payer_owners":
            return "the owners of all customers that it pays for"
        case _:
            return _ELSEWHERE[audience.kind]


def _named(audience: Audience, example: Fact) -> Iterator[str]:
    """By which members of the fact the persons are named."""
    for person in audience.persons:
        for member in type(example).model_fields:
            value = getattr(example, member)
            if value == person or (isinstance(value, tuple) and person in value):
                yield f"`{member}`"
                break


if __name__ == "__main__":
    written = document(DOCUMENT.read_text(encoding="utf-8"))
    sys.exit(0 if DOCUMENT.write_text(written, encoding="utf-8") else 1)
