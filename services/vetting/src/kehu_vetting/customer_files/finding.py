"""The customer that a request names, as vetting knows it."""

from __future__ import annotations

from kehu.http import ActingRequest
from kehu.lineage import survivor_of
from kehu_vetting.customer_files.facts import CUSTOMER_FILES, CustomerFile
from kehu_vetting.customer_files.views import customer_of_number


async def find_customer(request: ActingRequest, named: str) -> str:
    """A customer's id, given that or its 客户编号; the number of one that was merged is the survivor's (R4)."""
    found = await customer_of_number(request.pool, named)
    return await survivor_of(request.pool, found) if found else named


async def load_file(request: ActingRequest, customer: str) -> CustomerFile:
    """What vetting knows of a customer; an empty file of one that it has not heard of."""
    file, _ = await request.running.commands.load(CUSTOMER_FILES, customer)
    return file


async def load_surviving_file(request: ActingRequest, customer: str) -> CustomerFile:
    """What vetting knows of whom a customer leads to, from the streams: itself, unless it was merged (R4).

    Whose orders, invoices and incidents of a merged customer are, and who sees them.
    """
    seen: set[str] = set()
    file = await load_file(request, customer)
    while file.merged_into and file.customer not in seen:
        seen.add(file.customer)
        file = await load_file(request, file.merged_into)
    return file


async def find_survivor(request: ActingRequest, named: str) -> tuple[str, CustomerFile]:
    """Whom an id or 客户编号 leads to, for those who ask; commands name the survivor itself."""
    customer = await find_customer(request, named)
    file = await load_surviving_file(request, customer)
    return file.customer or customer, file
