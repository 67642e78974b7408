"""How a report is written in each format, and how each quotes text."""
