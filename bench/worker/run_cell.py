"""The process of one cell: reads a job on standard input, tells its progress on standard output, leaves a record.

Started by `cell_process`, and ended when its standard input does. Everything else that is printed goes to standard
error, which the harness keeps as the cell's log.
"""

import traceback

from ...reports.records import Record
from .job import Events, Job
from .lifeline import begin


def main() -> int:
    """Runs the job; 0 when a record was written, whatever its status."""
    events, job = begin(Job)
    record = _run(job, events)
    record.save(job.directory)
    events.tell("done", status=record.status)
    return 0


def _run(job: Job, events: Events) -> Record:
    """The completed record: the cell's results, or the status and one-line cause of its failure."""
    record = job.record
    try:  # what cannot be imported is the cell's failure, too
        from .phases import execute

        execute(record, job, events)
        record.status = "ok"
    except BaseException as error:
        from .failure import classify, one_line

        traceback.print_exc()
        record.status, record.error = classify(error), one_line(error)
    return record


if __name__ == "__main__":
    raise SystemExit(main())
