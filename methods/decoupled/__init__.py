"""Methods beside frozen backbones, whose states can be cached."""
