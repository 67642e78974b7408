"""`sources.folder` by the name that it had before the rooms, for scripts of others that import it."""

from .sources.folder import *  # noqa: F403
