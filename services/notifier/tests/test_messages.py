"""What becomes of a message: by example, and under any sequence of attempts, answers, silences and crashes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from kehu.calendar import SHANGHAI
from kehu.contracts.messages import MessageDelivered, MessageFailed, MessageRequested
from kehu.deciding import Actor, Context, Decision, Grant
from kehu.errors import Forbidden, NotFound, Refused
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu_notifier.channels.channel import NO_TRACE, Accepted, Delivered, FailedForGood, Outcome, TryAgain, Unknown
from kehu_notifier.messages import decisions
from kehu_notifier.messages.composing import Found, Recipient, compose
from kehu_notifier.messages.decisions import ConfirmMessage, Ownership, Readiness, message_id
from kehu_notifier.messages.facts import (
    MESSAGES,
    SETTLED,
    Message,
    MessageConfirmed,
    MessageExpired,
    MessageHeld,
    MessagePrepared,
    MessageQueued,
    MessageSent,
    MessageState,
    MessageSuppressed,
    OutcomeUnknown,
    ProviderAsked,
    SendingStarted,
)
from kehu_notifier.messages.policy import SENDING, Sending
from kehu_notifier.notices.facts import NoticeAddressed
from kehu_notifier.templates.initial import WORDS
from kehu_notifier.templates.policy import TEMPLATES, Templates
from kehu_notifier.templates.template import Template, TemplateName
from kehu_notifier.testing import CUSTOMER, MORNING, NIGHT, NOW, POLICIES, context, later, recorded

REASON = new_id()
ATTEMPT, OTHER = new_id(), new_id()
READY = Readiness()
LOOKS = [timedelta(minutes=minutes) for minutes in SENDING.initial.look_after_minutes]


#: Which template, and for which reason, as the published end of a message says.
FROM: dict[str, str] = {"template": "turn-to-sign", "cause": str(REASON)}


def addressed(template: TemplateName = TemplateName.TURN_TO_SIGN, **changes: Any) -> RecordedFact[Any]:
    fields: dict[str, Any] = {
        "thing": "q-1",
        "customer": CUSTOMER,
        "reason": REASON,
        "template": template,
        "audience_kind": "role",
        "recipient": "sun",
        "recipient_kind": "employee",
        "department": "east",
        "values": {"step": "vetting", "due": "2026-12-01"},
        "expires_at": later(days=7),
    }
    return recorded(NoticeAddressed(**fields | changes))


def request(cause: RecordedFact[Any], now: datetime = NOW, **more: Any) -> list[Fact]:
    decision = decisions.request_message(cause, Message(), context(now=now), outlets=more.pop("outlets", {"wecom"}))
    return list(decision.facts)


QUEUED = request(addressed())
SENDING_IT = [*QUEUED, SendingStarted(message="m", customer=CUSTOMER, attempt=ATTEMPT, channel="wecom")]
SENT = [*SENDING_IT, MessageSent(message="m", attempt=ATTEMPT, provider_reference="b", look_at=later(minutes=1))]
UNKNOWN = [*SENDING_IT, OutcomeUnknown(message="m", attempt=ATTEMPT, detail="no-answer", look_at=later(minutes=1))]


def when(
    given_facts: Sequence[Fact],
    decide: Callable[[Message, Context], Decision],
    gathered: Any = None,
    now: datetime = NOW,
) -> list[Fact]:
    return list(decide(MESSAGES.fold(given_facts), context(gathered, now)).facts)


def kinds(facts: Sequence[Fact]) -> list[type[Fact]]:
    return [type(fact) for fact in facts]


def finish(given_facts: Sequence[Fact], outcome: Outcome, *, attempt: UUID = ATTEMPT, can_look_up: bool = True) -> Any:
    return when(given_facts, partial(decisions.finish_sending, attempt, outcome, can_look_up=can_look_up))


def look(given_facts: Sequence[Fact], outcome: Outcome) -> list[Fact]:
    return when(given_facts, partial(decisions.note_look_up, outcome))


# --- requested -------------------------------------------------------------------------------------------------------


def test_a_message_is_requested_with_its_reason_and_queued() -> None:
    prepared, requested, queued = QUEUED
    message = message_id(REASON, "turn-to-sign", "sun")
    assert isinstance(prepared, MessagePrepared)
    assert requested == MessageRequested(
        message=message,
        reason=str(REASON),
        template="turn-to-sign",
        template_version=0,
        recipient="sun",
        recipient_kind="employee",
        customer=CUSTOMER,
        channel="wecom",
    )
    assert queued == MessageQueued(message=message, customer=CUSTOMER)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"step": "vetting"}, "variable-missing"),
        ({"step": " \n", "due": "soon"}, "variable-empty"),
        ({"step": "", "due": "soon"}, "variable-empty"),
    ],
)
def test_what_cannot_be_filled_is_never_queued(values: dict[str, str], problem: str) -> None:
    _, _, fact = request(addressed(values=values))
    assert isinstance(fact, MessageFailed)
    assert fact.reason == problem


def test_asked_for_again_it_is_the_same_message() -> None:
    again = decisions.request_message(addressed(), MESSAGES.fold(QUEUED), context(), outlets={"wecom"})
    assert not again.facts
    assert message_id(REASON, "turn-to-sign", "sun") != message_id(REASON, "turn-to-sign", "qian")
    assert message_id(REASON, "turn-to-sign", "sun") != message_id(new_id(), "turn-to-sign", "sun")


def test_where_a_channel_is_not_set_up_the_sandbox_stands_in() -> None:
    prepared = request(addressed(), outlets={"sms"})[0]
    assert isinstance(prepared, MessagePrepared)
    assert (prepared.channel, prepared.outlet) == ("sandbox", "wecom")


def test_at_night_it_is_held_until_the_window_opens_and_then_let_out() -> None:
    held = request(addressed(), now=NIGHT)
    assert held[-1] == MessageHeld(
        message=message_id(REASON, "turn-to-sign", "sun"), customer=CUSTOMER, until=MORNING, held_for="quiet-hours"
    )
    assert kinds(when(held, decisions.release, now=MORNING)) == [MessageQueued]
    assert kinds(when(held, decisions.release, now=NIGHT)) == [MessageHeld]
    assert when(QUEUED, decisions.release) == []


def test_what_is_urgent_goes_out_at_night() -> None:
    urgent = WORDS[TemplateName.TURN_TO_SIGN].model_copy(update={"urgent": True})
    version = Templates(templates={TemplateName.TURN_TO_SIGN: urgent})
    night = Context(Actor("system:x"), NIGHT, {**POLICIES, TEMPLATES.name: version})
    facts = decisions.request_message(addressed(), Message(), night, outlets=()).facts
    assert kinds(facts)[-1] is MessageQueued


def test_what_has_expired_is_not_sent_whether_requested_held_or_queued() -> None:
    old = addressed(expires_at=NOW)
    assert kinds(request(old))[-1] is MessageExpired
    soon = request(addressed(expires_at=NIGHT + timedelta(hours=1)), now=NIGHT)
    assert kinds(when(soon, decisions.release, now=MORNING)) == [MessageExpired]
    assert kinds(when(QUEUED, partial(decisions.start_sending, ATTEMPT), READY, later(days=7))) == [MessageExpired]


# --- sent ------------------------------------------------------------------------------------------------------------


def test_an_attempt_is_recorded_before_the_channel_is_called_and_only_once() -> None:
    started = when(QUEUED, partial(decisions.start_sending, ATTEMPT), READY)
    assert kinds(started) == [SendingStarted]
    assert when([*QUEUED, *started], partial(decisions.start_sending, OTHER), READY) == []


def test_a_customer_out_of_reach_was_not_told_and_whoever_waits_for_that_hears_it() -> None:
    """R4.6: it counts as an attempt."""
    fields: dict[str, Any] = {
        "template": TemplateName.CUSTOMER_HANDOVER, "recipient": "p-1", "recipient_kind": "contact", "values": {},
    }  # fmt: skip
    queued = request(addressed(audience_kind="main_contact", **fields), outlets={"sms"})
    for ready, why in [
        (Readiness(has_address=False), "no-address"),
        (Readiness(recipient_gone=True), "recipient-gone"),
    ]:
        (fact,) = when(queued, partial(decisions.start_sending, ATTEMPT), ready)
        assert isinstance(fact, MessageFailed)
        assert (fact.reason, fact.template) == (why, "customer-handover")


@pytest.mark.parametrize(
    ("ready", "expected"),
    [
        (Readiness(waits=False), MessageSuppressed(message="", suppressed_for="done-meanwhile")),
        (Readiness(recipient_gone=True), MessageSuppressed(message="", suppressed_for="recipient-gone")),
        (Readiness(has_address=False), MessageSuppressed(message="", suppressed_for="no-address")),
        (
            Readiness(cannot_render="variable-empty"),
            MessageFailed(message="", channel="wecom", reason="variable-empty", **FROM),
        ),
    ],
)
def test_what_should_not_be_sent_any_more_is_not(ready: Readiness, expected: Fact) -> None:
    (fact,) = when(QUEUED, partial(decisions.start_sending, ATTEMPT), ready)
    message = message_id(REASON, "turn-to-sign", "sun")
    assert fact == expected.model_copy(update={"message": message, "customer": CUSTOMER})


def test_a_channel_that_was_taken_away_holds_its_messages() -> None:
    (held,) = when(QUEUED, partial(decisions.start_sending, ATTEMPT), Readiness(channel_there=False))
    assert isinstance(held, MessageHeld)
    assert (held.held_for, held.detail, held.until) == ("try-again", "channel-not-set-up", later(minutes=32))


def test_queued_before_quiet_hours_and_taken_in_them_it_is_held() -> None:
    assert kinds(when(QUEUED, partial(decisions.start_sending, ATTEMPT), READY, NIGHT)) == [MessageHeld]


def test_the_channels_word_is_recorded() -> None:
    assert kinds(finish(SENDING_IT, Delivered("r"))) == [MessageSent, MessageDelivered]
    (sent,) = finish(SENDING_IT, Accepted("b"))
    assert (sent.provider_reference, sent.look_at) == ("b", later(minutes=1))
    (failed,) = finish(SENDING_IT, FailedForGood("isv.MOBILE_NUMBER_ILLEGAL"))
    assert failed == MessageFailed(
        message=message_id(REASON, "turn-to-sign", "sun"),
        customer=CUSTOMER,
        channel="wecom",
        reason="isv.MOBILE_NUMBER_ILLEGAL",
        **FROM,
    )
    (unknown,) = finish(SENDING_IT, Unknown("no-answer"))
    assert (unknown.detail, unknown.look_at) == ("no-answer", later(minutes=1))
    (unknown,) = finish(SENDING_IT, Unknown("no-answer"), can_look_up=False)
    assert unknown.look_at is None


def test_only_the_attempt_in_hand_is_heard() -> None:
    assert finish(SENDING_IT, Delivered(), attempt=OTHER) == []
    assert finish(QUEUED, Delivered()) == []
    assert finish([*SENDING_IT, *finish(SENDING_IT, Delivered())], FailedForGood("x")) == []


def test_an_answer_that_comes_after_the_attempt_was_given_up_still_counts() -> None:
    given_up = when(SENDING_IT, partial(decisions.give_up_attempt, ATTEMPT, can_look_up=True))
    assert [fact.detail for fact in given_up if isinstance(fact, OutcomeUnknown)] == ["interrupted"]
    assert kinds(finish([*SENDING_IT, *given_up], Delivered("r"))) == [MessageSent, MessageDelivered]
    assert when(QUEUED, partial(decisions.give_up_attempt, ATTEMPT, can_look_up=True)) == []


def test_not_taken_at_the_moment_it_is_tried_again_later_and_later_and_then_fails() -> None:
    facts = list(QUEUED)
    waits: list[timedelta] = []
    for _ in range(SENDING.initial.attempts):
        attempt = new_id()
        facts += when(facts, partial(decisions.start_sending, attempt), READY)
        (fact,) = finish(facts, TryAgain("45009"), attempt=attempt)
        facts.append(fact)
        if isinstance(fact, MessageHeld):
            waits.append(fact.until - NOW)
            facts += when(facts, decisions.release, now=fact.until)
    assert waits == [timedelta(minutes=minutes) for minutes in (2, 4, 8, 16)]
    assert facts[-1] == MessageFailed(
        message=message_id(REASON, "turn-to-sign", "sun"), customer=CUSTOMER, channel="wecom", reason="45009", **FROM
    )


# --- looked up -------------------------------------------------------------------------------------------------------


def test_what_the_provider_says_later_settles_it() -> None:
    assert kinds(look(SENT, Delivered("b"))) == [MessageDelivered]
    assert kinds(look(SENT, FailedForGood("UNDELIVERED"))) == [MessageFailed]
    assert kinds(look(UNKNOWN, Delivered("b"))) == [MessageDelivered]
    assert kinds(look(UNKNOWN, Accepted("b"))) == [MessageSent]
    assert look(QUEUED, Delivered()) == []


@pytest.mark.parametrize(
    ("story", "last"),
    [(SENT, MessageState.SENT), (UNKNOWN, MessageState.FAILED)],
    ids=["taken", "unknown"],
)
def test_asked_again_and_again_without_a_trace(story: list[Fact], last: MessageState) -> None:
    """Taken without a receipt it stays sent; never seen at the provider, it has failed and is not sent again."""
    facts, waits = list(story), list[Any]()
    while (look_at := MESSAGES.fold(facts).look_at) is not None:
        waits.append(look_at)
        facts += look(facts, Unknown(NO_TRACE))
    assert len(waits) == len(LOOKS)
    assert MESSAGES.fold(facts).state is last


def test_a_provider_that_cannot_be_asked_leaves_it_unknown() -> None:
    facts = list(UNKNOWN)
    for _ in LOOKS:
        facts += look(facts, Unknown("unreachable"))
    state = MESSAGES.fold(facts)
    assert (state.state, state.look_at) == (MessageState.UNKNOWN, None)


def test_only_the_word_that_nothing_was_sent_lets_it_be_sent_again() -> None:
    """As the sandbox can give it, which sees its own table."""
    (held,) = look(UNKNOWN, TryAgain("interrupted"))
    assert isinstance(held, MessageHeld)
    assert kinds(look(SENT, TryAgain("x"))) == [ProviderAsked]


# --- confirmed -------------------------------------------------------------------------------------------------------

LI = Actor("li", (Grant("salesperson", "east"),))
ZHAO = Actor("zhao", (Grant("dept_manager", "east"),))
HE = Actor("he", (Grant("dept_manager", "west"),))
SUN = Actor("sun", (Grant("vetter", "east"),))
AUDITOR = Actor("auditor", (Grant("auditor"),))
THEIRS = Ownership("li", ("wang",))


def confirm(given_facts: Sequence[Fact], actor: Actor) -> list[Fact]:
    state = MESSAGES.fold(given_facts)
    return list(decisions.confirm_message(ConfirmMessage("call"), state, Context(actor, NOW, POLICIES, THEIRS)).facts)


TO_CONTACT = request(
    addressed(TemplateName.CUSTOMER_ACTIVATED, recipient="p-1", recipient_kind="contact", values={}), outlets={"sms"}
)
CONTACT_SENT = [
    *TO_CONTACT,
    SendingStarted(message="m", attempt=ATTEMPT, channel="sms"),
    MessageSent(message="m", attempt=ATTEMPT),
]


def test_its_recipient_confirms_or_for_a_customer_whoever_deals_with_them() -> None:
    assert kinds(confirm(SENT, SUN)) == [MessageConfirmed]
    assert kinds(confirm(UNKNOWN, SUN)) == [MessageConfirmed]
    assert kinds(confirm(CONTACT_SENT, LI)) == [MessageConfirmed]
    assert kinds(confirm(CONTACT_SENT, ZHAO)) == [MessageConfirmed]


@pytest.mark.parametrize("actor", [HE, AUDITOR, Actor("li"), Actor("li", LI.grants, departing=True)], ids=str)
def test_others_do_not(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        confirm(CONTACT_SENT, actor)
    with pytest.raises(Forbidden):
        confirm(SENT, actor)


def test_what_was_not_sent_or_is_not_there_is_not_confirmed() -> None:
    with pytest.raises(Refused):
        confirm(QUEUED, SUN)
    with pytest.raises(Refused):
        confirm([*SENT, *confirm(SENT, SUN)], SUN)
    with pytest.raises(NotFound):
        confirm([], SUN)


ROLES = st.sampled_from(["salesperson", "dept_manager", "vetter", "market_dept", "general_manager", "auditor", "admin"])
ACTORS = st.builds(
    Actor,
    st.sampled_from(["li", "wang", "sun", "p-1", "somebody"]),
    st.lists(st.builds(Grant, ROLES, st.none() | st.sampled_from(["east", "west"])), max_size=3).map(tuple),
    departing=st.booleans(),
)


@given(ACTORS, st.sampled_from([SENT, CONTACT_SENT]))
def test_whoever_confirms_is_the_recipient_or_deals_with_the_customer(actor: Actor, story: list[Fact]) -> None:
    try:
        (confirmed,) = confirm(story, actor)
    except Forbidden:
        assert actor.id != "sun" or story is CONTACT_SENT
        return
    assert isinstance(confirmed, MessageConfirmed)
    assert confirmed.confirmed_by == actor.id
    if story is SENT:
        assert actor.id == "sun"
    else:
        assert not actor.departing
        assert actor.has("dept_manager", department="east") or (actor.id in ("li", "wang") and actor.has("salesperson"))


# --- put together ----------------------------------------------------------------------------------------------------


CUSTOMER_VALUES = {"customer_number": "K1", "customer_name": "甲乙"}


def put_together(found: Found, template: TemplateName = TemplateName.CUSTOMER_ACTIVATED) -> Any:
    story = TO_CONTACT if template is TemplateName.CUSTOMER_ACTIVATED else QUEUED
    prepared = story[0]
    assert isinstance(prepared, MessagePrepared)
    return compose(prepared, WORDS[template], found, sign_name="甲公司", longest=35, channel_there=True)


def test_an_sms_is_signed_and_goes_to_a_mainland_mobile() -> None:
    letter = put_together(
        Found(
            waits=True,
            recipient=Recipient("王小明", "+8613800138000"),
            values=CUSTOMER_VALUES,
        )
    )
    assert letter.outgoing.to == "+8613800138000"
    assert letter.outgoing.text.startswith("【甲公司】尊敬的王小明：甲乙的合作手续已办妥")
    assert letter.readiness == Readiness()


@pytest.mark.parametrize("phone", ["+861062345678", "4008123456", "+85251234567", "已删除"])
def test_other_numbers_take_no_sms(phone: str) -> None:
    letter = put_together(Found(waits=True, recipient=Recipient("王小明", phone), values=CUSTOMER_VALUES))
    assert letter.readiness.has_address is False


def test_a_recipient_who_has_left_gets_nothing() -> None:
    for recipient in (None, Recipient("孙丽", "E004", gone=True)):
        letter = put_together(
            Found(waits=True, recipient=recipient, values=CUSTOMER_VALUES),
            TemplateName.TURN_TO_SIGN,
        )
        assert letter.readiness.recipient_gone
        assert letter.outgoing is None


def test_a_template_that_cannot_be_filled_is_no_letter() -> None:
    letter = put_together(
        Found(
            waits=True,
            recipient=Recipient("", "+8613800138000"),
            values=CUSTOMER_VALUES,
        )
    )
    assert letter.readiness.cannot_render == "variable-empty"


# --- quiet hours -----------------------------------------------------------------------------------------------------


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - Hypothesis adds UTC
    st.times(),
    st.times(),
)
def test_quiet_hours_end_at_their_end_within_a_day_and_are_over_then(now: datetime, start: time, end: time) -> None:
    policy = Sending(quiet_from=start, quiet_until=end)
    ends = policy.quiet_ends(now)
    if start == end:
        assert ends is None
    if ends is not None:
        assert now < ends <= now + timedelta(days=1)
        assert ends.astimezone(SHANGHAI).time() == end
        assert policy.quiet_ends(ends) is None
        assert policy.quiet_ends(ends - timedelta(microseconds=1)) == ends


@pytest.mark.parametrize(
    ("at", "quiet"),
    [((21, 59), False), ((22, 0), True), ((0, 0), True), ((6, 59), True), ((7, 0), False), ((12, 0), False)],
)
def test_the_policys_quiet_hours(at: tuple[int, int], quiet: bool) -> None:  # noqa: FBT001 - a column of the table
    now = datetime(2026, 11, 24, *at, tzinfo=SHANGHAI)
    assert (SENDING.initial.quiet_ends(now) is not None) is quiet


def test_times_of_day_have_no_zone() -> None:
    with pytest.raises(ValidationError):
        Sending(quiet_from=time(22, tzinfo=SHANGHAI))


# --- any story -------------------------------------------------------------------------------------------------------


@dataclass
class Walk:
    """One message on its way, and the truth about it that only its provider knows."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    now: datetime = NOW
    facts: list[Fact] = field(default_factory=list[Fact])
    really_sent: int = 0
    late: tuple[UUID, Outcome] | None = None

    @property
    def state(self) -> Message:
        return MESSAGES.fold(self.facts)

    def decide(self, decide: Callable[[Message, Context], Decision], gathered: Any = None) -> list[Fact]:
        settled = self.state.state in SETTLED and self.state.prepared is not None
        facts = when(self.facts, decide, gathered, self.now)
        assert not (settled and facts), "something happened to a settled message"
        self.facts += facts
        return facts

    def send(self) -> None:
        attempt = new_id()
        ready = self.draw(
            st.builds(Readiness, channel_there=st.booleans(), waits=st.sampled_from([True, True, True, False]))
        )
        if not any(
            isinstance(fact, SendingStarted) for fact in self.decide(partial(decisions.start_sending, attempt), ready)
        ):
            return
        outcome: Outcome = self.draw(
            st.sampled_from([Delivered("r"), Accepted("b"), FailedForGood("x"), TryAgain("y"), Unknown("z")])
        )
        really = isinstance(outcome, Delivered | Accepted) or (
            isinstance(outcome, Unknown) and self.draw(st.booleans())
        )
        self.really_sent += really
        if self.draw(st.booleans()):
            self.decide(partial(decisions.finish_sending, attempt, outcome, can_look_up=self.draw(st.booleans())))
        else:
            self.late = (attempt, outcome)  # it crashed, or is slow: its word may come later

    def answer_late(self) -> None:
        if self.late is not None:
            self.decide(partial(decisions.finish_sending, *self.late, can_look_up=True))

    def give_up(self) -> None:
        attempt = self.state.attempt
        if attempt is not None:
            self.decide(partial(decisions.give_up_attempt, attempt, can_look_up=self.draw(st.booleans())))

    def look(self) -> None:
        """The provider never lies, but may not know yet: `TryAgain` comes only where nothing was sent."""
        truth: list[Outcome] = [Unknown("unreachable"), Unknown(NO_TRACE)]
        truth += [Delivered("r"), Accepted("b"), FailedForGood("x")] if self.really_sent else [TryAgain("interrupted")]
        self.decide(partial(decisions.note_look_up, self.draw(st.sampled_from(truth))))

    def release(self) -> None:
        self.decide(decisions.release)

    def wait(self) -> None:
        self.now += timedelta(minutes=self.draw(st.integers(1, 24 * 60)))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_happens_a_message_goes_out_once_at_most(data: st.DataObject) -> None:
    """Guard: `start_sending` decides from the stream; only `TryAgain` leads back to the queue."""
    walk = Walk(data.draw)
    walk.facts += request(addressed())
    moves = [walk.send, walk.answer_late, walk.give_up, walk.look, walk.release, walk.wait]
    for move in data.draw(st.lists(st.sampled_from(moves), max_size=30)):
        move()
        assert walk.really_sent <= 1
    published = [fact for fact in walk.facts if fact.published]
    assert sum(isinstance(fact, MessageRequested) for fact in published) == 1
    assert sum(isinstance(fact, MessageDelivered | MessageFailed) for fact in published) <= 1
    if any(isinstance(fact, MessageDelivered) for fact in published):
        assert walk.really_sent == 1
    assert {getattr(fact, "customer", None) for fact in walk.facts} == {CUSTOMER}, "one message, one Kafka key"


