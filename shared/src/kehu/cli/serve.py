"""`kehu serve`: runs one service."""

from __future__ import annotations

import asyncio

from kehu.cli.session import named_service
from kehu.logs import configure_logs
from kehu.settings import Settings


def serve(service: str, /) -> None:
    """运行一个服务。Run one service until it is told to stop (SIGTERM, Ctrl-C).

    It is told where everything is by KEHU_* variables; its logs go to the standard output as JSON lines.
    GET /health/ready says whether it is ready and, if not, what it waits for.

    Args:
        service: Its name, such as customer-registry.

    """
    from kehu.running import serve as run  # noqa: PLC0415 - loads the whole platform, which a wrong name need not

    found = named_service(service)
    settings = Settings()
    configure_logs(settings.log_level, found.name)
    asyncio.run(run(found, settings))
