"""Who signs a step: somebody as themselves, or as the delegate of an absent approver (委托, shown as "B代A").

A decision that people sign asks for it like this, with the people whom the separation of duties bars::

    found = signatures(context.actor, DelegableStep.DOSSIER_REVIEW, Role.DEPT_MANAGER, department=state.department)
    if not found:
        raise Forbidden(...)  # neither their own role nor a delegation gives them this step
    signature = first_free(found, barred={state.submitted_by, state.owner})
    if signature is None:
        raise OwnSubmission(...)  # they, or everybody whom they stand in for, had a hand in it before

and keeps both people: `signed_by` and `on_behalf_of` in the fact, and `Signature.people` among those whom later steps
bar. Both are barred alike (People): a delegate signs neither what they nor what their principal submitted or signed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from kehu.deciding import Actor


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signs, and (as a delegate) for whom."""

    signed_by: str
    on_behalf_of: str | None = None

    @property
    def people(self) -> frozenset[str]:
        """Both of them: whoever bars one bars the other."""
        return frozenset({self.signed_by, self.on_behalf_of or self.signed_by})

    def __str__(self) -> str:
        """Return how it is shown."""
        return f"{self.signed_by}代{self.on_behalf_of}" if self.on_behalf_of else self.signed_by


def signatures(actor: Actor, step: str, *roles: str, department: str | None = None) -> list[Signature]:
    """In which ways somebody may do a step now: as themselves first, then for each principal, by their id.

    Args:
        actor: who acts, with the delegations that hold today.
        step: as the delegation names it (`kehu.contracts.staff.DelegableStep`).
        roles: any of which gives the step.
        department: the one in which the role counts; None for any.

    Returns:
        Nothing where they have no right to it. That somebody is leaving is not looked at: refuse it where it matters.

    """
    own = [Signature(actor.id)] if actor.has(*roles, department=department) else []
    delegated = [Signature(actor.id, principal) for principal in actor.principals(step, *roles, department=department)]
    return own + delegated


def first_free(found: Iterable[Signature], barred: Collection[str | None]) -> Signature | None:
    """The first of these in which nobody is barred; None where each has somebody who is.

    Args:
        found: in the order in which they are to be tried (`signatures`).
        barred: who submitted it, owns it, or signed an earlier step; None among them is nobody.

    """
    return next((signature for signature in found if signature.people.isdisjoint(barred)), None)
