"""The process of one cell: reads a job on standard input, tells its progress on standard output, leaves a record.

Started by `cell_process`, and ended when its standard input does. Everything else that is printed goes to standard
error, which the harness keeps as the cell's log.
"""

import os
import threading
import traceback

from ...reports.records import Record
from .job import Events, Job
from .lifeline import die_with_parent, keep_to_the_log


def main() -> int:
    """Runs the job; 0 when a record was written, whatever its status."""
    events, jobs = Events(os.fdopen(os.dup(1), "w", encoding="utf-8")), os.fdopen(os.dup(0), "rb")
    keep_to_the_log()
    job = Job.model_validate_json(jobs.readline())
    threading.Thread(target=die_with_parent, args=(jobs,), daemon=True).start()
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
