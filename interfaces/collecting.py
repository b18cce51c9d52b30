import gc
from typing import Final

# Most of what a request makes dies with it, so the youngest generation may grow: at the default of
# 700 objects the collector looks at the whole of a large answer again and again.
_THRESHOLDS: Final = (50_000, 20, 50)


def tune_collector() -> None:
    """Let the garbage collector alone what is there by now, which stays, and come less often."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()
