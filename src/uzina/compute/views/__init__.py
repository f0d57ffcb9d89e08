"""Pages of jobs and clusters."""

from uzina.compute.views.job_pages import cancel, job, job_new, jobs, live, log
from uzina.compute.views.session_pages import session_new, session_open

__all__ = [
    "cancel",
    "job",
    "job_new",
    "jobs",
    "live",
    "log",
    "session_new",
    "session_open",
]
