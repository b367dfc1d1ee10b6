"""The customer that a request names, as vetting knows it."""

from __future__ import annotations

from kehu.http import ActingRequest
from kehu_vetting.customer_files.facts import CUSTOMER_FILES, CustomerFile
from kehu_vetting.customer_files.views import customer_of_number


async def find_customer(request: ActingRequest, named: str) -> str:
    """A customer's id, given that or its 客户编号."""
    return await customer_of_number(request.pool, named) or named


async def load_file(request: ActingRequest, customer: str) -> CustomerFile:
    """What vetting knows of a customer; an empty file of one that it has not heard of."""
    file, _ = await request.running.commands.load(CUSTOMER_FILES, customer)
    return file
