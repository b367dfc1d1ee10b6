"""What other services say of a customer ends in the same state, in whichever order their topics come."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kehu.contracts.customers import CustomerChanged, CustomerKind, CustomerRegistered, IdentityKind, OwnerAssigned
from kehu.contracts.grading import Grade, GradeAssigned
from kehu.deciding import Context, system_actor
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu_engagement.visits.facts import VISITS, CustomerVisits, Relation
from kehu_engagement.visits.reactions import REACTIONS

CONTEXT = Context(system_actor("engagement", "test"), datetime(2026, 11, 24, tzinfo=UTC))
REGISTERED = CustomerRegistered(
    customer="c-1",
    number="K000001",
    name="远东商贸有限公司",
    kind=CustomerKind.DEALER,
    nature="有限责任公司",
    identity_kind=IdentityKind.USCC,
    identity="91110000600037341L",
    region="华东",
    department="east",
    owner="lin",
    collaborators=("wu",),
    taken_over=True,
    registered_by="sun",
)


def react(state: CustomerVisits, fact: Fact) -> CustomerVisits:
    recorded: RecordedFact[Any] = RecordedFact(
        fact=fact,
        id=new_id(),
        stream="dossier-c-1",
        version=1,
        sequence=1,
        key="c-1",
        service="customer-registry",
        actor="sun",
        clause=fact.clause,
        correlation=new_id(),
        causation=None,
        occurred_at=CONTEXT.now,
        recorded_at=CONTEXT.now,
    )
    for reaction in REACTIONS:
        if reaction.on is type(fact):
            assert list(reaction.stream_ids(recorded)) == ["c-1"]
            state = VISITS.fold(reaction.decide(recorded, state, CONTEXT).facts, state)
    return state


def graded(grade: Grade) -> GradeAssigned:
    return GradeAssigned(
        customer="c-1", grade=grade, basis="annual", grade_clause="R5.2.B", provisional=False, policy_version=0
    )


changes = st.one_of(
    st.builds(CustomerChanged, customer=st.just("c-1"), name=st.sampled_from([None, "新名", "旧名"])),
    st.builds(
        OwnerAssigned,
        customer=st.just("c-1"),
        owner=st.sampled_from(["lin", "zhao"]),
        department=st.sampled_from(["east", "south"]),
        collaborators=st.sampled_from([(), ("wu",), ("wu", "sun")]),
    ),
)


@given(st.lists(changes, max_size=6), st.lists(st.sampled_from(Grade).map(graded), max_size=4), st.data())
def test_any_interleaving_of_two_topics_ends_in_the_same_state(
    registry: list[Fact], grading: list[Fact], data: st.DataObject
) -> None:
    topics: list[list[Fact]] = [[REGISTERED, *registry], list(grading)]
    one_after_the_other = CustomerVisits()
    for fact in [*topics[0], *topics[1]]:
        one_after_the_other = react(one_after_the_other, fact)
    mixed = CustomerVisits()
    while any(topics):
        topic = data.draw(st.sampled_from([topic for topic in topics if topic]))
        mixed = react(mixed, topic.pop(0))
    assert mixed == one_after_the_other


def test_a_grade_that_comes_before_its_customer_is_kept() -> None:
    early = react(CustomerVisits(), graded(Grade.A))
    assert (early.relation.grade, early.relation.registered) == (Grade.A, False)
    assert react(early, REGISTERED).relation == Relation(
        "K000001", "远东商贸有限公司", "east", "lin", ("wu",), taken_over=True, grade=Grade.A
    )


def test_what_is_known_already_is_not_noted_again() -> None:
    state = react(CustomerVisits(), REGISTERED)
    for reaction in REACTIONS:
        assert reaction.category is VISITS
    assert react(state, CustomerChanged(customer="c-1", region="华南")) is state
    assert react(state, REGISTERED) is state
