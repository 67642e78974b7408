"""Processes that start at once: one that has imported the libraries of a cell forks another for each that is asked for.

Importing torch and transformers takes 3 to 4 s, more than all the rest of a short cell. The nursery imports libraries
and our code, never a user's; whoever keeps one open opens another once our code has been edited (`code_state`). It
starts no thread, since pools of threads do not survive a fork. What it forks has a group, standard streams and an end
of its own.
The standard library's forkserver would run the caller's `__main__` again in each.
"""

import atexit
import gc
import importlib
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

AVAILABLE = sys.platform == "linux"
LIBRARIES = (
    *("numpy.random", "pydantic.main", "pydantic.types", "pydantic.functional_validators", "pydantic.plugin._loader"),
    *("torch", "torch.utils.flop_counter", "safetensors.torch", "filelock", "PIL.Image"),
)
TOWER_LIBRARIES = ("transformers.modeling_utils", "transformers.models.auto.modeling_auto", "peft")
"""What a cell with pretrained towers imports beside them."""

OURS = ("tpmebench.bench.worker.run_cell", "tpmebench.bench.worker.phases", "tpmebench.bench.worker.self_check")
"""What of our own every cell runs."""

_ROOT = Path(__file__).resolve().parents[1]
_PARTS = ("bench", "datasets", "methods", "reports")
"""Below which our code stands; a checkout has more in it."""
_NO_CODE = ("__pycache__", "published")
_MESSAGE = 1 << 12
_NOBODY = -1
_PYTHON = (sys.executable, "-P", "-X", "faulthandler")
"""-P: no module of the working directory takes the place of a library's. faulthandler: a segmentation fault leaves the
Python lines that led to it in the log."""


def code_state(root: Path = _ROOT) -> int:
    """A number that changes with every edit of our packages."""
    found = list[tuple[str, int, int]]()
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name in _PARTS or (folder != str(root) and name not in _NO_CODE)]
        for file in (Path(folder, name) for name in files if name.endswith(".py")):
            with suppress(OSError):  # an editor's link to nowhere, or gone since it was listed
                facts = file.stat()
                found.append((str(file), facts.st_mtime_ns, facts.st_size))
    return hash(tuple(sorted(found)))


class Process(Protocol):
    """A started process: what of `subprocess.Popen` is asked for here. It leads a group of its own."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...


@dataclass(frozen=True)
class Program:
    """What a process is to run: `main(*arguments)` of a module, with these descriptors as its standard streams."""

    module: str
    arguments: tuple[str, ...]
    streams: tuple[int, int, int]


def start_fresh(program: Program, environment: dict[str, str] | None = None) -> Process:
    """Starts a new interpreter."""
    stdin, stdout, stderr = program.streams
    return subprocess.Popen(
        [*_PYTHON, "-m", program.module, *program.arguments],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        start_new_session=True,
    )


class Forked:
    """A process of the nursery. Its keeper, its parent, tells its number and then how it ended."""

    def __init__(self, keeper: socket.socket) -> None:
        self._keeper = keeper
        self._told: list[int] = []

    @property
    def pid(self) -> int:
        """Waits for the libraries when the nursery has only begun; ProcessLookupError when it ended before."""
        self._listen(1, None)
        if self._told[0] < 0:
            raise ProcessLookupError("the nursery ended before it started the process")
        return self._told[0]

    def poll(self) -> int | None:
        """Exit status, negative for a signal; None while the process runs."""
        self._listen(2, 0.0)
        return self._told[1] if len(self._told) > 1 else None

    def wait(self, timeout: float | None = None) -> int:
        """Exit status; subprocess.TimeoutExpired after `timeout` seconds."""
        self._listen(2, timeout)
        if len(self._told) < 2:
            raise subprocess.TimeoutExpired("a process of the nursery", timeout or 0.0)
        return self._told[1]

    def _listen(self, messages: int, timeout: float | None) -> None:
        """Until the keeper has told as much, `timeout` seconds each.

        One that goes without a word was killed, and its process with it as far as anyone can tell. Where there never
        was one the nursery itself has ended; the log says why.
        """
        while len(self._told) < messages:
            self._keeper.settimeout(timeout)
            try:
                heard = self._keeper.recv(_MESSAGE)
            except (TimeoutError, BlockingIOError):
                return
            except OSError:
                heard = b""
            gone = [-signal.SIGKILL] if self._told else [_NOBODY, 1]
            self._told += [int(heard)] if heard else gone
            if len(self._told) > 1:
                self._keeper.close()


class Nursery:
    """The asking end. `door`: the socket for requests, which the nursery's processes inherit and ask through too."""

    here: "Nursery | None" = None
    """In a process of the nursery: the one that it came from."""

    def __init__(self, door: socket.socket, process: subprocess.Popen[bytes] | None = None) -> None:
        self._door = door
        self._process = process

    @classmethod
    def open(cls, libraries: Sequence[str], environment: dict[str, str], log: int) -> "Nursery":
        """Starts one. What its imports print, or end with, goes to `log`."""
        door, requests = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with requests:
            program = f"from {__name__} import tend; tend({requests.fileno()}, {tuple(libraries)!r})"
            process = subprocess.Popen(
                [*_PYTHON, "-c", program],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=[requests.fileno()],
                start_new_session=True,
            )
        return cls(door, process)

    @property
    def ended(self) -> bool:
        """Whether the nursery is gone, with whatever killed it."""
        return self._process is not None and self._process.poll() is not None

    def start(self, program: Program) -> Process:
        """Forks."""
        here, keeper = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = "\0".join([program.module, *program.arguments]).encode()
        with keeper, suppress(OSError):  # a nursery that is gone: its keeper's end closes, and that is told
            socket.send_fds(self._door, [request], [*program.streams, keeper.fileno(), self._door.fileno()])
        return Forked(here)

    def retire(self) -> None:
        """Asks it for no more: it ends once nothing that it started can ask it for another process."""
        self._door.close()

    def close(self) -> None:
        """Ends the nursery, none of what it started."""
        self._door.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def start(program: Program) -> Process:
    """Starts another process as this one was started."""
    return Nursery.here.start(program) if Nursery.here else start_fresh(program)


