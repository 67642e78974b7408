"""On which machine a record was measured: in words, and in a line as baselines name it."""

from ..records import Record

MACHINE = ("CPU", "cores", "threads", "GPU")
"""What tells one machine from another, in order."""


def machine(record: Record) -> dict[str, str]:
    """The machine in words; empty for a cell that failed before it could say."""
    environment = record.environment
    if not environment.cpu and not environment.gpu:
        return {}
    return {
        "CPU": environment.cpu,
        "cores": str(environment.cores),
        "threads": str(environment.threads),
        **({"GPU": environment.gpu} if environment.gpu else {}),
    }


def machine_words(record: Record) -> str:
    """The machine in words, in a line; "" where that is unknown."""
    return ", ".join(machine(record).values())


def machine_name(record: Record) -> str:
    """What times depend on: GPU or else processor, cores, threads and torch, whose builds for CPU and GPU are one."""
    environment = record.environment
    parts = [environment.gpu or environment.cpu or "an unknown processor"]
    parts += [f"{environment.cores} cores", f"{environment.threads} threads"]
    torch = environment.versions.get("torch", "").partition("+")[0]
    return ", ".join([*parts, f"torch {torch}"] if torch else parts)
