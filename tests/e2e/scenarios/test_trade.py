"""R3.2 as people live it: signed orders, money, goods and invoices; the bank, the warehouse, finance and sales."""

from __future__ import annotations

import re

from journeys import Installation, N, V, run_example
from people import Customer, World, name_of
from trade import (
    ITEM,
    digital,
    in_days,
    issue_body,
    lines,
    money,
    money_body,
    order_body,
    paid,
    paper,
    passed,
    requested,
    review,
    shipment,
    shipped,
    signed_order,
)

from kehu.ids import new_id

FIRST, SECOND = 10_000, 5_000
GROSS = 1_000_000
ONE_FEN = 1


# --- R3.2.1: payment first, goods after ------------------------------------------------------------------------------


async def test_r3_2_1_goods_go_out_only_after_payment(world: World) -> None:
    li, fin, fei, store = world.li, world.fin, world.fei, world.store
    customer = await world.active()
    body = await order_body(customer, FIRST, SECOND, reference=f"HT-{world.tag}")
    for person in (world.wang, fin, store):
        await person.may_not(V, "/orders", body, code="role-required", clause="R3.2.1")
    order = (await li.does(V, "/orders", body))["id"]
    await li.may_not(V, "/orders", body, code="order-exists", clause="R3.2.1")
    await li.finds(V, "/deliveries?waiting_for=me", order=order, batch=1)
    await store.may_not(V, f"/orders/{order}/shipments", await shipment(world), code="not-released", clause="R3.2.1")

    # Money counts once a second person of finance has confirmed it, and its bank reference once.
    entry = await money_body(world, await customer.unit(), FIRST + SECOND)
    await li.may_not(V, "/receipts", entry, code="role-required", clause="R3.2.1")
    receipt = (await fin.does(V, "/receipts", entry))["id"]
    allocations = f"/receipts/{receipt}/allocations"
    part = {"order": order, "amount_fen": FIRST - ONE_FEN}
    await fin.may_not(V, allocations, part, code="receipt-not-confirmed", clause="R3.2.1")
    await fin.may_not(V, f"/receipts/{receipt}/confirm", code="separation", clause="R3.2.1")
    await fei.finds(V, "/receipts?waiting_for=me", receipt=receipt)
    await fei.does(V, f"/receipts/{receipt}/confirm")
    await fin.may_not(V, "/receipts", entry | {"amount_fen": 1}, code="bank-reference-taken", clause="R3.2.1")
    stranger = await money(world, await (await world.active()).unit(), FIRST)
    foreign = {"order": order, "amount_fen": FIRST}
    await fin.may_not(V, f"/receipts/{stranger}/allocations", foreign, code="payer-not-linked", clause="R3.1.1")

    # To the fen: one is missing, and nothing leaves.
    await fin.does(V, allocations, part)
    await store.may_not(V, f"/orders/{order}/shipments", await shipment(world), code="not-released", clause="R3.2.1")
    assert (await li.sees(V, f"/orders/{order}"))["needed_fen"] == SECOND + ONE_FEN
    await fin.does(V, allocations, part | {"amount_fen": ONE_FEN})
    await store.finds(V, "/deliveries?waiting_for=me", order=order, batch=1)
    await store.is_told("batch-to-ship", customer=customer)
    await li.may_not(V, f"/orders/{order}/shipments", await shipment(world), code="role-required", clause="R3.2.1")
    await store.does(V, f"/orders/{order}/shipments", await shipment(world))
    await store.misses(V, "/deliveries?waiting_for=me", order=order, batch=1)
    await li.is_told("shipment-left", customer=customer)
    for template in ("payment-received", "goods-shipped"):
        told = f"/messages?customer={customer.id}&template={template}"
        await world.auditor.finds(N, told, recipient_kind="contact")
    # The dispatch names the money behind it.
    confirmed = [fact["id"] for fact in await world.facts(customer) if name_of(fact) == "OrderReleased"]
    assert confirmed, "released, and the audit shows it"
    row = await store.finds(V, f"/shipments?order={order}", batch=1)
    assert len(row["receipts"]) == 1
    assert row["receipts"][0] == (await li.sees(V, f"/orders/{order}"))["payments"][0]["fact"]

    await money_goes_back(world, customer, order, receipt)
    await suspended_and_stopped(world, customer)
    await the_bank_tells(world, customer)


