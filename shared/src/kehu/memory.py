"""The garbage collector, told what is there to stay."""

from __future__ import annotations

import gc


def leave_to_stay() -> None:
    """Take everything that exists out of the collector's sight: modules, models and routes live as long as the process.

    To be called once a process has started. Otherwise each of its full collections, which reading a log causes by the
    dozen, looks at a hundred thousand objects that never go: reading a log takes a third less time without.
    """
    gc.collect()
    gc.freeze()
