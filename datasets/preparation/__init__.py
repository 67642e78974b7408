"""Preparation: a dataset of any source, filtered, split and written as one canonical folder with its card."""
