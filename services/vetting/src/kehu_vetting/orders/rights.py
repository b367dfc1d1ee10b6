"""Who may do what with an order (the table of roles), and what is refused to whom."""

from __future__ import annotations

from kehu.contracts.staff import Role
from kehu.deciding import Actor
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.orders.buyer import Buyer
from kehu_vetting.orders.facts import Order

CLAUSE = "R3.2.1"
_NAMES = {
    Role.FINANCE: ("财务部", "finance"),
    Role.WAREHOUSE: ("仓库", "the warehouse"),
    Role.DEPT_MANAGER: ("部门经理", "the department's manager"),
}


class CustomerNotActive(Refused):
    """No order before activation (R3.1.3)."""

    code = "customer-not-active"


class CustomerSuspended(Refused):
    """Suspension bars new orders and increases (R3.1.2)."""

    code = "customer-suspended"


def check_enters(actor: Actor, file: CustomerFile) -> None:
    """Orders are entered by an order clerk of the customer's department, or by the customer's owner.

    Raises:
        Forbidden: they are neither, or are leaving.

    """
    check_staying(actor)
    if actor.id == file.owner or actor.has(Role.ORDER_CLERK, department=file.department):
        return
    raise Forbidden(
        "订单由客户所属部门的订单员或负责该客户的营销员录入。请由他们办理。",
        "Orders are entered by an order clerk of the customer's department or by its owner: ask them to.",
        clause=CLAUSE,
        code="role-required",
        roles=[Role.ORDER_CLERK],
    )


def check_role(actor: Actor, role: Role, file: CustomerFile | None) -> None:
    """It is done by somebody with a role, in the customer's department or company-wide.

    Raises:
        Forbidden: they have no such role there, or are leaving.

    """
    check_staying(actor)
    if not actor.has(role, department=file.department if file else None):
        zh, en = _NAMES[role]
        raise Forbidden(
            f"此事由{zh}办理,您没有这一岗位。", f"This is done by {en}: you do not have that role.",
            clause=CLAUSE, code="role-required", roles=[role],
        )  # fmt: skip


def check_staying(actor: Actor) -> None:
    """Whoever is leaving does nothing new here.

    Raises:
        Forbidden: they are leaving.

    """
    if actor.departing:
        raise Forbidden(
            "离职手续办理期间不能办理订单和款项,请移交同事。",
            "Whoever is leaving handles no orders and no money any more: hand it over.",
            clause="R4.6",
            code="departing",
        )


def check_known(buyer: Buyer) -> None:
    """There is such a customer.

    Raises:
        NotFound: there is not, or not yet.

    """
    if not buyer.file.registered:
        raise NotFound(
            "没有这一客户,或其档案尚未归档;刚归档的,请稍候再试。",
            "There is no such customer, or its dossier has not been passed. Just passed, try again in a moment.",
            clause=CLAUSE,
            code="customer-unknown",
        )


def check_orders(buyer: Buyer) -> None:
    """The customer may order now.

    Raises:
        NotFound, CustomerNotActive, CustomerSuspended, Refused: unknown, not active, suspended, closed or merged.

    """
    check_known(buyer)
    check_lasting(buyer)
    if not buyer.active:
        raise CustomerNotActive(
            "该客户尚未激活:资质审核通过并签订协议之后才能下单。",
            "This customer is not active: it may order once its qualification has passed and the agreement is signed.",
            clause="R3.1.3",
        )
    check_unsuspended(buyer)


def check_lasting(buyer: Buyer) -> None:
    """The customer has not been closed or merged.

    Raises:
        Refused: it has; MergedAway names the survivor.

    """
    buyer.file.check_apart()
    if buyer.ended:
        raise Refused(
            "该客户已关闭或已并入其他客户,不能下单或增加订单。请在存续的客户上办理。",
            "This customer is closed or merged into another one: enter it for the one that goes on.",
            clause=CLAUSE,
            code="customer-ended",
        )


def check_unsuspended(buyer: Buyer) -> None:
    """Nothing bars new orders and increases.

    Raises:
        CustomerSuspended: something does.

    """
    if buyer.suspended:
        raise CustomerSuspended(
            f"该客户已暂停,不能新增或增加订单;已付款的批次仍可发货。请先消除原因。{buyer.why[0]}",
            "This customer is suspended: no new orders and no increases; paid batches still ship. Mend what suspends "
            f"it. {buyer.why[1]}".rstrip(),
            clause="R3.1.2",
        )


def check_payer(unit: str, buyer: Buyer) -> None:
    """The settlement unit may pay for orders of the customer.

    Raises:
        Invalid: none was named, and the customer has no default one.
        Refused: it is not linked with it, or suspended.

    """
    if not unit:
        raise Invalid(
            "该客户没有默认结算单位,请指明由谁付款。",
            "This customer has no default settlement unit: say who pays.",
            clause="R3.1.1",
            code="unit-missing",
        )
    if unit not in buyer.units:
        raise Refused(
            f"该结算单位未与客户关联(或已暂停、协议已到期),不能用于此订单。请先办理三方协议。{buyer.why[0]}",
            "This settlement unit is not linked with the customer (or suspended, or its agreement has ended). "
            f"Have the three-party agreement signed first. {buyer.why[1]}".rstrip(),
            clause="R3.1.1",
            code="unit-not-linked",
            unit=unit,
        )


def check_uncancelled(order: Order) -> None:
    """The order has not been cancelled.

    Raises:
        Refused: it has.

    """
    if order.cancelled_on is not None:
        raise Refused(
            "订单已取消,不能再变更。请另签订单。",
            "The order has been cancelled, nothing of it can be changed: sign another one.",
            clause=CLAUSE,
            code="order-cancelled",
        )
