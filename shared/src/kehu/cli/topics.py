"""`kehu topics`: the topics of every service, before the first of them starts."""

from __future__ import annotations

import asyncio

from kehu.cli.session import find_settings
from kehu.service import find_services
from kehu.topics import ensure_topics, owned_topics


def topics() -> None:
    """建立主题。Create the Kafka topics that are missing, and check the partition counts of all.

    Each service does the same for its own topics when it starts; this is for consumers that come before it.
    """
    wanted = [topic for service in find_services().values() for topic in owned_topics(service)]
    asyncio.run(ensure_topics(find_settings(), wanted))
    for topic in wanted:
        print(f"{topic.name}: {topic.partitions} partitions")
