"""The study at work: starts a process for each cell, follows it, shows it, and ends it."""