def tend(requests_fd: int, libraries: Sequence[str]) -> None:
    """The nursery: imports, then forks a keeper and a process for each request until all doors are closed."""
    with socket.socket(fileno=requests_fd) as requests:
        for library in libraries:
            with suppress(Exception):  # whoever needs it says so in its own process
                importlib.import_module(library)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers need no farewell
        gc.collect()
        gc.freeze()  # a collection in a child would copy every page that it walks over
        while True:
            request, received, _, _ = socket.recv_fds(requests, _MESSAGE, 5)
            if not request:
                return
            if os.fork() == 0:
                requests.close()
                _keep(request.decode().split("\0"), received)
                return
            for descriptor in received:
                os.close(descriptor)


def _keep(command: list[str], received: list[int]) -> None:
    """The keeper: forks the process, and tells its number and its end. Returns in the process, when that has ended."""
    *streams, keeper_fd, door_fd = received
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    with suppress(OSError):  # both do it: whoever knows the number may signal the group
        os.setpgid(pid, pid)
    if pid == 0:
        os.close(keeper_fd)
        _become(command, streams, door_fd)
        return
    keeper = socket.socket(fileno=keeper_fd)
    for descriptor in (*streams, door_fd):
        os.close(descriptor)
    with suppress(OSError):  # the harness is gone; its process notices by itself
        keeper.send(str(pid).encode())
    _, status = os.waitpid(pid, 0)
    with suppress(OSError):
        keeper.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(command: list[str], streams: list[int], door_fd: int) -> None:
    """From here on this is the process that was asked for."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.set_inheritable(door_fd, False)
    Nursery.here = Nursery(socket.socket(fileno=door_fd))
    module, *arguments = command
    sys.argv = command
    _leave(_run(module, arguments))


def _run(module: str, arguments: list[str]) -> int:
    """The status that an interpreter would end with after `main(*arguments)` of a module."""
    try:
        return importlib.import_module(module).main(*arguments) or 0
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
    except Exception:
        traceback.print_exc()
    return 1


def _leave(status: int) -> NoReturn:
    """Ends this process as an interpreter does, but for taking its libraries apart: with torch that takes .3 s."""
    # As an interpreter does it: pools are told to end, threads are waited for, what was to run at the end runs.
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
    atexit._run_exitfuncs()
    for each in gc.get_objects():
        if issubclass(type(each), io.TextIOWrapper | io.BufferedWriter):  # some objects warn when they are asked
            with suppress(Exception):  # closed, or nobody reads it any more
                each.flush()
    os._exit(status)
