"""Why something about a visit is refused: each error says what is wrong, which rule says so, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu_engagement.visits.facts import VisitStatus


class CustomerUnknown(NotFound):
    """No dossier of this customer has been passed, as far as this service has heard."""

    code = "customer-unknown"

    def __init__(self) -> None:
        super().__init__(
            "没有这一客户,或其档案尚未归档。刚归档的,请稍候再试。",
            "There is no such customer, or its dossier has not been passed. Just passed, try again in a moment.",
            clause="R4.3",
        )


class VisitUnknown(NotFound):
    """There is no visit of that id to this customer."""

    code = "visit-unknown"

    def __init__(self, visit: str) -> None:
        super().__init__(
            "该客户没有这一次拜访。请在拜访列表中核对编号。",
            "There is no such visit to this customer: look up its id in the list of visits.",
            clause="R6.2.1a",
            visit=visit,
        )


class NotYourCustomer(Forbidden):
    """The actor neither owns the customer, nor helps to, nor leads its department."""

    code = "not-your-customer"

    def __init__(self, department: str) -> None:
        super().__init__(
            "拜访由客户的负责营销员、协同营销员或本部门经理办理。请联系其中一位。",
            "Visits are the business of the customer's owner, its collaborators and the department's manager: ask one.",
            clause="R6.2.1a",
            department=department,
        )


class NotYoursToSee(Forbidden):
    """The actor has no part in the customer's visits."""

    code = "not-yours-to-see"

    def __init__(self) -> None:
        super().__init__(
            "您不负责该客户,也不在其部门。请联系该客户的负责营销员或部门经理。",
            "The customer is not yours, nor your department's: ask its owner or the department's manager.",
            clause="People",
        )


class Departing(Forbidden):
    """Somebody who is leaving would begin something new."""

    code = "departing"

    def __init__(self) -> None:
        super().__init__(
            "离职手续办理期间只能补完已拜访的记录(F7),不能新登记或取消拜访。请由部门经理办理。",
            "Whoever is leaving finishes the records (F7) of past visits only: the department's manager does the rest.",
            clause="R4.6",
        )


class DayIsPast(Refused):
    """F6 is filled before the visit."""

    code = "planned-day-past"

    def __init__(self, planned_on: date, today: date) -> None:
        super().__init__(
            f"登记表(F6)须在拜访前填写:{planned_on} 已过(今天是 {today})。已成行而未登记的拜访,请按计划外拜访补登。",
            f"F6 is filled before the visit, and {planned_on} has passed (today is {today}). "
            "A visit that was made without one is registered as unplanned.",
            clause="R6.2.1a",
            planned_on=planned_on,
            today=today,
        )


class PeopleUnknown(Invalid):
    """Somebody named is not on the staff."""

    code = "people-unknown"

    def __init__(self, people: Sequence[str]) -> None:
        super().__init__(
            f"员工名册中没有:{'、'.join(people)}。请核对人员编号。",
            f"Not on the staff: {', '.join(people)}. Check their ids.",
            clause="People",
            people=list(people),
        )


class PeopleLeaving(Refused):
    """Somebody named is leaving, or has left."""

    code = "people-leaving"

    def __init__(self, people: Sequence[str]) -> None:
        super().__init__(
            f"{'、'.join(people)} 正在办理离职或已离职,不能再安排新的拜访。请改派他人。",
            f"{', '.join(people)} is leaving or has left, and is given nothing new: send somebody else.",
            clause="R4.6",
            people=list(people),
        )


class FirstVisitShort(Refused):
    """Too few marketing employees would go to a new customer."""

    code = "first-visit-short"

    def __init__(self, marketing: int, needed: int) -> None:
        super().__init__(
            f"新客户的首次拜访须有至少 {needed} 名在职营销人员(营销员或部门经理)同行,"
            f"现有 {marketing} 名。请增加拜访人。",
            f"At least {needed} different active marketing employees (salesperson or department manager) go on the "
            f"first visit to a new customer, not {marketing}: add visitors.",
            clause="R6.2.1b",
            needed=needed,
            marketing=marketing,
        )


class FirstVisitWithoutOwner(Refused):
    """Nobody who would go to a new customer owns it or helps to."""

    code = "first-visit-without-owner"

    def __init__(self, salespeople: Sequence[str]) -> None:
        super().__init__(
            "新客户的首次拜访,同行的营销人员中须有该客户的负责营销员或协同营销员。请将其加入拜访人。",
            "On the first visit to a new customer one of the marketing employees is its owner or a collaborator: "
            "add one of them to the visitors.",
            clause="R6.2.1b",
            salespeople=list(salespeople),
        )


class VisitNotOpen(Refused):
    """The visit is recorded, or cancelled, already."""

    code = "visit-not-open"

    def __init__(self, visit: str, status: VisitStatus) -> None:
        what = "已有记录(F7)" if status is VisitStatus.LOGGED else "已取消"
        super().__init__(
            f"该拜访{what},不能再办理。如又拜访一次,请另行登记。",
            f"The visit is {status.value} already; nothing more can be done to it. Register another visit on its own.",
            clause="R6.2.1a",
            visit=visit,
            status=status.value,
        )


class BeforeVisitDay(Refused):
    """F7 would come before the day of F6."""

    code = "before-visit-day"

    def __init__(self, planned_on: date) -> None:
        super().__init__(
            f"记录表(F7)不能早于登记的拜访日 {planned_on}。若提前成行,请取消本次登记,并按计划外拜访登记。",
            f"The record (F7) cannot be of a day before the planned one, {planned_on}. "
            "If the visit was made earlier, cancel this one and register an unplanned visit.",
            clause="R6.2.1a",
            planned_on=planned_on,
        )


class VisitInFuture(Invalid):
    """F7 would tell of what has not happened yet."""

    code = "visit-in-future"

    def __init__(self) -> None:
        super().__init__(
            "拜访时间不能晚于现在:记录表(F7)在拜访之后填写。请更正时间。",
            "The visit cannot be later than now: the record (F7) is filled after it. Correct the time.",
            clause="R6.2.1a",
        )


class NothingRecorded(Invalid):
    """F7 would say nothing."""

    code = "nothing-recorded"

    def __init__(self) -> None:
        super().__init__(
            "记录表(F7)是空的:请至少填写需求、产品意见、服务意见、竞争对手、市场、承诺、后续安排中的一项。",
            "The record (F7) says nothing: fill in at least one of needs, opinions on product or service, competitors, "
            "market, commitments, next step.",
            clause="R6.2.1a",
        )
