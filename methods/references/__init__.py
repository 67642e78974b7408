"""Rows that adapt no backbone and anchor every table."""
