"""R4 in all services: two customers that are one have one grade, one list of visits and orders, until it is undone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from journeys import E, G, R, V
from people import Customer, World
from trade import signed_order

from kehu.calendar import Month

#: Half of what class A takes a month.
HALF = 250_000_000


async def test_r4_merged_customers_are_one_in_every_service_until_it_is_undone(world: World) -> None:
    li, wang, zhao, market = world.li, world.wang, world.zhao, world.market
    first, second = await an_existing_customer(world), await world.active(wang)
    order = await signed_order(second, 10_000)
    month = Month.of(await world.at.today())
    months = [str(month - back) for back in range(1, 14)]  # the last one may not be closed yet
    reports = [{"customer": second.number, "month": one, "amount_fen": HALF} for one in months]
    await zhao.does(R, "/volumes", {"reports": reports})
    await li.eventually_sees(G, f"/grades/{first.id}", official="B", basis="taken_over", indicative="C", drifting=True)
    await wang.eventually_sees(G, f"/grades/{second.id}", official="C", basis="initial")
    await li.eventually_sees(E, f"/customers/{first.id}", new=False, existing=True)
    planned = {"planned_on": (await world.at.today()).isoformat(), "purpose": "了解需求", "preparation": "样本"}
    body = planned | {"visitors": [wang.id, li.id]}
    visit = (await wang.eventually_does(E, f"/customers/{second.id}/visits", body))["visit"]

    # One customer: two people say so.
    merges = f"{first.dossier}/merges"
    merge = (await market.does(R, merges, {"merged": second.number, "reason": "同一营业执照"}))["merge"]
    await zhao.does(R, f"{merges}/{merge}/confirm")

    # One grade, of what both contracted; its official grade stays, and differs.
    grade = await li.eventually_sees(G, f"/grades/{first.id}", indicative="A", merged=[second.number])
    assert (grade["official"], grade["basis"], grade["drifting"]) == ("B", "taken_over", True)
    assert {one["amount_fen"] for one in grade["indicative_explained"]["months"]} == {2 * HALF}
    for named in (second.id, second.number):
        assert (await li.sees(G, f"/grades/{named}"))["customer"] == first.id
    await market.misses(G, f"/grades?department={world.department}", customer=second.id)
    # Its visits, with the one that was planned before.
    await li.eventually_sees(E, f"/customers/{second.id}", customer=first.id, visits_open=1)
    await li.finds(E, f"/visits?customer={first.id}", visit=visit, customer=first.id)
    await wang.may_not(E, f"/customers/{second.id}/visits", body, code="customer-merged", clause="R4")
    record = {"visited_at": (await world.at.now()).isoformat(), "attendees": [wang.id, li.id], "needs": "增订"}
    await li.does(E, f"/customers/{first.id}/visits/{visit}/record", record)
    # Its orders and payers; new ones are the survivor's.
    await li.finds(V, f"/orders?customer={second.number}", order=order, customer=first.id)
    standing = await li.eventually_sees(V, f"/customers/{second.id}/standing", customer=first.id, may_order=True)
    assert len(standing["payers"]) == 1
    merged_id = {"customer": second.id, "form": {}}
    await wang.may_not(V, "/qualifications", merged_id, code="customer-merged", clause="R4")
    await signed_order(first, 20_000)

    # Undone by two people: each is as it was; what was done since stays with the survivor.
    undo = (await zhao.does(R, f"{first.dossier}/merged/{second.number}/undo", {"reason": "误并"}))["merge"]
    await market.does(R, f"{merges}/{undo}/confirm")
    await wang.eventually_sees(G, f"/grades/{second.id}", customer=second.id, official="C")
    await li.eventually_sees(G, f"/grades/{first.id}", official="B", indicative="C", merged=[])
    await wang.eventually_sees(V, f"/customers/{second.id}/standing", customer=second.id, may_order=True)
    await wang.finds(V, f"/orders?customer={second.number}", order=order, customer=second.id)
    await li.eventually_sees(V, f"/customers/{first.id}/standing", payers=[])
    await wang.eventually_sees(E, f"/customers/{second.id}", customer=second.id, new=True, visits_open=0)
    await li.finds(E, f"/visits?customer={first.id}", visit=visit, state="logged")


async def an_existing_customer(world: World) -> Customer:
    """It was taken over at go-live (R4.3): half of what class A takes, class B by the grade that it came with."""
    old = await world.prospect()
    today = await world.at.today()
    month = Month.of(today)
    digest = await old.owner.hands_in(R, f"evidence {old.number}")
    stands: dict[str, Any] = {
        "evidence_digest": digest,
        "active_since": (today - timedelta(days=700)).isoformat(),
        "agreement_signed_on": (today - timedelta(days=700)).isoformat(),
        "agreement_digest": digest,
        "visited_on": (today - timedelta(days=90)).isoformat(),
        "grade": "B",
        "graded_year": today.year - 1,
        "volumes": [{"month": str(month - back), "amount_fen": HALF} for back in range(1, 14)],
    }
    await old.owner.does(R, f"{old.dossier}/take-over", stands)
    await world.zhao.does(R, f"{old.dossier}/take-over/confirm")
    return old
