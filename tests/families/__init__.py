"""Families of encoders: tiny random models, an oracle that reads them without the suite, and what is tried on each."""
