"""One cell's process: builds its parts, trains, measures, ranks."""
