"""The command line and the harness: studies, cells, training, evaluation, meters and checks."""
