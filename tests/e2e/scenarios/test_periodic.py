"""R4.4.b, R4.5.1 and R4.5.2 as people live them: one timeline; what is verified and purchased each quarter."""

from __future__ import annotations

import json
from datetime import datetime

from journeys import E, Installation, R, V
from people import Customer, World
from trade import ITEM, digital, in_days, lines, paid, shipped, signed_order

from kehu.calendar import Quarter

GROSS = 1_000_000


async def test_r4_4_b_all_dealings_with_a_customer_are_one_timeline(world: World) -> None:
    li, fin, store = world.li, world.fin, world.store
    customer = await world.active()
    order = await signed_order(customer, GROSS)
    await paid(customer, order, GROSS)
    sent = await shipped(world, order)
    back = {"returned_on": await in_days(world, 0), "reason": "质量", "lines": [{"item": ITEM, "quantity": "1"}]}
    await store.does(V, f"/shipments/{sent}/returns", back)
    invoice = {"order": order, "lines": lines(GROSS // 2), **await digital(world)}
    await world.fei.does(V, "/invoices", invoice)
    incident = {"occurred_on": await in_days(world, 0), "description": "逾期", "evidence": "催款函"}
    await fin.does(V, f"/credit/{customer.id}/incidents", incident)
    visit = {
        "planned_on": await in_days(world, 1),
        "visitors": [li.id, world.wang.id],
        "purpose": "对账",
        "preparation": "往来明细",
    }
    await li.eventually_does(E, f"/customers/{customer.id}/visits", visit)
    timeline = f"/timeline/{customer.id}"
    await world.person("chen").cannot_see(R, timeline)
    await world.zhao.does(R, f"{timeline}/notes", {"text": "客户希望月底前送货"})
    for text in ("", "a\u202eb"):
        await world.zhao.may_not(R, f"{timeline}/notes", {"text": text}, code="invalid-request", clause=None)

    # Every service's part has arrived, newest first, each once, by number as well as by id.
    kinds = ("dossier", "qualification", "order", "receipt", "shipment", "return", "invoice", "credit", "visit", "note")
    for kind in (*kinds, "grade", "message"):
        await li.finds(R, f"{timeline}?kind={kind}", kind=kind)
    rows = await li.rows(R, f"/timeline/{customer.number}")
    keys = [(datetime.fromisoformat(row["occurred_at"]), row["fact"]) for row in rows]
    assert keys == sorted(set(keys), reverse=True)
    assert all(row["zh"] and row["en"] and row["actor"] for row in rows)
    assert {row["fact"] for row in rows} <= {fact["id"] for fact in await world.facts(customer)}
    # Nothing about people's private matters stands on it.
    told = json.dumps(rows, ensure_ascii=False)
    assert "刘建国" not in told
    assert customer.identity[9:16] not in told
    yesterday = await in_days(world, -1)
    assert await li.rows(R, f"{timeline}?to={yesterday}") == []


# --- R4.5.1: verification --------------------------------------------------------------------------------------------


async def test_r4_5_1_every_quarter_a_verifier_confirms_each_archived_dossier(
    world: World, clock: Installation
) -> None:
    li, zhao, market = world.li, world.zhao, world.market
    vera = await world.hires("vera", "verifier")
    first, second, third, fourth = [await world.registered() for _ in range(4)]
    quarter = Quarter.of(await world.at.today()) + 1
    mine = "/verifications?waiting_for=me"
    assert await vera.rows(R, mine) == []
    await clock.advance((quarter.first_day - await world.at.today()).days)
    for customer in (first, second, third, fourth):
        row = await vera.finds(R, mine, customer=customer.id, quarter=str(quarter))
        assert (row["verifier"], row["due_on"]) == (vera.id, quarter.last_day.isoformat())
        await vera.is_told("verification-due", customer=customer)

    # The verifier records what they found; never the customer's own salesperson.
    path = {one.id: f"/verifications/{one.id}:{quarter}" for one in (first, second, third, fourth)}
    found = {"method": "phone", "outcome": "unchanged", "verified_on": await in_days(world, 0)}
    for person in (li, zhao):
        await person.may_not(R, f"{path[first.id]}/record", found, code="not-the-verifier", clause="R4.5.1")
    await zhao.may_not(R, f"{path[first.id]}/verifier", {"verifier": li.id}, code="own-customer", clause="R4.5.1")
    ahead = found | {"verified_on": await in_days(world, 1)}
    await vera.may_not(R, f"{path[first.id]}/record", ahead, code="verified-on", clause="R4.5.1")
    await vera.does(R, f"{path[first.id]}/record", found)
    await vera.may_not(R, f"{path[first.id]}/record", found, code="verification-closed", clause="R4.5.1")
    # Changed is what was changed in the dossier, and where.
    updated = found | {"outcome": "changed"}
    await vera.may_not(R, f"{path[second.id]}/record", updated, code="change-required", clause="R4.5.1")
    change = await li.does(R, f"{second.dossier}/changes", {"region": "江苏"})
    await vera.does(R, f"{path[second.id]}/record", updated | {"change": change["version"]})
    # Three attempts in vain: out of reach, and on the manager's list.
    for method in ("phone", "fax", "mail"):
        assert (await vera.sees(R, path[third.id]))["mark"] == "open"
        await vera.does(R, f"{path[third.id]}/record", found | {"outcome": "failed", "method": method})
    await zhao.finds(R, mine, customer=third.id, mark="unreachable", attempts=3)
    counted = await zhao.sees(R, f"/verifications/overview?quarter={quarter}")
    (here,) = [one for one in counted if one["department"] == world.department]
    assert [here[name] for name in ("due", "open", "unchanged", "changed", "unreachable")] == [4, 1, 1, 1, 1]

    # What is still open is reminded of, and overdue at 24:00 of the quarter's last day.
    await clock.advance((quarter.last_day - await world.at.today()).days)
    await vera.is_told("verification-reminder", customer=fourth)
    assert not (await vera.sees(R, path[fourth.id]))["overdue"]
    await clock.advance(1)
    overdue = f"/verifications?quarter={quarter}&overdue=true"
    assert (await zhao.finds(R, overdue, customer=fourth.id))["verifier"] == vera.id
    for person in (vera, zhao):
        await person.is_told("verification-overdue", customer=fourth)
    await zhao.misses(R, overdue, customer=first.id)
    sheet = await market.exports(
        R, f"/verifications/export?quarter={quarter}&department={world.department}", "季度总结"
    )
    assert {row[2] for row in sheet[1:]} == {one.name for one in (first, second, third, fourth)}


# --- R4.5.2: purchases -----------------------------------------------------------------------------------------------


async def test_r4_5_2_every_quarter_purchases_are_compared_and_followed_by_measures(
    world: World, clock: Installation
) -> None:
    li, zhao, market = world.li, world.zhao, world.market
    buyer, idle = await world.active(), await world.active()
    now = Quarter.of(await world.at.today())
    await a_delivery(buyer, GROSS, returned="2")
    await signed_order(idle, GROSS)
    listed = f"/purchases?quarter={now}&department={world.department}"
    row = await zhao.finds(R, listed, customer=buyer.id, returned_fen=-GROSS // 5)
    assert (row["purchased_fen"], row["shipped_fen"], row["ordered_fen"]) == (GROSS * 4 // 5, GROSS, GROSS)
    assert row["quantities"] == [{"unit": "台", "quantity": "8"}]
    assert (row["previous"]["change"], row["year_before"]["change"]) == ("—", "—")
    # Whoever has ordered and got nothing is there, with zero.
    row = await zhao.finds(R, listed, customer=idle.id)
    assert (row["purchased_fen"], row["ordered_fen"]) == (0, GROSS)
    assert await world.person("chen").rows(R, listed) == []

    # A quarter later half of it: compared exactly, and a measure is attached.
    following = now + 1
    await clock.advance((following.first_day - await world.at.today()).days)
    await a_delivery(buyer, GROSS * 2 // 5)
    later = f"/purchases?quarter={following}&department={world.department}"
    row = await zhao.finds(R, later, customer=buyer.id, purchased_fen=GROSS * 2 // 5)
    assert (row["previous"]["change"], row["year_before"]["change"]) == ("-50.0%", "—")
    measures = f"/purchases/{buyer.id}/{following}/measures"
    measure = {"text": "面谈下降原因", "responsible": li.id, "due_on": await in_days(world, 3)}
    await li.may_not(R, measures, measure, code="forbidden", clause="R4.5.2")
    ahead = f"/purchases/{buyer.id}/{following + 2}/measures"
    await zhao.may_not(R, ahead, measure, code="quarter-ahead", clause="R4.5.2")
    made = (await zhao.does(R, measures, measure))["measure"]
    await li.finds(R, "/purchase-measures?waiting_for=me", measure=made, overdue=False)
    await clock.advance(4)
    await market.finds(R, f"/purchase-measures?customer={buyer.id}&overdue=true", measure=made)
    await world.wang.may_not(
        R, f"/purchase-measures/{made}/done", {"result": "x"}, code="measure-unknown", clause="R4.5.2"
    )
    await li.does(R, f"/purchase-measures/{made}/done", {"result": "下季度恢复"})
    await zhao.may_not(
        R, f"/purchase-measures/{made}/withdraw", {"result": "x"}, code="measure-closed", clause="R4.5.2"
    )
    await li.misses(R, "/purchase-measures?waiting_for=me", measure=made)
    sheet = await market.exports(R, f"/purchases/export?quarter={now}&department={world.department}", "季度分析")
    assert {row[2]: row[5] for row in sheet[1:]} == {buyer.name: GROSS * 4 / 5 / 100, idle.name: 0.0}


async def a_delivery(customer: Customer, fen: int, returned: str | None = None) -> None:
    """Ten valves ordered, paid and shipped; so many of them come back."""
    world = customer.world
    order = await signed_order(customer, fen)
    await paid(customer, order, fen)
    sent = await shipped(world, order)
    if returned:
        back = {
            "returned_on": await in_days(world, 0),
            "reason": "质量",
            "lines": [{"item": ITEM, "quantity": returned}],
        }
        await world.store.does(V, f"/shipments/{sent}/returns", back)