async def money_goes_back(world: World, customer: Customer, order: str, receipt: str) -> None:
    """A reversal blocks what has not left, last first; a shortfall on goods that have left is bad credit."""
    li, fin, store = world.li, world.fin, world.store
    await fin.may_not(
        V,
        f"/receipts/{receipt}/allocations",
        {"order": order, "amount_fen": SECOND + ONE_FEN},
        code="receipt-exceeded",
        clause="R3.2.1",
    )
    await fin.does(V, f"/receipts/{receipt}/allocations", {"order": order, "amount_fen": SECOND})
    await store.finds(V, "/deliveries?waiting_for=me", order=order, batch=2)
    back = {"amount_fen": ONE_FEN, "reversed_on": await in_days(world, 0), "reason": "银行退票"}
    await fin.does(V, f"/receipts/{receipt}/reversals", back)
    for person in (li, store):
        await person.is_told("release-blocked", customer=customer)
    await store.may_not(V, f"/orders/{order}/shipments", await shipment(world, 2), code="not-released", clause="R3.2.1")
    refund = {
        "amount_fen": SECOND,
        "refunded_on": await in_days(world, 0),
        "reason": "客户要求",
        "bank_reference": f"REFUND {new_id().hex[-12:]}",
    }
    await fin.does(V, f"/receipts/{receipt}/refunds", refund)
    credit = await fin.eventually_sees(V, f"/credit/{customer.id}", incidents=[{"amount_fen": ONE_FEN}])
    assert len(credit["incidents"]) == 1
    await li.is_told("credit-incident", customer=customer)


async def suspended_and_stopped(world: World, customer: Customer) -> None:
    """Suspension bars new orders; paid batches still ship unless finance and the manager stop them jointly."""
    li, zhao, fin, fei, store = world.li, world.zhao, world.fin, world.fei, world.store
    order = await signed_order(customer, FIRST)
    await paid(customer, order, FIRST)
    stop, path = {"side": "finance", "reason": "涉诉"}, f"/orders/{order}/stop-shipping"
    await fin.may_not(V, path, stop, code="not-suspended", clause="R3.2.1")
    suspend = f"/customers/{customer.id}/suspend"
    await li.may_not(V, suspend, {"reason": "涉诉"}, code="role-required", clause="R3.1.1")
    await zhao.does(V, suspend, {"reason": "涉诉"})
    refused = await li.may_not(V, "/orders", await order_body(customer, 1), code="customer-suspended", clause="R3.1.2")
    assert "涉诉" in refused["detail"]
    await fin.does(V, path, stop)
    await zhao.finds(V, "/orders?waiting_for=me", order=order)
    await fei.may_not(V, f"{path}/agree", {"side": "finance"}, code="separation", clause="R3.2.1")
    await zhao.does(V, f"{path}/agree", {"side": "manager"})
    await store.is_told("shipping-stopped", customer=customer)
    await store.may_not(
        V, f"/orders/{order}/shipments", await shipment(world), code="shipping-stopped", clause="R3.2.1"
    )
    await zhao.does(V, path, {"side": "manager", "lift": True, "reason": "已和解"})
    await fin.does(V, f"{path}/agree", {"side": "finance"})
    await shipped(world, order)
    await zhao.does(V, f"/customers/{customer.id}/lift-suspension", {"reason": "已和解"})


