"""Datasets by name: one file a source."""
