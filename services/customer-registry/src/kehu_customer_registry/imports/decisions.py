"""Commands on an import, and what becomes of one row. Pure; who may: the department's manager and 市场部 (R4.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kehu.contracts.customers import CustomerTakenOver
from kehu.contracts.staff import Role
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, Invalid, KehuError, NotFound, Refused
from kehu.event_store import Claim
from kehu.facts import Fact
from kehu.standing_in import Signature
from kehu_customer_registry.dossiers import rights
from kehu_customer_registry.dossiers.decisions import NUMBER_SCOPE, fill_in, identity_moves, missing, registered
from kehu_customer_registry.dossiers.facts import DOSSIERS, DossierDrafted
from kehu_customer_registry.dossiers.form import DraftForm
from kehu_customer_registry.dossiers.taking_over import check_standing
from kehu_customer_registry.imports.facts import (
    Import,
    ImportAbandoned,
    ImportAdvanced,
    ImportChecked,
    ImportConfirmed,
    ImportFinished,
    ImportUploaded,
    RowProblem,
    SkippedRow,
    Status,
)
from kehu_customer_registry.imports.rows import Row, problem

CLAUSE = "R4.3"
#: Facts have a limit of 256 KiB; who has more problems than this mends a column, not cells.
MOST_TOLD = 300
_KEEPERS = (Role.DEPT_MANAGER, Role.MARKET_DEPT)


@dataclass(frozen=True, slots=True)
class UploadImport:
    """Hand a file in for a department; `number` is what people call the import."""

    upload: str
    number: str
    department: str
    file_digest: str


@dataclass(frozen=True, slots=True)
class AbandonImport:
    """Give an import up."""

    reason: str


@dataclass(frozen=True, slots=True)
class Salespeople:
    """The department's salespeople at work: person by whatever they may be called in a row (id, staff number)."""

    by_name: Mapping[str, str] = field(default_factory=dict[str, str])


class ImportStatus(Refused):
    """The import does not stand where this is possible."""

    code = "import-status"


def upload_import(command: UploadImport, state: Import, context: Context) -> Decision:
    """Hand a file in: it is looked through, and nothing is taken over before a second person says so.

    Raises:
        Forbidden: the actor is neither the department's manager nor of 市场部, or is leaving.
        Refused: the import is there already.

    """
    _check_keeper(context.actor, command.department)
    if state.status is not Status.NONE:
        raise _stands(state)
    uploaded = ImportUploaded(
        upload=command.upload,
        number=command.number,
        department=command.department,
        file_digest=command.file_digest,
        uploaded_by=context.actor.id,
    )
    return Decision([uploaded])


def note_check(checked: ImportChecked, state: Import, _context: Context) -> Decision:
    """Record what the check has found; once."""
    return Decision([checked] if state.status is Status.UPLOADED else [])


def confirm_import(state: Import, context: Context) -> Decision:
    """Have it done, as the second person (R4.3).

    Raises:
        Forbidden: the actor may not, or uploaded it, or owns customers in it.
        ImportStatus: it is not checked, or has problems.

    """
    _check_keeper(context.actor, state.department)
    owners = state.checked.owners if state.checked else ()
    if context.actor.id == state.uploaded_by or context.actor.id in owners:
        raise rights.OwnSubmission(
            "上传人和表中客户的负责人不能自行确认导入。请由部门经理或市场部的其他人确认。",
            "Who uploaded it, or owns customers in it, cannot confirm it: the manager or another of 市场部 has to.",
            clause=CLAUSE,
        )
    if state.status is not Status.CHECKED:
        raise _stands(state)
    confirmed = ImportConfirmed(upload=state.upload, department=state.department, confirmed_by=context.actor.id)
    return Decision([confirmed])


def abandon_import(command: AbandonImport, state: Import, context: Context) -> Decision:
    """Give it up; what was taken over stays.

    Raises:
        Forbidden: the actor may not.
        ImportStatus: it is over.

    """
    _check_keeper(context.actor, state.department)
    if state.status in (Status.NONE, Status.FINISHED, Status.ABANDONED):
        raise _stands(state)
    abandoned = ImportAbandoned(upload=state.upload, reason=command.reason, abandoned_by=context.actor.id)
    return Decision([abandoned])


def advance(
    done: int, taken: int, skipped: Sequence[SkippedRow], state: Import, *, last: bool
) -> tuple[ImportAdvanced | ImportFinished, ...]:
    """Rows up to `done` have been dealt with; `last`: there are no more. Nothing for what is no longer running."""
    if state.status is not Status.RUNNING:
        return ()
    facts: list[ImportAdvanced | ImportFinished] = []
    if done > state.done:
        facts.append(ImportAdvanced(upload=state.upload, done=done, taken=taken, skipped=tuple(skipped)))
    if last:
        facts.append(ImportFinished(upload=state.upload))
    return tuple(facts)


