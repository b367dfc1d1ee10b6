"""R2 and R4 as people live them: a prospect, its dossier on the way into the archive, and what becomes of it there."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2
from journeys import E, G, Installation, R, V, fields, wait_until
from people import Customer, Person, World, fact_names, name_of

from kehu.calendar import Month

REASON = "季度核对"
ONE_YUAN = 100


# --- R2: prospects ---------------------------------------------------------------------------------------------------


async def test_r2_a_customer_is_in_scope_from_the_first_contact(world: World) -> None:
    li, wang, zhao = world.li, world.wang, world.zhao
    prospect = world.customer()
    draft = {"name": prospect.name, "department": world.department}
    # Not everybody: a salesperson does, and where they sell.
    await world.sun.may_not(R, "/dossiers", draft, code="forbidden", clause="R4.1")
    await li.may_not(R, "/dossiers", draft | {"department": "west"}, code="forbidden", clause="R4.1")
    await li.may_not(R, "/dossiers", {"department": world.department}, code="invalid-request", clause=None)

    await prospect.is_drafted()
    assert re.fullmatch(r"K\d{6,}", prospect.number)
    shown = await li.sees(R, prospect.dossier)
    assert (shown["status"], shown["owner"]) == ("draft", li.id)
    assert shown["missing"] == ["kind", "nature", "supervising_body", "address", "region", "contacts", "identity"]
    # In the register from its first save: for its salesperson, the department and whoever sees everybody.
    for person in (li, zhao, world.market, world.auditor):
        await person.finds(R, f"/register?q={prospect.number}", number=prospect.number, status="draft")
    for person in (wang, world.person("chen")):
        assert await person.rows(R, f"/register?q={prospect.number}") == []
        await person.cannot_see(R, prospect.dossier)

    # A prospect may do without an identity, saying why; the archive may not.
    unknown = {"identity": None, "no_identity_reason": "首次接触,尚未取得证照"}
    await prospect.is_filled_in(**unknown)
    assert (await li.sees(R, prospect.dossier))["no_identity_reason"] == unknown["no_identity_reason"]
    refused = await li.may_not(R, f"{prospect.dossier}/submit", code="dossier-incomplete", clause="R4.2")
    assert refused["evidence"]["missing"] == ["identity"]
    await li.does(R, f"/timeline/{prospect.id}/notes", {"text": "展会上初次见面"})
    await li.finds(R, f"/timeline/{prospect.id}", kind="note")
    assert fact_names(await li.sees(R, f"{prospect.dossier}/history")) == ["DossierDrafted", "DossierEdited"]


# --- R4.1 to R4.3: into the archive ----------------------------------------------------------------------------------


async def test_r4_1_the_salesperson_fills_in_the_dossier_and_answers_for_it(world: World) -> None:
    li, wang, zhao = world.li, world.wang, world.zhao
    customer = await world.prospect()
    # Nobody else writes it, not even the manager; a collaborator does, and still hands nothing in.
    for person in (wang, zhao, world.market):
        await person.may_not(R, customer.dossier, {"region": "浙江"}, method="PATCH", code="forbidden", clause="R4.1")
    await li.does(R, customer.dossier, {"collaborators": [wang.id]}, method="PATCH")
    await wang.does(R, customer.dossier, {"dealings": "2024 年起合作"}, method="PATCH")
    await wang.may_not(R, f"{customer.dossier}/submit", code="forbidden", clause="R4.1")
    # Two at once do not overwrite each other: whoever is later is told, and shown the present version.
    seen = await li.at.system.etag(li.id, R, customer.dossier)
    await li.does(R, customer.dossier, {"region": "江苏"}, method="PATCH", If_Match=seen)
    await wang.may_not(
        R,
        customer.dossier,
        {"region": "浙江"},
        method="PATCH",
        If_Match=seen,
        code="version-conflict",
        clause=None,
    )
    await customer.is_submitted()
    shown = await zhao.sees(R, customer.dossier)
    assert (shown["submitted_by"], shown["region"], shown["status"]) == (li.id, "江苏", "submitted")
    history = await li.sees(R, f"{customer.dossier}/history")
    assert [(one["type"], one["actor"]) for one in history[-1:]] == [("DossierSubmitted", li.id)]
    # On paper: what was filled in, who answers for it, and the facts behind it.
    paper = await li.prints(R, f"{customer.dossier}/print")
    facts = [fact["id"] for fact in await world.facts(customer) if fact["service"] == R]
    assert len(facts) == len(history)
    for said in (customer.name, customer.number, customer.identity, li.id, *facts):
        assert said in paper, said
    # Whoever prints another's customer says why.
    refused = await zhao.at.system.send(zhao.id, R, "GET", f"{customer.dossier}/print?format=pdf")
    assert refused.json()["code"] == "reason-required"


async def test_r4_2_one_identity_is_one_dossier_with_the_minimum_in_one_form(world: World) -> None:
    li, zhao = world.li, world.zhao
    customer = world.customer()
    await customer.is_drafted()
    path = customer.dossier
    lists = await li.sees(R, "/dossiers/lists")
    assert {"kind", "nature", "region", "identity_kind"} <= set(lists)
    # Full-width input has one form, and what stands on no list is asked about.
    given = fields(customer.identity)
    typed = given["identity"]["number"].translate(
        {ord(one): ord(one) + 0xFEE0 for one in "0123456789ABCDEFGHKLMNPQRTUWXY"}
    )
    given["identity"]["number"] = f" {typed} "
    given["nature"], given["region"] = "other", "其他"
    given["contacts"][0]["phone"] = "1" + given["contacts"][0]["phone"][1:].translate(
        {ord(one): ord(one) + 0xFEE0 for one in "0123456789"}
    )
    await li.does(R, path, given, method="PATCH")
    shown = await li.sees(R, path)
    assert (shown["identity"], shown["contacts"][0]["phone"]) == (
        customer.identity,
        f"+861380{customer.identity[9:16]}",
    )
    refused = await li.may_not(R, f"{path}/submit", code="dossier-incomplete", clause="R4.2")
    assert refused["evidence"]["missing"] == ["nature_remark", "region_remark"]
    await li.does(R, path, {"nature": "limited_liability", "region": "安徽"}, method="PATCH")
    # One identity digit that is wrong, or a place that is none, is named by its field.
    wrong = customer.identity[:-1] + ("1" if customer.identity[-1] != "1" else "2")
    for body, field in (
        ({"identity": {"kind": "uscc", "number": wrong}}, "body.identity.number"),
        ({"region": "阿特兰蒂斯"}, "body.region"),
        ({"contacts": [{"name": "某", "phone": "123"}]}, "body.contacts.0.phone"),
    ):
        refused = await li.may_not(R, path, body, method="PATCH", code="invalid-request", clause=None)
        assert [one["field"] for one in refused["errors"]] == [field]
    await customer.is_submitted()
    await customer.is_passed()

    # The second dossier is refused, the first one offered; who asks becomes a collaborator there.
    chen = await world.hires("chen", "salesperson", department="west")
    second = {"name": "同一家", "department": "west", "identity": {"kind": "uscc", "number": customer.identity.lower()}}
    refused = await chen.may_not(R, "/dossiers", second, code="identity-taken", clause="R4.2")
    offered = refused["evidence"]["next"]
    assert refused["evidence"]["number"] == customer.number
    wanted = {"kind": "dealer", "region": "四川", "reason": "其西南分公司由我部门跟进"}
    relation = (await chen.does(R, offered, wanted))["relation"]
    await zhao.finds(R, "/dossiers?waiting_for=me", kind="relation", number=customer.number)
    await chen.may_not(R, f"{path}/relations/{relation}/pass", code="forbidden", clause="R4.2")
    await zhao.does(R, f"{path}/relations/{relation}/pass")
    await zhao.misses(R, "/dossiers?waiting_for=me", kind="relation", number=customer.number)
    shown = await chen.sees(R, path)
    assert (shown["owner"], shown["collaborators"]) == (li.id, [chen.id])
    assert shown["relations"] == [{"kind": "dealer", "region": "四川", "salesperson": chen.id}]


async def test_r4_3_a_dossier_is_submitted_returned_archived_and_existing_customers_are_taken_over(
    world: World,
) -> None:
    li, zhao = world.li, world.zhao
    customer = await world.prospect()
    path, waiting = customer.dossier, "/dossiers?waiting_for=me"
    await zhao.may_not(R, f"{path}/pass", code="dossier-status", clause="R4.3")
    await customer.is_submitted()
    await zhao.finds(R, waiting, kind="review", number=customer.number)
    await zhao.is_told("dossier-to-review", customer=customer)
    await li.may_not(R, path, {"region": "浙江"}, method="PATCH", code="dossier-status", clause="R4.3")
    for person in (li, world.wang, world.person("he"), world.market):
        await person.may_not(R, f"{path}/pass", code="forbidden", clause="R4.3")
    await zhao.may_not(R, f"{path}/return", {"remarks": ""}, code="invalid-request", clause=None)
    await zhao.does(R, f"{path}/return", {"remarks": "地址请写到门牌"})
    await li.finds(R, waiting, kind="mend", number=customer.number)
    await li.is_told("dossier-returned", customer=customer)
    assert (await li.sees(R, path))["remarks"] == "地址请写到门牌"
    await li.does(R, path, {"address": f"合肥市蜀山区 {customer.number} 号 501"}, method="PATCH")
    await customer.is_submitted()
    await customer.is_passed()
    await zhao.misses(R, waiting, number=customer.number)
    await li.eventually_sees(G, f"/grades/{customer.id}", official="C")

    # Listed in F5, exported with a reason that is kept, printed.
    f5 = f"/register?q={customer.number}&status=archived"
    await zhao.finds(R, f5, number=customer.number, owner=li.id)
    refused = await zhao.at.system.send(zhao.id, R, "GET", f"/register/export?department={world.department}")
    assert refused.json()["code"] == "reason-required"
    sheet = await zhao.exports(R, f"/register/export?department={world.department}", REASON)
    assert [row[1] for row in sheet[1:]] == [customer.name]
    exported = (await world.auditor.sees(R, f"/staff/{zhao.id}/history"))[-1]
    assert (exported["type"], exported["data"]["reason"]) == ("ListExported", REASON)
    assert customer.number in await zhao.prints(R, f"/register/print?department={world.department}", REASON)

    # Nobody passes their own: a manager who sells hands in like everybody, and somebody else passes.
    await world.admin.does(R, f"/staff/{zhao.id}/roles", {"role": "salesperson", "department": world.department})
    own = await world.prospect(zhao)
    await own.is_submitted()
    await zhao.may_not(R, f"{own.dossier}/pass", code="own-submission", clause="R4.3")

    await an_existing_customer_is_taken_over(world)


async def an_existing_customer_is_taken_over(world: World) -> None:
    """At go-live, as it stands, with evidence and by two people."""
    li, zhao = world.li, world.zhao
    old = await world.prospect()
    today = await world.at.today()
    month = Month.of(today)
    digest = await li.hands_in(R, f"evidence {old.number}")
    stands = {
        "evidence_digest": digest,
        "active_since": (today - timedelta(days=700)).isoformat(),
        "agreement_signed_on": (today - timedelta(days=700)).isoformat(),
        "agreement_digest": digest,
        "visited_on": (today - timedelta(days=90)).isoformat(),
        "grade": "A",
        "graded_year": today.year - 1,
        "volumes": [{"month": str(month - back), "amount_fen": back * ONE_YUAN} for back in range(1, 13)],
    }
    path = f"{old.dossier}/take-over"
    await li.may_not(R, path, stands | {"agreement_digest": None}, code="take-over-inconsistent", clause="R4.3")
    future = {"visited_on": (today + timedelta(days=1)).isoformat()}
    await li.may_not(R, path, stands | future, code="occurred-in-future", clause="R4.3")
    await li.does(R, path, stands)
    await zhao.may_not(R, f"{old.dossier}/pass", code="dossier-status", clause="R4.3")
    await li.may_not(R, f"{path}/confirm", code="forbidden", clause="R4.3")
    await zhao.finds(R, "/dossiers?waiting_for=me", kind="take_over", number=old.number)
    await zhao.does(R, f"{path}/confirm")
    months = (await li.sees(R, f"/volumes/{old.id}"))["months"]
    assert [one["amount_fen"] for one in months] == [back * ONE_YUAN for back in range(1, 13)]
    assert not any(one["late"] for one in months)
    # It is what it was: graded, visited, and it may order.
    await li.eventually_sees(G, f"/grades/{old.id}", official="A")
    await li.eventually_sees(E, f"/customers/{old.id}", new=False)
    await li.eventually_sees(V, f"/customers/{old.id}/standing", active_since=stands["active_since"])
    assert fact_names(await li.sees(R, f"{old.dossier}/history"))[-2:] == ["CustomerRegistered", "CustomerTakenOver"]


# --- R4.4: changes ---------------------------------------------------------------------------------------------------


async def test_r4_4_major_changes_wait_for_the_manager_and_every_value_is_kept_as_of_its_day(
    world: World, clock: Installation
) -> None:
    li, zhao = world.li, world.zhao
    customer = await world.registered()
    path, changes, waiting = customer.dossier, f"{customer.dossier}/changes", "/dossiers?waiting_for=me"
    await world.wang.may_not(R, changes, {"region": "江苏"}, code="forbidden", clause="R4.4")
    await li.may_not(R, path, {"region": "江苏"}, method="PATCH", code="dossier-status", clause="R4.3")
    await li.may_not(R, changes, {"address": None}, code="cannot-be-emptied", clause="R4.2")

    # The rest holds at once; what is major waits for the manager, and is told.
    renamed = f"{customer.name[:-4]}集团有限公司"
    change = (await li.does(R, changes, {"region": "江苏", "name": renamed}))["change"]
    shown = await li.sees(R, path)
    assert (shown["region"], shown["name"]) == ("江苏", customer.name)
    assert [(one["change"], one["values"]) for one in shown["changes"]] == [(change, {"name": renamed})]
    await zhao.finds(R, waiting, kind="change", number=customer.number, fields=["name"])
    await zhao.is_told("change-to-review", customer=customer)
    await li.may_not(R, f"{changes}/{change}/pass", code="forbidden", clause="R4.4")
    await li.may_not(R, changes, {"name": "又一个名称"}, code="change-pending", clause="R4.4")
    await zhao.does(R, f"{changes}/{change}/decline", {"remarks": "请附工商变更通知书"})
    await li.is_told("change-declined", customer=customer)
    change = (await li.does(R, changes, {"name": renamed}))["change"]
    await zhao.does(R, f"{changes}/{change}/pass")
    await zhao.misses(R, waiting, number=customer.number)
    await li.eventually_sees(G, f"/grades/{customer.id}", name=renamed)
    await li.eventually_does(V, "/qualifications", {"customer": customer.id})  # vetting knows it by its new name
    # Nobody passes their own: what the manager proposes is a superior's or a delegate's to pass.
    own = (await zhao.does(R, changes, {"kind": "dealer"}))["change"]
    await zhao.may_not(R, f"{changes}/{own}/pass", code="own-submission", clause="R4.4")

    # Promptly is within five days of what occurred; later is taken and shown as late.
    moved_on = await world.at.now()
    await clock.advance(6)
    now = await world.at.now()
    future = (now + timedelta(hours=1)).isoformat()
    await li.may_not(R, changes, {"region": "上海", "occurred_on": future}, code="occurred-in-future", clause="R4.4")
    await li.does(R, changes, {"region": "上海", "occurred_on": moved_on.isoformat()})
    prompt = (now - timedelta(days=5)).isoformat()
    await li.does(R, changes, {"supervising_body": "市国资委", "occurred_on": prompt})
    regions = await li.sees(R, f"{path}/fields/region")
    assert [(one["value"], one["late"]) for one in regions[-3:]] == [("安徽", False), ("江苏", False), ("上海", True)]
    assert (await li.sees(R, f"{path}/fields/supervising_body"))[-1]["late"] is False

    # As of a day by when it occurred; and by what was known then, which is another question.
    async def region(**when: datetime) -> str:
        query = "&".join(f"{name}={quote(moment.isoformat())}" for name, moment in when.items())
        return str((await li.sees(R, f"{path}?{query}"))["region"])

    assert await region(as_of=moved_on + timedelta(minutes=1)) == "上海"
    assert await region(as_of=moved_on - timedelta(seconds=0.001)) == "江苏"
    recorded = datetime.fromisoformat(regions[-1]["recorded_at"])
    assert await region(known_at=recorded - timedelta(milliseconds=1)) == "江苏"
    assert await region(known_at=recorded) == "上海"
    before = quote((moved_on - timedelta(days=30)).isoformat())
    nothing = await li.at.system.send(li.id, R, "GET", f"{path}?as_of={before}")
    assert (nothing.json()["code"], nothing.json()["clause"]) == ("dossier-not-found", "R4.4")


# --- R4: two dossiers of one customer --------------------------------------------------------------------------------


async def test_r4_duplicates_are_decided_on_and_merged_by_two_people(world: World) -> None:
    li, wang, zhao, market = world.li, world.wang, world.zhao, world.market
    first = await world.registered()
    second = world.customer(wang, name=first.name.replace("有限公司", " 有限责任公司"))
    # Shown while it is typed: to who may not see the other dossier, its number and department alone.
    (shown,) = await wang.sees(R, f"/dossiers/duplicates?name={quote(second.name)}")
    assert shown == {
        "number": first.number,
        "department": world.department,
        "matches": ["name"],
        "customer": None,
        "name": None,
        "because": None,
    }
    (shown,) = await li.sees(R, f"/dossiers/duplicates?phone=1380{first.identity[9:16]}")
    assert (shown["customer"], shown["matches"]) == (first.id, ["phone"])
    # Decided before it is handed in, with the reason.
    await second.is_drafted()
    await second.is_filled_in()
    refused = await wang.may_not(R, f"{second.dossier}/submit", code="duplicates-undecided", clause="R4")
    assert [one["number"] for one in refused["evidence"]["duplicates"]] == [first.number]
    decided = {"number": first.number, "because": "同名,注册地与股东不同"}
    await wang.does(R, f"{second.dossier}/duplicates", decided)
    await second.is_submitted()
    await second.is_passed()

    # It was the same after all. Volumes add up, apart from a month that both had reported of one contract.
    month = Month.of(await world.at.today())
    for customer, fen in ((first, 500), (second, 70)):
        reports = [{"customer": customer.number, "month": str(month - back), "amount_fen": fen} for back in (1, 2)]
        await zhao.does(R, "/volumes", {"reports": reports})
    body = {"merged": second.number, "duplicate_months": [str(month - 2)], "reason": "同一营业执照"}
    merges = f"{first.dossier}/merges"
    await li.may_not(R, merges, body, code="forbidden", clause="R4")
    await market.may_not(R, merges, body | {"merged": first.number}, code="merge-same", clause="R4")
    await second.is_proposed()
    await wait_for_commitment(world, first, second, body)
    await wang.does(V, f"{second.f1}/withdraw", {"reason": "重复建档"})
    merge = (await market.eventually_does(R, merges, body))["merge"]
    await market.may_not(R, f"{merges}/{merge}/confirm", code="own-submission", clause="R4")
    await zhao.finds(R, "/dossiers?waiting_for=me", kind="merge", number=first.number)
    await zhao.does(R, f"{merges}/{merge}/confirm")

    # Both numbers lead to the survivor, which alone takes commands.
    for named in (second.id, second.number):
        shown = await li.sees(R, f"/dossiers/{named}")
        assert (shown["customer"], shown["merged"]) == (first.id, [second.number])
    assert [one["amount_fen"] for one in (await li.sees(R, f"/volumes/{second.number}"))["months"]] == [570, 500]
    await li.eventually_sees(G, f"/grades/{first.id}", customer=first.id)
    gone = {"customer": second.id}
    await wait_until_refused(wang, gone)
    facts = [name_of(fact) for fact in await world.facts(second)]
    assert "CustomersMerged" in facts

    # Undone, both stand as they did; what was said since stays with the survivor.
    await li.does(R, f"/dossiers/{second.number}/changes", {"region": "江苏"})
    undo = (await market.does(R, f"{first.dossier}/merged/{second.number}/undo", {"reason": "误并"}))["merge"]
    await market.may_not(R, f"{merges}/{undo}/confirm", code="own-submission", clause="R4")
    await zhao.finds(R, "/dossiers?waiting_for=me", kind="unmerge", number=first.number)
    await zhao.does(R, f"{merges}/{undo}/confirm")
    apart = await wang.sees(R, second.dossier)
    assert (apart["customer"], apart["status"], apart["region"]) == (second.id, "archived", "安徽")
    assert (await li.sees(R, first.dossier))["region"] == "江苏"
    assert [one["amount_fen"] for one in (await li.sees(R, f"/volumes/{first.id}"))["months"]] == [500, 500]


async def wait_for_commitment(world: World, survivor: Customer, merged: Customer, body: dict[str, Any]) -> None:
    """A merge is refused as soon as the registry has heard of the review that is under way."""
    merges = f"{survivor.dossier}/merges"

    async def proposed() -> httpx2.Response:
        answer = await world.market.send(R, merges, body)
        if answer.is_success:  # the review is not known yet: take it back and ask again
            merge = answer.json()["merge"]
            await world.market.does(R, f"{merges}/{merge}/decline", {"remarks": "稍后再办"})
        return answer

    refused = await wait_until(proposed, lambda answer: not answer.is_success)
    assert (refused.json()["code"], refused.json()["clause"]) == ("still-committed", "R4"), refused.text
    assert refused.json()["evidence"]["reviews"] == [merged.qualification]


async def wait_until_refused(person: Person, body: dict[str, Any]) -> None:
    """Vetting begins no review of a customer that was merged, as soon as it has heard of it."""

    async def drafted() -> httpx2.Response:
        answer = await person.send(V, "/qualifications", body)
        if answer.is_success:
            await person.does(V, f"/qualifications/{answer.json()['id']}/withdraw", {"reason": "重复"})
        return answer

    refused = await wait_until(drafted, lambda answer: not answer.is_success)
    assert (refused.json()["code"], refused.json()["clause"]) == ("customer-merged", "R4"), refused.text
