"""A git repository as a comparison needs it: what a ref names, what it asks for, and a worktree that does not stay."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ....errors import BenchError, quoted
from ....files import parse_toml

_PLAIN = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false")
_DEPENDENCIES = (
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "constraints.txt",
    "requirements.txt",
    "uv.lock",
    "poetry.lock",
)


@dataclass(frozen=True)
class Repository:
    """A checkout, by the folder at its root."""

    root: Path

    @classmethod
    def around(cls, path: Path) -> "Repository | None":
        """The repository that a file or folder is a part of; none where git ignores it, as it does an environment's."""
        folder = path if path.is_dir() else path.parent
        try:
            done = _git(folder, "rev-parse", "--show-toplevel")
        except FileNotFoundError as error:
            raise BenchError("--against: there is no git to ask; install it") from error
        if "dubious ownership" in done.stderr:
            raise BenchError(
                f"--against: git does not read {folder}, which is another user's; allow it: "
                f"git config --global --add safe.directory {folder}"
            )
        top = done.stdout.strip() if done.returncode == 0 else None
        if top is None or git(folder, "check-ignore", "-q", "--", str(path)) is not None:
            return None
        return cls(Path(top).resolve())

    def commit(self, ref: str) -> str:
        """The commit that a ref names. BenchError where it names none here."""
        found = self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        if found:
            return found
        advice = "a branch, a tag or a commit"
        if self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"origin/{ref}^{{commit}}"):
            advice = f"origin/{ref} is known, or another branch, tag or commit"
        elif self._ask("rev-parse", "--is-shallow-repository") == "true":
            advice = "this clone is shallow: fetch it first (actions/checkout: fetch-depth: 0, or 2 for HEAD^1)"
        raise BenchError(f"--against {quoted(ref)}: {self.root} knows no such commit; {advice}")

    @property
    def changed(self) -> bool:
        """Whether the working tree differs from its commit, new files included."""
        return bool(self._ask("status", "--porcelain"))

    @property
    def project(self) -> str | None:
        """The name under which pip installs it; None where it says none."""
        try:
            name = parse_toml(self._now("pyproject.toml") or "", "pyproject.toml").get("project", {}).get("name")
        except (BenchError, AttributeError):
            return None
        return normal(name) if isinstance(name, str) else None

    def describe(self, commit: str) -> str:
        """A commit in short, with the branch or tag that leads to it."""
        return self._ask("rev-parse", "--short", commit) or commit[:10]

    def text(self, commit: str, path: str) -> str | None:
        """A file as it was; None where there was none."""
        return self._ask("show", f"{commit}:{path}")

    def other_dependencies(self, commit: str) -> list[str]:
        """Files in which a commit asks for other packages than the working tree."""
        return [
            name for name in _DEPENDENCIES if _asked(name, self.text(commit, name)) != _asked(name, self._now(name))
        ]

    @contextmanager
    def worktree(self, commit: str, place: Path) -> Iterator[Path]:
        """A commit's files in a new folder, which is gone afterwards, however the block ends."""
        done = _git(self.root, "worktree", "add", "--quiet", "--detach", str(place), commit)
        try:
            if done.returncode:
                lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
                raise BenchError(f"--against: git made no worktree of {commit[:10]}: {lines[-1]}")
            yield place
        finally:
            _git(self.root, "worktree", "remove", "--force", "--force", str(place))
            _git(self.root, "worktree", "prune")

    def _now(self, name: str) -> str | None:
        path = self.root / name
        return path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else None

    def _ask(self, *arguments: str) -> str | None:
        return git(self.root, *arguments)


def normal(name: str) -> str:
    """A project's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def git(folder: Path, *arguments: str) -> str | None:
    """What git answers in a folder; None where it refuses."""
    done = _git(folder, *arguments)
    return done.stdout.strip() if done.returncode == 0 else None


def _git(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs git. A hook that runs us has variables that would lead git elsewhere."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    }
    return subprocess.run(
        ["git", "-C", str(folder), *_PLAIN, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C must not stop it halfway
    )


def _asked(name: str, text: str | None) -> object:
    """What a file asks for; of pyproject.toml what its project depends on, since it says much else."""
    if name != "pyproject.toml" or text is None:
        return text
    try:
        project = parse_toml(text, name).get("project", {})
    except BenchError:
        return text
    if not isinstance(project, dict):
        return text
    return [project.get(key) for key in ("requires-python", "dependencies", "optional-dependencies")]
