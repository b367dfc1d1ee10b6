"""What the customer's dossier does to a review that is open: a changed vetted field voids it by itself (R3.1.3)."""

from __future__ import annotations

from kehu.contracts.vetting import AgentActivated, QualificationReturned, Step
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.service import Reaction
from kehu_vetting.qualifications.decisions import release, void_from
from kehu_vetting.qualifications.facts import QUALIFICATIONS, Qualification, Status
from kehu_vetting.standing.facts import ReviewDoubted

VETTING = "vetting"
_REMARKS = (
    "提交之后,客户档案的名称、类别、证件号码、法定代表人或开户信息已变更,已有签批作废。请核对资质审核表后重新提交。\n"
    "The customer's name, kind, identity, representative or bank has changed since this was submitted, so every "
    "signature is void. Check F1 and submit it anew."
)


def void_changed(recorded: RecordedFact[ReviewDoubted], state: Qualification, context: Context) -> Decision:
    """Void what was signed of a bundle from before the change, and give it back to the salesperson to look at."""
    under_way = state.status in (Status.IN_REVIEW, Status.APPROVED)
    if state.bundle is None or not under_way or state.bundle.changes >= recorded.fact.changes:
        return Decision()
    facts: list[Fact] = [
        *void_from(Step.VETTING, state, "dossier", context),
        QualificationReturned(
            qualification=state.id,
            customer=state.customer,
            department=state.department,
            from_step=state.step or Step.AGREEMENT,
            to_step=None,
            remarks=_REMARKS,
            submitted_by=state.submitted_by,
        ),
    ]
    return Decision(facts)


def release_customer(recorded: RecordedFact[AgentActivated], state: Qualification, context: Context) -> Decision:
    """An active customer may be reviewed anew while this review's outcome stays in force."""
    del recorded, context
    return Decision((), [release(state)])


REACTIONS = (
    Reaction(
        "void-changed",
        ReviewDoubted,
        VETTING,
        QUALIFICATIONS,
        lambda recorded: (recorded.fact.qualification,),
        void_changed,
    ),
    Reaction(
        "release-customer",
        AgentActivated,
        VETTING,
        QUALIFICATIONS,
        lambda recorded: (recorded.fact.qualification,),
        release_customer,
    ),
)
