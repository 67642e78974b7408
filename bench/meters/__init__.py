"""Meters: what a cell costs. Each one measures a single thing; the harness decides which run together."""
