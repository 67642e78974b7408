"""Resident memory of this process: now, and its peak."""

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def rss() -> int:
    """Resident memory now, in bytes."""
    import psutil

    return psutil.Process().memory_info().rss


def reset_peak_rss() -> bool:
    """Starts the peak anew. False where the system does not allow it (outside Linux): the peak is since the start."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def peak_rss() -> int:
    """The highest resident memory since the last reset, or since the process started where there is none, in bytes."""
    try:
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return _peak_since_start()


def _peak_since_start() -> int:
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
