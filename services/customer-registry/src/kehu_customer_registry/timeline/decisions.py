"""Writing a note on a customer's timeline (R4.4.b)."""

from __future__ import annotations

from dataclasses import dataclass

from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, Invalid
from kehu_customer_registry.dossiers.facts import Dossier
from kehu_customer_registry.dossiers.rights import Sight, check_visible
from kehu_customer_registry.timeline.facts import Note, NoteWritten

CLAUSE = "R4.4.b"


@dataclass(frozen=True, slots=True)
class WriteNote:
    """What is written, under the note's id."""

    note: str
    text: str


def write_note(command: WriteNote, state: Note, context: Context) -> Decision:
    """Write a note; whoever sees the customer whole may, and nobody who is leaving.

    Raises:
        NotFound: the actor may not see the customer (`context.gathered` is its `Dossier`).
        Forbidden: they see it masked only, or are leaving (R4.6).
        Invalid: there is nothing in it.

    """
    dossier: Dossier = context.gathered
    if context.actor.departing:
        raise Forbidden(
            "离职手续已开始,不能再书写备注。请写入交接记录。",
            "Your departure has started: write it into the handover notes.",
            clause="R4.6",
            code="departing",
        )
    if check_visible(dossier, context.actor) is not Sight.ALL:
        raise Forbidden(
            "审计员只能查看,不能书写备注。",
            "Auditors read and change nothing: ask one of the customer's people to write it down.",
            clause="People",
        )
    if not command.text:
        raise Invalid("备注不能为空。", "There is nothing in the note: write something.", clause=CLAUSE)
    if state.note:
        return Decision()
    return Decision(
        [
            NoteWritten(
                note=command.note,
                customer=dossier.customer,
                department=dossier.department,
                text=command.text,
                written_by=context.actor.id,
            )
        ]
    )