async def the_bank_tells(world: World, customer: Customer) -> None:
    """Money that the bank's own system tells of is confirmed as it comes; the same reference again changes nothing."""
    reference = f"BK-{new_id().hex[-12:]}"
    said = ("receipt", "--payer", customer.identity, "--fen", str(FIRST), "--day", await in_days(world, 0))
    code, told = await run_example("send_trade.py", world.at.brokers, *said, "--id", reference)
    assert code == 0, told
    row = await world.fin.finds(V, f"/receipts?reference={reference}", status="confirmed", amount_fen=FIRST)
    assert row["unit"] == await customer.unit()
    ahead = ("receipt", "--payer", customer.identity, "--fen", "1", "--day", await in_days(world, 2))
    code, told = await run_example("send_trade.py", world.at.brokers, *ahead, "--id", f"{reference}-2")
    assert (code, told.split()[:3]) == (1, ["refused:", "date-in-future", "R3.2.1"])


# --- R3.2.2: what a special VAT invoice takes ------------------------------------------------------------------------


async def test_r3_2_2_special_vat_invoices_take_invoicing_information_and_taxpayer_proof(world: World) -> None:
    li = world.li
    bare = await world.registered()
    form = await bare.form()
    form["settlement_unit"]["invoicing"] = None
    await bare.is_proposed(**form)
    stale = await world.registered()
    old = await stale.form()
    query = next(one for one in old["documents"] if one["type"] == "taxpayer_query")
    query["issued_on"] = await in_days(world, -400)
    await stale.is_proposed(**old)
    whole = await world.active()
    for customer in (bare, stale):
        await customer.is_signed("vetting", "finance", "manager", "registration", "general_manager")
        await li.does(V, f"{customer.f1}/agreement", await customer.agreement())

    orders: dict[str, str] = {}
    for customer in (bare, stale, whole):
        orders[customer.id] = await signed_order(customer, GROSS)
        await paid(customer, orders[customer.id], GROSS)
        await shipped(world, orders[customer.id])
    for customer, lacking in ((bare, "开票信息"), (stale, "一般纳税人证明")):
        request = {"order": orders[customer.id], "lines": lines(GROSS)}
        refused = await li.may_not(V, "/invoice-requests", request, code="payer-papers", clause="R3.2.2")
        assert lacking in refused["detail"]
    assert not (await li.sees(V, f"/orders/{orders[stale.id]}/invoicing"))["taxpayer_proven"]
    number = await requested(whole, orders[whole.id], GROSS)
    assert re.fullmatch(r"KP\d{6,}", number)
    # The buyer is the settlement unit, to the letter.
    buyer = (await li.sees(V, f"/invoice-requests/{number}"))["buyer"]
    assert (buyer["name"], buyer["identity"]) == (whole.name, whole.identity)
    other = {"order": orders[whole.id], "lines": lines(ONE_FEN), "buyer": buyer | {"name": "别家"}}
    await li.may_not(V, "/invoice-requests", other, code="buyer-differs", clause="R3.2.3")
    # An ordinary invoice takes neither.
    ordinary = await digital(world) | {"order": orders[stale.id], "lines": lines(GROSS)}
    invoice = (await world.fei.does(V, "/invoices", ordinary))["invoice"]
    assert not (await world.fei.sees(V, f"/invoices/{invoice}"))["special"]
    # Asked again yearly: the renewed answer of the tax bureau, once passed, opens the way.
    renewed = query | {"issued_on": await in_days(world, -1), "file_digest": await li.hands_in(V, f"query {world.tag}")}
    renewal = "/renewals/" + (await li.does(V, f"/customers/{stale.id}/renewals", {"papers": [renewed]}))["id"]
    await world.sun.does(V, f"{renewal}/pass", {"step": "vetting"})
    await world.fin.does(V, f"{renewal}/pass", {"step": "finance"})
    another = await signed_order(stale, GROSS)
    await paid(stale, another, GROSS)
    await shipped(world, another)
    await li.eventually_does(V, "/invoice-requests", {"order": another, "lines": lines(GROSS)})


# --- R3.2.3: from the request to the signed receipt, and back --------------------------------------------------------