def row_problems(row: Row, people: Salespeople, context: Context) -> list[RowProblem]:
    """What keeps a row that holds by itself from being taken over: its owner, R4.2's minimum, how it stands."""
    found: list[RowProblem] = []
    if row.owner not in people.by_name:
        found.append(
            problem(
                row.number,
                "owner",
                "salesperson-unknown",
                "不是该部门的在职营销员,请填写工号或人员代号。",
                "No salesperson of the department at work: give the staff number or id.",
            )
        )
    content = fill_in(row.form.given([str(place) for place in range(3)]), None, row.owner)
    for place, zh, en in missing(content):
        there = {"identity": "identity.number", "contacts": "contacts.0.name"}.get(place, place)
        found.append(problem(row.number, there, "missing", f"必填:{zh}。", f"Required: {en}."))
    try:
        check_standing(row.standing.command(), context)
    except KehuError as refusal:
        fields = refusal.evidence.get("fields") or [""]
        found.append(problem(row.number, f"standing.{fields[0]}", refusal.problem_code, refusal.zh, refusal.en))
    return found


@dataclass(frozen=True, slots=True)
class Made:
    """Ids and a number for the customer of a row, and ids for the people in it."""

    customer: str
    number: str
    people: Sequence[str]


def people_in(form: DraftForm) -> int:
    """How many ids the people of a row's form need: for each contact, the representative and the account's holder."""
    return len(form.contacts) + (2 if form.legal_representative or form.bank_tax else 0)


def take_over_row(row: Row, made: Made, state: Import, people: Salespeople, context: Context) -> Decision:
    """The customer of a row, registered as it stands (R4.3): by whom that was said, and by whom confirmed."""
    owner = people.by_name[row.owner]
    given = row.form.given(made.people)
    content = fill_in(given, None, owner)
    drafted = DossierDrafted(
        customer=made.customer, number=made.number, department=state.department, owner=owner, content=content
    )
    dossier = DOSSIERS.fold([drafted])
    standing = row.standing.command()
    taken_over = CustomerTakenOver(
        customer=made.customer,
        active_since=standing.active_since,
        agreement_signed_on=standing.agreement_signed_on,
        agreement_valid_until=standing.agreement_valid_until,
        agreement_digest=standing.agreement_digest,
        visited_on=standing.visited_on,
        grade=standing.grade,
        graded_year=standing.graded_year,
        evidence_digest=state.file_digest,
        proposed_by=state.uploaded_by,
        confirmed_by=state.confirmed_by,
    )
    facts: list[Fact] = [drafted, registered(dossier, Signature(state.confirmed_by), taken_over=True), taken_over]
    del context
    number = Claim(NUMBER_SCOPE, made.number, holder=made.customer)
    return Decision(facts, [number, *identity_moves(made.customer, None, content)])


def check_may_see(state: Import, actor: Actor) -> None:
    """Refuse whoever neither keeps the department's customers nor audits.

    Raises:
        NotFound: so it is, or there is no such import.

    """
    if state.status is Status.NONE or not (_keeps(actor, state.department) or actor.has(Role.AUDITOR)):
        raise NotFound("没有找到该导入,或不在您的查看范围内。", "There is no such import, or none that you may see.")


def _keeps(actor: Actor, department: str) -> bool:
    return actor.has(Role.DEPT_MANAGER, department=department) or actor.has(Role.MARKET_DEPT)


def _check_keeper(actor: Actor, department: str) -> None:
    rights.check_staying(actor)
    if not _keeps(actor, department):
        raise Forbidden(
            f"已有客户的导入由部门 {department} 的经理或市场部办理。",
            f"Existing customers are imported by the manager of {department} or by 市场部.",
            clause=CLAUSE,
        )


def _stands(state: Import) -> KehuError:
    if state.status is Status.REFUSED and state.checked:
        return Invalid(
            f"文件有 {state.checked.problem_count} 处问题,请改正后重新上传。",
            f"The file has {state.checked.problem_count} problems: mend them, and upload it again.",
            clause=CLAUSE,
            code="import-refused",
        )
    return ImportStatus(
        f"该导入当前状态为 {state.status.value},不能这样办理。",
        f"This import is {state.status.value}: that is not possible now.",
        clause=CLAUSE,
        status=state.status.value,
    )
