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


class Departing(Forbidden):
    """Somebody who is leaving asks for what is none of the work that they may finish (R4.6)."""

    code = "departing"

    def __init__(self) -> None:
        super().__init__(
            "离职手续已开始:只能补写以往拜访的记录和交接说明,不能再办理、查看或导出其他事项。请由部门经理指派他人。",
            "Your departure has started: you finish the records of past visits and write handover notes, and no more. "
            "Ask the department's manager to assign somebody else.",
            clause="R4.6",
        )


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