@given(
    expires=st.integers(-10, 10),
    hour=st.integers(0, 23),
    urgent=st.booleans(),
    outlet=st.sampled_from(["sms", "wecom"]),
    outlets=st.sets(st.sampled_from(["sms", "wecom"])),
)
def test_a_request_always_says_what_becomes_of_it(
    expires: int,
    hour: int,
    urgent: bool,  # noqa: FBT001 - Hypothesis's argument
    outlet: Any,
    outlets: Any,
) -> None:
    words = Template(channel=outlet, zh="x", urgent=urgent, expires_after_hours=1)
    version = Templates(templates={TemplateName.TURN_TO_SIGN: words})
    now = NOW + timedelta(hours=hour)
    cause = addressed(expires_at=now + timedelta(hours=expires))
    at = Context(Actor("system:x"), now, {**POLICIES, TEMPLATES.name: version})
    prepared, requested, then = decisions.request_message(cause, Message(), at, outlets=outlets).facts
    assert isinstance(prepared, MessagePrepared)
    assert isinstance(requested, MessageRequested)
    assert prepared.channel == requested.channel == (outlet if outlet in outlets else "sandbox")
    if expires <= 0:
        assert isinstance(then, MessageExpired)
    elif SENDING.initial.quiet_ends(now) and not urgent:
        assert isinstance(then, MessageHeld)
    else:
        assert isinstance(then, MessageQueued)
