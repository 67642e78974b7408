"""Holds a run against a baseline or another run."""
