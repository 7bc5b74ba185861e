"""How often Python looks for garbage in cycles."""

import gc
from typing import Literal

_NEW_OBJECTS = {"server": 10_000, "command": 50_000}
"""How many have to be left before Python looks for cycles among them; by default 700.

A batch of the index has ten thousand entries, which are soon gone. A look at 50,000 takes some
milliseconds, for which requests would wait: 1 % of lists took 20 ms instead of 5.
"""


def collect_seldom(process: Literal["server", "command"]) -> None:
    """Has Python look for cycles less often: events, commits and derivations have none.

    Looks at hundreds of thousands of them took a tenth of the processor time of imports and of
    derivation, and a sixth of that of an event that a server receives.
    """
    gc.set_threshold(_NEW_OBJECTS[process])
