"""What can happen to an import of existing dossiers, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from kehu.deciding import Category
from kehu.facts import Fact


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class RowProblem(_Part):
    """What is wrong with a row, in the user's words; never what the cell holds."""

    row: int
    column: str
    code: str
    zh: str
    en: str


class SkippedRow(_Part):
    """A row and the 客户编号 of the dossier that it meets: by its identity, for which it is left out, or by its name.

    `code`: ``identity-taken``, or ``salesperson-unknown`` where its owner has left meanwhile.
    """

    row: int
    number: str = ""
    code: str = "identity-taken"


class ImportUploaded(Fact, clause="R4.3"):
    """Somebody handed a file of existing customers in, to be looked through first."""

    upload: str
    number: str
    department: str
    file_digest: str
    uploaded_by: str


class ImportChecked(Fact, clause="R4.3"):
    """The file was looked through, and nothing else was done: the dry run.

    `problems` are the first ones; `problem_count` tells how many there are. `owners` are named in its rows.
    """

    upload: str
    rows: int
    existing: tuple[SkippedRow, ...]
    existing_count: int
    alike: tuple[SkippedRow, ...] = ()
    alike_count: int = 0
    owners: tuple[str, ...]
    problems: tuple[RowProblem, ...]
    problem_count: int


class ImportConfirmed(Fact, clause="R4.3"):
    """A second person has looked at what the check says, and has it done."""

    upload: str
    department: str
    confirmed_by: str


class ImportAdvanced(Fact, clause="R4.3"):
    """Rows up to `done` have been dealt with: stands in one transaction with the dossiers that they became."""

    upload: str
    done: int
    taken: int
    skipped: tuple[SkippedRow, ...] = ()


class ImportFinished(Fact, clause="R4.3"):
    """Every row has been dealt with."""

    upload: str


class ImportAbandoned(Fact, clause="R4.3"):
    """It is given up; what had been taken over stays."""

    upload: str
    reason: str
    abandoned_by: str


class Status(StrEnum):
    """Where an import stands."""

    NONE = "none"
    UPLOADED = "uploaded"  # is being looked through
    REFUSED = "refused"  # rows have to be mended, and the file handed in again
    CHECKED = "checked"  # waits for a second person
    RUNNING = "running"
    FINISHED = "finished"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Import:
    """An import; `done` is the last row that was dealt with, `taken` how many became customers."""

    upload: str = ""
    number: str = ""
    department: str = ""
    status: Status = Status.NONE
    file_digest: str = ""
    uploaded_by: str = ""
    confirmed_by: str = ""
    checked: ImportChecked | None = None
    done: int = 0
    taken: int = 0
    skipped: int = 0


def evolve(state: Import, fact: Fact) -> Import:  # noqa: PLR0911 - one case per fact
    """What a fact makes of an import."""
    match fact:
        case ImportUploaded():
            return Import(
                fact.upload, fact.number, fact.department, Status.UPLOADED, fact.file_digest, fact.uploaded_by
            )
        case ImportChecked():
            return replace(state, checked=fact, status=Status.REFUSED if fact.problem_count else Status.CHECKED)
        case ImportConfirmed():
            return replace(state, status=Status.RUNNING, confirmed_by=fact.confirmed_by)
        case ImportAdvanced():
            skipped = state.skipped + len(fact.skipped)
            return replace(state, done=fact.done, taken=state.taken + fact.taken, skipped=skipped)
        case ImportFinished():
            return replace(state, status=Status.FINISHED)
        case ImportAbandoned():
            return replace(state, status=Status.ABANDONED)
        case _:
            return state


IMPORTS = Category(
    name="dossier_import",
    facts=(ImportUploaded, ImportChecked, ImportConfirmed, ImportAdvanced, ImportFinished, ImportAbandoned),
    initial=Import(),
    evolve=evolve,
)
