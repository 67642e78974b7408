"""Pretrained towers: where they come from, whether they fit, how they run."""