async def test_r3_2_3_an_invoice_is_passed_jointly_issued_once_and_signed_for(
    world: World, clock: Installation
) -> None:
    customer = await world.active()
    order = await signed_order(customer, GROSS, GROSS)
    await paid(customer, order, 2 * GROSS)
    await shipped(world, order)
    invoice = await an_invoice_of_four_people(world, customer, order)
    await only_paper_of_this_month_is_void(world, customer)
    await goods_come_back(world, customer, order, invoice)
    await time_runs_out(world, customer, clock)


async def an_invoice_of_four_people(world: World, customer: Customer, order: str) -> str:
    """Applicant, one of marketing and one of finance, and the issuer are four; never above what came and left."""
    li, sun, fin, fei = world.li, world.sun, world.fin, world.fei
    above = {"order": order, "lines": lines(GROSS + ONE_FEN)}
    refused = await li.may_not(V, "/invoice-requests", above, code="above-ceiling", clause="R3.2.3")
    assert refused["evidence"]["ceiling_fen"] == GROSS
    await world.wang.may_not(V, "/invoice-requests", above, code="not-the-owner", clause="R3.2.3")
    number = await requested(customer, order, GROSS)
    path, waiting = f"/invoice-requests/{number}", "/invoice-requests?waiting_for=me"
    for person, side in ((sun, "marketing"), (fin, "finance")):
        await person.finds(V, waiting, number=number)
        await person.is_told("invoice-to-review", customer=customer)
        await li.may_not(V, f"{path}/pass", await review(li, number, side), code="role-required", clause="R3.2.3")
        await person.does(V, f"{path}/pass", await review(person, number, side))

    await fei.finds(V, waiting, number=number)
    await fei.is_told("invoice-to-issue", customer=customer)
    numbers = await digital(world)
    body = await issue_body(fei, number, numbers)
    await sun.may_not(V, f"{path}/invoices", body, code="role-required", clause="R3.2.3")
    await fin.may_not(V, f"{path}/invoices", body, code="separation-of-duties", clause="R3.2.3")
    short = body | {"digital_number": numbers["digital_number"][:-1]}
    await fei.may_not(V, f"{path}/invoices", short, code="invoice-number", clause="R3.2.3")
    invoice = str((await fei.does(V, f"{path}/invoices", body))["invoice"])
    shown = await li.sees(V, f"/invoices/{invoice}")
    assert (shown["gross_fen"], shown["net_fen"] + shown["tax_fen"], shown["special"]) == (GROSS, GROSS, True)

    # F3: whose customer it is signs for it; there is nothing to collect of a digital one but its delivery.
    signed = {"collected_on": await in_days(world, 0), "delivered_on": await in_days(world, 0)}
    await li.finds(V, "/invoices?waiting_for=me", invoice=invoice)
    await li.is_told("invoice-to-collect", customer=customer)
    await world.auditor.finds(N, f"/messages?customer={customer.id}&template=invoice-issued", recipient_kind="contact")
    await world.wang.may_not(V, f"/invoices/{invoice}/collect", signed, code="not-the-collector", clause="R3.2.3")
    await li.does(V, f"/invoices/{invoice}/collect", signed)
    await li.misses(V, "/invoices?waiting_for=me", invoice=invoice)
    sheet = await fei.exports(V, f"/invoices/export?order={order}", "月度对账")
    assert len(sheet) == 1 + 1
    assert numbers["digital_number"] in sheet[1]
    return invoice


async def only_paper_of_this_month_is_void(world: World, customer: Customer) -> None:
    """A number counts once; 作废 is for paper in its month, and everything else takes a red letter."""
    fei = world.fei
    order = await signed_order(customer, GROSS)
    await paid(customer, order, GROSS)
    await shipped(world, order)
    made = {}
    for kind, numbers in (("paper", await paper(world)), ("digital", await digital(world))):
        body = {"order": order, "lines": lines(ONE_FEN * 100), **numbers}
        made[kind] = (await fei.does(V, "/invoices", body))["invoice"]
    refused = await fei.may_not(V, "/invoices", body, code="invoice-number-taken", clause="R3.2.3")
    assert refused["evidence"]["invoice"] == made["digital"]
    await fei.may_not(V, f"/invoices/{made['digital']}/void", {"reason": "错"}, code="not-voidable", clause="R3.2.3")
    await fei.does(V, f"/invoices/{made['paper']}/void", {"reason": "开票有误"})
    await fei.may_not(V, f"/invoices/{made['paper']}/void", {"reason": "错"}, code="voided", clause="R3.2.3")


