"""`kehu token`: a bearer token, from the issuer that comes with an installation of one's own."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from kehu.cli.session import find_settings
from kehu.identity import issue_token
from kehu.settings import TOKEN_ISSUER

_WORKING_DAY = 8 * 60
_MONTH = 31 * 24 * 60


def token(
    *,
    person: Annotated[str, Parameter(name="--as")],
    minutes: Annotated[int, Parameter(validator=Number(gte=1, lte=_MONTH))] = _WORKING_DAY,
) -> None:
    """签发令牌。Print a bearer token for a person, for the installation that `kehu up` runs.

    What the person may do is not in it: each service looks up their roles at every request.

    Args:
        person: The person's id.
        minutes: How long it is good for.

    """
    print(issue_token(find_settings().secret(TOKEN_ISSUER), person, minutes))
