"""The platform's tree of errors: each has a stable code, a sentence in both languages, and the clause that says so.

`KehuError` is what an API turns into an RFC 9457 problem. A bug is never one of these: it stays a plain exception.
"""

from __future__ import annotations

from typing import Any, ClassVar


class KehuError(Exception):
    """Something was refused, for a reason that its sender can act on.

    Args:
        zh: what is wrong and what to do next, in Chinese.
        en: the same in English.
        clause: the policy's clause that says so, such as ``R6.2.1b``; empty where it is not the policy's.
        evidence: machine-readable details (versions, ids, fields); never personal data.

    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 409

    def __init__(self, zh: str, en: str, *, clause: str = "", code: str | None = None, **evidence: Any) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en
        self.clause = clause
        self.evidence = evidence
        self.problem_code = code or type(self).code


class Invalid(KehuError):
    """The command itself is wrong: it would be refused whatever the state."""

    code = "invalid"
    status = 422


class Refused(KehuError):
    """The policy, or the state of the thing, does not allow it now."""

    code = "refused"
    status = 409


class Forbidden(KehuError):
    """The person who acts has no right to it (roles, department, separation of duties)."""

    code = "forbidden"
    status = 403


class NotFound(KehuError):
    """There is no such thing, or none that this person may know of."""

    code = "not-found"
    status = 404


class Unauthenticated(KehuError):
    """No token, or one that does not hold."""

    code = "unauthenticated"
    status = 401


class PreconditionMissing(KehuError):
    """An edit came without the version that it was made from."""

    code = "if-match-required"
    status = 428