async def goods_come_back(world: World, customer: Customer, order: str, invoice: str) -> None:
    """What is invoiced above what was kept makes a red letter due until it is issued, never above its blue one."""
    li, fin, fei, store = world.li, world.fin, world.fei, world.store
    sent = (await store.finds(V, f"/shipments?order={order}", batch=1))["shipment"]
    back = {"returned_on": await in_days(world, 0), "reason": "质量", "lines": [{"item": ITEM, "quantity": "3"}]}
    returned = (await store.does(V, f"/shipments/{sent}/returns", back))["returned"]
    await fin.does(V, f"/orders/{order}/returns/{returned}/credit")
    due = await fei.finds(V, "/red-letters/due?waiting_for=me", order=order)
    assert due["excess_fen"] == GROSS * 3 // 10
    for person in (li, fei):
        await person.is_told("red-letter-due", customer=customer)
    red = lines(-due["excess_fen"])
    asking = {"kind": "digital", "lines": red, "reason": "退货"}
    path = f"/invoices/{invoice}/red-letters"
    await li.may_not(V, path, asking, code="role-required", clause="R3.2.3")
    await fei.may_not(V, path, asking | {"lines": lines(-GROSS - ONE_FEN)}, code="exceeds-blue", clause="R3.2.3")
    one = f"{path}/{(await fei.does(V, path, asking))['red']}"
    await fei.may_not(V, f"{one}/invoice", await digital(world), code="not-confirmed", clause="R3.2.3")
    await fei.does(V, f"{one}/confirm", {"confirmation": "33012611250000000001"})
    await fei.does(V, f"{one}/invoice", await digital(world))
    await fei.misses(V, "/red-letters/due?waiting_for=me", order=order)
    await li.is_told("red-letter-issued", customer=customer)
    assert (await li.sees(V, f"/invoices/{invoice}"))["left_fen"] == GROSS - due["excess_fen"]


async def time_runs_out(world: World, customer: Customer, clock: Installation) -> None:
    """A confirmation that nobody gives lapses after 72 hours, a joint pass after thirty days; both are told."""
    li, fei = world.li, world.fei
    order = await signed_order(customer, GROSS)
    await paid(customer, order, GROSS)
    await shipped(world, order)
    number = await requested(customer, order, GROSS // 2)
    await passed(world, number)
    body = {"order": order, "lines": lines(100), **await digital(world)}
    blue = (await fei.does(V, "/invoices", body))["invoice"]
    asking = {"kind": "digital", "lines": lines(-100), "reason": "开错"}
    red = (await fei.does(V, f"/invoices/{blue}/red-letters", asking))["red"]
    path = f"/invoices/{blue}/red-letters/{red}"
    await clock.advance(4)
    await fei.misses(V, "/red-letters?waiting_for=me", red=red)
    await fei.may_not(V, f"{path}/confirm", {"confirmation": "1"}, code="red-letter-closed", clause="R3.2.3")
    await fei.does(V, f"/invoices/{blue}/red-letters", asking)  # its amount is free again
    assert (await li.sees(V, f"/invoice-requests/{number}"))["status"] == "passed"
    await clock.advance(27)
    await li.eventually_sees(V, f"/invoice-requests/{number}", status="lapsed")
    await li.is_told("invoice-request-closed", customer=customer)
    late = await issue_body(fei, number, await digital(world))
    await fei.may_not(V, f"/invoice-requests/{number}/invoices", late, code="request-status", clause="R3.2.3")
