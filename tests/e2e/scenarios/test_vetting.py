"""R3.0 and R3.1 as people live them: credit, payers, papers, and the chain that ends in an active customer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from journeys import CHAIN_ROLES, PAPERS, Installation, V, uscc
from people import Customer, World, name_of
from trade import order_body, paid, requested, review, shipped, signed_order

from kehu.ids import new_id

ORDER_FEN = 1_000_000


async def test_r3_0_credit_is_concluded_with_evidence_and_looked_at_again_for_each_invoice(world: World) -> None:
    li, sun, fin = world.li, world.sun, world.fin
    customer = await world.registered()
    # F1 holds a conclusion with its evidence, or is not handed in.
    draft = {"customer": customer.id, "form": await customer.form(credit=None)}
    customer.qualification = (await li.eventually_does(V, "/qualifications", draft))["id"]
    refused = await li.may_not(V, f"{customer.f1}/submit", code="incomplete", clause="R3.1.2")
    assert [one["field"] for one in refused["errors"]] == ["credit"]
    bare = {"rating": "good", "conclusion": "尚可", "evidence": ""}
    await li.may_not(
        V, f"{customer.f1}/form", await customer.form(credit=bare), method="PUT", code="invalid-request", clause=None
    )
    await li.does(V, f"{customer.f1}/form", await customer.form(), method="PUT")
    await li.does(V, f"{customer.f1}/submit")
    await customer.is_signed("vetting")

    # Incidents are finance's to record, with evidence; whoever signs next sees that there is one.
    today = (await world.at.today()).isoformat()
    incident = {"occurred_on": today, "description": "货款逾期 30 天", "evidence": "催款函"}
    path = f"/credit/{customer.id}/incidents"
    await li.may_not(V, path, incident, code="role-required", clause="R5.2")
    await fin.may_not(V, path, incident | {"evidence": ""}, code="invalid-request", clause=None)
    recorded = (await fin.does(V, path, incident))["incident"]
    assert (await fin.sees(V, customer.f1))["open_credit_incidents"] == 1
    await li.is_told("credit-incident", customer=customer)
    found = {"credit_review": "逾期一次,已催收", "evidence": "往来对账单", "account_checked_on": today}
    await fin.does(V, f"{customer.f1}/finance-facts", found, method="PUT")
    await customer.is_signed("finance", "manager", "registration", "general_manager")
    await li.does(V, f"{customer.f1}/agreement", await customer.agreement())
    assert (await customer.standing())["credit"]["evidence"] == "往来对账单"

    # Looked at again for each F2: who passes says what they have seen, and it has to be what is so.
    order = await signed_order(customer, ORDER_FEN)
    await paid(customer, order, ORDER_FEN)
    await shipped(world, order)
    request = await requested(customer, order, ORDER_FEN)
    seen = await review(sun, request, "marketing")
    await fin.does(V, f"{path}/{recorded}/resolve", {"resolved_on": today, "evidence": "银行回单"})
    refused = await sun.may_not(V, f"/invoice-requests/{request}/pass", seen, code="credit-changed", clause="R3.0")
    await sun.does(V, f"/invoice-requests/{request}/pass", seen | {"credit_digest": refused["evidence"]["digest"]})
    shown = await fin.sees(V, f"/invoice-requests/{request}")
    assert [(one["reviewed_by"], one["open_incidents"]) for one in shown["reviews"]] == [(sun.id, 0)]


async def test_r3_1_1_who_pays_is_a_qualified_unit_of_its_own(world: World) -> None:
    li, fin = world.li, world.fin
    payer_identity = uscc(int(new_id().hex[-12:], 16) % 10_000_000)
    payer_name = f"结算{world.tag}供应链有限公司"
    first, second = await world.registered(), await world.registered()
    for customer in (first, second):
        form = await customer.form()
        form["settlement_unit"] |= {"name": payer_name, "identity": payer_identity, "documents": []}
        draft = {"customer": customer.id, "form": form}
        customer.qualification = (await li.eventually_does(V, "/qualifications", draft))["id"]
        # The agreement of all three links payer and customer; a payer that is new here brings papers of its own.
        refused = await li.may_not(V, f"{customer.f1}/submit", code="incomplete", clause="R3.1.2")
        missing = [one["field"] for one in refused["errors"]]
        assert "documents.three_party_agreement" in missing
        assert ("settlement_unit.documents.business_licence" in missing) == (customer is first)
        licence = form["documents"][0] | {"file_digest": await li.hands_in(V, f"payer {customer.number}")}
        form["settlement_unit"]["documents"] = [licence | {"number": payer_identity}]
        agreed = licence | {
            "type": "three_party_agreement",
            "number": "SF-1",
            "issued_on": form["documents"][2]["issued_on"],
        }
        form["documents"].append(agreed)
        await li.does(V, f"{customer.f1}/form", form, method="PUT")
        await li.does(V, f"{customer.f1}/submit")
        await customer.is_signed(*CHAIN_ROLES)
        await li.does(V, f"{customer.f1}/agreement", await customer.agreement())

    # One identity is one unit, linked with both; each link has its own agreement of all three.
    unit = await li.sees(V, f"/settlement-units/{payer_identity}")
    assert {one["customer"] for one in unit["customers"]} == {first.id, second.id}
    assert len({one["agreement_digest"] for one in unit["customers"]}) == 2
    assert unit["unit"] == await first.unit() == await second.unit()
    await world.person("chen").cannot_see(V, f"/settlement-units/{unit['unit']}")

    # An order names exactly one unit and keeps it; nobody else's.
    order = await signed_order(first, ORDER_FEN)
    assert (await li.sees(V, f"/orders/{order}"))["unit"] == unit["unit"]
    strange = await world.active()
    strangers = await strange.unit()
    await li.may_not(V, "/orders", await order_body(first, 1, unit=strangers), code="unit-not-linked", clause="R3.1.1")
    amended = await order_body(first, ORDER_FEN, unit=strangers, reason="换结算单位")
    del amended["customer"]
    await li.may_not(V, f"/orders/{order}/amendments", amended, code="unit-not-linked", clause="R3.1.1")

    # Suspended, it suspends every link, until finance restores it.
    suspend, why = f"/settlement-units/{unit['unit']}/suspend", {"reason": "涉诉"}
    await li.may_not(V, suspend, why, code="role-required", clause="R3.1.1")
    await fin.does(V, suspend, why)
    await fin.finds(V, "/settlement-units?suspended=true", unit=unit["unit"], customers=2)
    for customer in (first, second):
        refused = await li.may_not(V, "/orders", await order_body(customer, 1), code="unit-not-linked", clause="R3.1.1")
        assert "涉诉" in refused["detail"]
    await fin.does(V, f"/settlement-units/{unit['unit']}/restore")
    await signed_order(second, 1)


async def test_r3_1_2_papers_are_complete_sealed_and_renewed_before_they_end(world: World, clock: Installation) -> None:
    customer = await world.registered()
    last_day = await world.at.today() + timedelta(days=35)
    form = await customer.form()
    licence = form["documents"][0]
    licence["valid_until"] = last_day.isoformat()
    await papers_are_named(world, customer, form)
    await customer.is_signed(*CHAIN_ROLES)
    await world.li.does(V, f"{customer.f1}/agreement", await customer.agreement())
    await an_end_is_told_and_bars(world, customer, clock)
    renewed = licence | {
        "valid_until": (last_day + timedelta(days=365)).isoformat(),
        "file_digest": await world.li.hands_in(V, f"renewed {customer.number}"),
    }
    await a_renewed_paper_lifts_it(world, customer, licence, renewed)


async def papers_are_named(world: World, customer: Customer, form: dict[str, Any]) -> None:
    """F1 is handed in once every paper that the list asks for is there as it has to be."""
    li, whole = world.li, form["documents"]
    broken = [paper | {"company_seal": False} if paper["type"] == "basic_account" else paper for paper in whole[:3]]
    broken[2] = broken[2] | {"file_digest": "ab" * 32}
    draft = {"customer": customer.id, "form": form | {"documents": broken, "represented": True}}
    customer.qualification = (await li.eventually_does(V, "/qualifications", draft))["id"]
    refused = await li.may_not(V, f"{customer.f1}/submit", code="incomplete", clause="R3.1.2")
    lacking = {one["field"]: one["code"] for one in refused["errors"]}
    # What is named: the seal, the file that nobody handed in, what is not there; an agent brings the original.
    assert {"company-seal-missing", "file-missing"} <= set(lacking.values()), lacking
    for paper in ("invoicing_information", "legal_representative_id", "power_of_attorney"):
        assert lacking[f"documents.{paper}"] == "document-missing"
    copied = whole[0] | {"type": "power_of_attorney", "number": "1", "original_seen": False, "valid_until": None}
    await li.does(V, f"{customer.f1}/form", form | {"documents": [*whole, copied], "represented": True}, method="PUT")
    refused = await li.may_not(V, f"{customer.f1}/submit", code="incomplete", clause="R3.1.2")
    assert [one["code"] for one in refused["errors"]] == ["original-not-seen"]
    await li.does(V, f"{customer.f1}/form", form, method="PUT")
    await li.does(V, f"{customer.f1}/submit")

    # "Satisfied by", never waived: the licence with a unified code stands for three certificates.
    shown = await li.sees(V, customer.f1)
    satisfied = {one["requirement"]: one["document"] for one in shown["bundle"]["satisfied"]}
    three = ("business_licence", "tax_registration", "organisation_code")
    assert [satisfied[one] for one in three] == ["business_licence"] * 3
    assert satisfied["account_opening_permit"] == "basic_account"
    assert set(satisfied.values()) == set(PAPERS)
    printed = await li.prints(V, f"{customer.f1}/print")
    assert customer.number in printed


async def an_end_is_told_and_bars(world: World, customer: Customer, clock: Installation) -> None:
    """Told once thirty days before and once on the last day, which is still valid."""
    li = world.li
    await clock.advance(5)
    for person in (li, world.sun):
        await person.is_told("document-expiring", customer=customer)
    row = {"customer": customer.id, "what": "business_licence", "over": False}
    await li.finds(V, "/expiring-papers?waiting_for=me", **row)
    await clock.advance(30)
    await li.is_told("document-last-day", customer=customer)
    assert (await customer.standing())["may_order"]
    await signed_order(customer, ORDER_FEN)
    # Over, it bars new orders, and everybody who has to do with it can see that.
    await clock.advance(1)
    await li.is_told("customer-suspended", customer=customer)
    await li.may_not(V, "/orders", await order_body(customer, 1), code="customer-suspended", clause="R3.1.2")
    await li.finds(V, f"/suspended-customers?department={world.department}", customer=customer.id)


async def a_renewed_paper_lifts_it(
    world: World, customer: Customer, ended: dict[str, Any], renewed: dict[str, Any]
) -> None:
    """A renewed paper counts once vetting and finance, who are two, have passed it."""
    li, sun, fin = world.li, world.sun, world.fin
    renewals = f"/customers/{customer.id}/renewals"
    await world.wang.may_not(V, renewals, {"papers": [renewed]}, code="not-the-owner", clause="R3.1.2")
    refused = await li.may_not(V, renewals, {"papers": [ended]}, code="unfit-renewal", clause="R3.1.2")
    assert [one["code"] for one in refused["errors"]] == ["expired"]
    renewal = "/renewals/" + (await li.does(V, renewals, {"papers": [renewed]}))["id"]
    await fin.may_not(V, f"{renewal}/pass", {"step": "finance"}, code="out-of-order", clause="R3.1.2")
    await sun.finds(V, "/renewals?waiting_for=me", customer=customer.id)
    await sun.does(V, f"{renewal}/pass", {"step": "vetting"})
    assert not (await customer.standing())["may_order"]
    await fin.does(V, f"{renewal}/pass", {"step": "finance"})
    await li.is_told("suspension-lifted", customer=customer)
    await signed_order(customer, 1)


async def test_r3_1_3_signed_in_strict_order_by_different_people_and_only_then_active(world: World) -> None:
    li, boss = world.li, world.boss
    customer = await world.registered()
    await customer.is_proposed()
    passing = f"{customer.f1}/pass"
    early = await customer.signature("general_manager")
    await boss.may_not(V, passing, early, code="out-of-order", clause="R3.1.3")
    for person in (li, world.wang, world.person("ma"), world.market):
        await person.may_not(V, passing, await customer.signature("vetting"), code="role-required", clause="R3.1.3")
    await li.may_not(V, f"{customer.f1}/agreement", await customer.agreement(), code="not-approved", clause="R3.1.3")
    await li.may_not(V, "/orders", await order_body(customer, 1), code="customer-not-active", clause="R3.1.3")

    await it_goes_back_with_remarks(world, customer)
    await every_step_waits_for_its_people(world, customer)
    await only_the_agreement_makes_it_active(world, customer)


async def it_goes_back_with_remarks(world: World, customer: Customer) -> None:
    """To an earlier step or the salesperson, field by field; what was signed is void, and told."""
    li, zhao = world.li, world.zhao
    await customer.is_signed("vetting", "finance")
    remark = {"field": "documents", "text": "执照副本不清晰"}
    back = {"step": "manager", "to_step": None, "remarks": [remark]}
    await zhao.may_not(
        V, f"{customer.f1}/return", back | {"to_step": "registration"}, code="not-an-earlier-step", clause="R3.1.3"
    )
    await zhao.may_not(V, f"{customer.f1}/return", back | {"remarks": []}, code="invalid-request", clause=None)
    await zhao.does(V, f"{customer.f1}/return", back)
    await li.is_told("qualification-returned", customer=customer)
    assert (await li.sees(V, customer.f1))["remarks"][-1]["text"] == remark["text"]
    await li.does(V, f"{customer.f1}/submit")


async def every_step_waits_for_its_people(world: World, customer: Customer) -> None:
    """It waits for them and for nobody else; each signs what they saw."""
    li, sun, zhao = world.li, world.sun, world.zhao
    passing, waiting = f"{customer.f1}/pass", "/qualifications?waiting_for=me"
    seen = await customer.signature("vetting")
    form = await customer.form()
    await li.does(V, f"{customer.f1}/form", form | {"scope": "阀门及管件销售"}, method="PUT")
    await sun.may_not(V, passing, seen, code="bundle-changed", clause="R3.1.3")
    for step in CHAIN_ROLES:
        signer = world.signer(step)
        await signer.finds(V, waiting, customer=customer.id, step=step)
        await signer.is_told("turn-to-sign", customer=customer)
        await signer.does(V, passing, await customer.signature(step))
        await signer.misses(V, waiting, customer=customer.id)
        if step == "manager":
            # Whoever has signed signs no other step; a changed paper voids everything, the same file again nothing.
            await zhao.may_not(
                V, passing, await customer.signature("registration"), code="role-required", clause="R3.1.3"
            )
            await li.does(V, f"{customer.f1}/form", form | {"scope": "阀门及管件销售"}, method="PUT")
            assert (await li.sees(V, customer.f1))["step"] == "registration"
    shown = await li.sees(V, customer.f1)
    assert (shown["status"], shown["waiting_for"]) == ("approved", ["salesperson"])
    holding = [(one["step"], one["signed_by"]) for one in shown["sign_offs"] if one["holds"]]
    assert holding == [(step, world.signer(step).id) for step in CHAIN_ROLES]
    assert len({person for _, person in holding}) == len(CHAIN_ROLES)
    await li.is_told("qualification-approved", customer=customer)
    await li.may_not(V, "/orders", await order_body(customer, 1), code="customer-not-active", clause="R3.1.3")


async def only_the_agreement_makes_it_active(world: World, customer: Customer) -> None:
    """Signed by somebody of ours, on a day between approval and today."""
    li, office, boss = world.li, world.office, world.boss
    stranger = await customer.agreement()
    await li.may_not(
        V, f"{customer.f1}/agreement", stranger | {"ours": "nobody"}, code="signatory-unknown", clause="R3.1.3"
    )
    ahead = (await world.at.today() + timedelta(days=1)).isoformat()
    await li.may_not(
        V, f"{customer.f1}/agreement", stranger | {"signed_on": ahead}, code="agreement-date", clause="R3.1.3"
    )
    await office.does(V, f"{customer.f1}/agreement", stranger)
    assert (await customer.standing())["active_since"] == (await world.at.today()).isoformat()
    await signed_order(customer, ORDER_FEN)
    paper = await li.prints(V, f"{customer.f1}/print")
    facts = await world.facts(customer)
    approved = next(fact for fact in facts if name_of(fact) == "QualificationApproved")
    assert (approved["clause"], approved["actor"]) == ("R3.1.3", boss.id)
    signers = [world.signer(step).id for step in CHAIN_ROLES]
    for said in (customer.name, customer.number, approved["id"], *signers):
        assert said in paper, said
    assert "AgentActivated" in [name_of(fact) for fact in facts]
