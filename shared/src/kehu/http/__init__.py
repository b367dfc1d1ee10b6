'''The HTTP side of every service: who acts, problems, ETags, pages, documents. Routes are written like this.

A feature's `api.py` has one `APIRouter` with the feature's name as its tag. A route reads as one sentence: the decision
(pure, in `decisions.py`) is handed to the request, which loads the thing, decides, appends and answers::

    from functools import partial

    from fastapi import APIRouter

    from kehu.http import Acting, Answer, Editing, Page, Paging, StreamId
    from kehu.ids import new_id

    router = APIRouter(tags=["dossiers"])

    @router.post("/dossiers", status_code=201)
    async def open_dossier(body: OpenDossier, request: Acting) -> Answer:
        """Open a dossier (F4) as a draft."""
        return await request.create(dossiers, new_id(), partial(decisions.open_dossier, body))

    @router.post("/dossiers/{dossier}/submit")
    async def submit_dossier(dossier: StreamId, request: Editing) -> Answer:
        """Ask the department manager to review it."""
        return await request.handle(dossiers, dossier, decisions.submit_dossier)

    @router.get("/dossiers/{dossier}")
    async def show_dossier(dossier: StreamId, request: Acting) -> DossierShown:
        """One dossier, with its ETag."""
        return DossierShown.of(await request.show(dossiers, dossier), request.actor)

    @router.get("/dossiers")
    async def list_dossiers(request: Acting, paging: Paging) -> Page[DossierRow]:
        """The customer register (F5)."""
        rows = await request.pool.fetch(LIST, *paging.after(str, UUID), paging.fetch)
        return paging.page([DossierRow(**row) for row in rows], key=lambda row: (row.name, row.id))

- `Acting` is anybody on the staff who has not left; `Editing` the same with `If-Match` required (else 428). With
  `Acting`, an `If-Match` that was sent is honoured all the same.
- `request.create(category, id, decide, gathered=…, numbers=…)` for the first command on a thing (its route says
  ``status_code=201``); `request.handle(…)` for every other. `decide(state, context)` gets who acts, the time, the
  policy data in force, and `gathered`: what the route looked up in views beforehand. `numbers` are
  given to the client beside ``id`` and ``version`` (never personal data: they are kept with the idempotency key).
- `request.show(category, id)` gives the state from the stream and sets the ETag; `request.history(…)` its facts.
- `request.actor`, `request.now`, `request.pool`, `request.reason` (refused when the person gave none),
  `request.running` (commands, clock, policies, follower, service, keyring) for everything else.
- Refusals are raised as `KehuError`; nothing is caught in a route. Uploads say ``max_body_size=…`` on their route.
- Who is leaving is refused by every route (R4.6) but those that say ``openapi_extra=OPEN_TO_LEAVERS``;
  `tests/contract/test_leavers.py` names them.
- Whether the actor may is decided in the decision function, not in the route; a list filters by `request.actor`.

`Idempotency-Key`, `Prefer: wait=N`, `X-Correlation-Id`, `Accept-Language`, NUL in texts and bodies over 1 MB are seen
to here, for every route.
'''

from kehu.http.pages import Page, PageRequest, Paging
from kehu.http.problems import FieldProblem, Problem
from kehu.http.requests import OPEN_TO_LEAVERS, Acting, ActingRequest, Editing, Services, StreamId
from kehu.http.responses import Answer

__all__ = [
    "OPEN_TO_LEAVERS",
    "Acting",
    "ActingRequest",
    "Answer",
    "Editing",
    "FieldProblem",
    "Page",
    "PageRequest",
    "Paging",
    "Problem",
    "Services",
    "StreamId",
]
