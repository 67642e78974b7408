"""How many processes the kernel has killed because memory ran out."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_SYSTEM = Path("/proc/vmstat")


def out_of_memory_kills() -> int | None:
    """Kills so far in this process's control group; of the whole system where no group counts them; None unknown.

    A cell runs in the group of its harness, so a count that has risen tells why the cell was killed.
    """
    for file in (*_group_files(), _SYSTEM):
        try:
            text = file.read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        if found := re.search(r"^oom_kill (\d+)$", text, re.MULTILINE):
            return int(found[1])
    return None


def _group_files() -> Iterator[Path]:
    """Where the group's count may stand: version 2, then version 1; at the mount's root within a container."""
    try:
        lines = _MEMBERSHIP.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for group in (path.strip("/"), "."):
            if not controllers:
                yield _CGROUPS / group / "memory.events"
            elif "memory" in controllers.split(","):
                yield _CGROUPS / "memory" / group / "memory.oom_control"


def signal_name(number: int) -> str:
    """A signal as its manual calls it: SIGKILL for 9."""
    return next((known.name for known in signal.Signals if known == number), f"signal {number}")
