"""F3: the salesperson signs for an invoice, or acknowledges that a fully digital one was delivered (R3.2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kehu.contracts.staff import Role
from kehu.contracts.trade import InvoiceCollected, InvoiceKind
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, Invalid, Refused
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.invoices.accounts import Invoice, InvoiceAccount
from kehu_vetting.invoices.gathered import Gathered
from kehu_vetting.invoices.issuing import existing
from kehu_vetting.invoices.rights import refuse_departing


@dataclass(frozen=True, slots=True)
class CollectInvoice:
    """Sign F3.

    Args:
        invoice: which one.
        collected_on: when it was collected from finance; for a fully digital one, when its delivery is acknowledged.
        delivered_on: when the customer got it; may follow later for what is on paper.

    """

    invoice: str
    collected_on: date
    delivered_on: date | None = None


def collect_invoice(command: CollectInvoice, account: InvoiceAccount, context: Context) -> Decision:
    """Sign F3; a second time only to add when the customer got it."""
    gathered: Gathered = context.gathered
    invoice = existing(account, command.invoice)
    _check_may_sign(context.actor, gathered.file, invoice, gone=gathered.collector_gone)
    if not invoice.holds:
        raise Refused(
            "该发票已作废,无须领取。", "This invoice is void: nobody collects it.", clause="R3.2.3", code="voided"
        )
    if invoice.collected_on is not None and (invoice.delivered_on is not None or command.delivered_on is None):
        raise Refused("该发票已签收。", "F3 is signed for this invoice already.", clause="R3.2.3", code="collected")
    collected_on = invoice.collected_on or command.collected_on
    _check_days(invoice, collected_on, command.delivered_on, context.today)
    return Decision(
        [
            InvoiceCollected(
                invoice=invoice.id,
                order=account.order,
                customer=account.customer,
                collected_by=invoice.collected_by or context.actor.id,
                collected_on=collected_on,
                delivered_on=command.delivered_on,
            )
        ]
    )


def _check_may_sign(actor: Actor, file: CustomerFile, invoice: Invoice, *, gone: bool) -> None:
    """The collector signs, or who owns the customer now; the department's manager once the collector is leaving."""
    refuse_departing(actor)
    if actor.id in (invoice.issued.collector, file.owner):
        return
    if gone and actor.has(Role.DEPT_MANAGER, department=file.department):
        return
    raise Forbidden(
        "领取单由该客户的营销员签收;其离职的,由接手的营销员或部门经理签收。",
        "F3 is signed by the customer's salesperson; once they leave, by the successor or the department's manager.",
        clause="R3.2.3",
        code="not-the-collector",
        collector=invoice.issued.collector,
    )


def _check_days(invoice: Invoice, collected_on: date, delivered_on: date | None, today: date) -> None:
    issued_on = invoice.issued.issued_on
    if not issued_on <= collected_on <= today:
        raise Invalid(
            f"领取日期应在开票日期({issued_on})与今天({today})之间。",
            f"It is collected between its issue ({issued_on}) and today ({today}).",
            clause="R3.2.3",
            code="collected-on",
        )
    if delivered_on is None:
        if invoice.issued.kind is InvoiceKind.DIGITAL:
            raise Invalid(
                "全电发票没有可领取的纸质件,请填写交付客户的日期(delivered_on)。",
                "There is nothing to collect of a fully digital one: say when the customer got it (delivered_on).",
                clause="R3.2.3",
                code="delivered-on",
            )
        return
    first = issued_on if invoice.issued.kind is InvoiceKind.DIGITAL else collected_on
    if not first <= delivered_on <= today:
        raise Invalid(
            f"交付日期应在 {first} 与今天({today})之间。",
            f"The customer gets it between {first} and today ({today}).",
            clause="R3.2.3",
            code="delivered-on",
        )
