"""Pages of jobs and clusters."""

from uzina.compute.views.job_pages import cancel, job, job_new, jobs, live, log

__all__ = ["cancel", "job", "job_new", "jobs", "live", "log"]
