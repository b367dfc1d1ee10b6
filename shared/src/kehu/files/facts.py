"""What happens to a file, on a stream of its own named by its digest: who handed it in, who read it, its end."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kehu.contracts.staff import Role
from kehu.deciding import Actor, Category, Context, Decision
from kehu.errors import Forbidden
from kehu.facts import Fact


class FileStored(Fact):
    """Somebody handed a file in; once per person. `size` is in bytes."""

    digest: str
    type: str
    size: int
    uploaded_by: str


class FileRead(Fact):
    """Somebody was given the content of a file; with a reason where they had to give one."""

    digest: str
    read_by: str
    reason: str | None = None


class FileErased(Fact):
    """A file's key was destroyed: nobody can read it any more, in backups neither."""

    digest: str


class FileSwept(Fact):
    """A file that nothing referred to was thrown away; it can be handed in again."""

    digest: str


@dataclass(frozen=True, slots=True)
class File:
    """A file by what has happened to it."""

    digest: str = ""
    uploaded_by: frozenset[str] = frozenset()
    erased: bool = False


def evolve(state: File, fact: Fact) -> File:
    """Take one fact over."""
    match fact:
        case FileStored():
            return replace(state, digest=fact.digest, uploaded_by=state.uploaded_by | {fact.uploaded_by})
        case FileErased():
            return replace(state, digest=fact.digest, erased=True)
        case FileSwept():
            return File(digest=fact.digest)
        case _:
            return state


def files_category(schema: str) -> Category[File]:
    """The files of one service; a category belongs to one service, so its schema's name stands in front."""
    return Category(f"{schema}_file", (FileStored, FileRead, FileErased, FileSwept), File(), evolve)


def check_may_upload(actor: Actor) -> None:
    """Refuse files from who changes nothing.

    Raises:
        Forbidden: they have no role, or only the auditor's (People).

    """
    if not any(grant.role != Role.AUDITOR for grant in actor.grants):
        raise Forbidden(
            "您的角色只能查阅,不能上传文件。请由经办人上传。",
            "Your role reads and changes nothing, files included. Ask whoever handles the matter to upload it.",
        )


def note_stored(fact: FileStored, state: File, context: Context) -> Decision:
    """Somebody hands a file in; again is nothing new."""
    check_may_upload(context.actor)
    return Decision() if fact.uploaded_by in state.uploaded_by else Decision([fact])


def note_read(reason: str | None, state: File, context: Context) -> Decision:
    """Somebody reads a file."""
    return Decision([FileRead(digest=state.digest, read_by=context.actor.id, reason=reason)])


def note_erased(digest: str, state: File, _context: Context) -> Decision:
    """A file is erased, once."""
    return Decision() if state.erased else Decision([FileErased(digest=digest)])


def note_swept(digest: str, _state: File, _context: Context) -> Decision:
    """A file that nothing refers to is thrown away."""
    return Decision([FileSwept(digest=digest)])
