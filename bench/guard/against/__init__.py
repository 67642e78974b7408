"""Two states of a repository side by side on one machine: worktrees, a process for each side, and cells in turns."""
