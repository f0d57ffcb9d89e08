"""Every write of programme. Calls' obligations change through calls' own actions."""

from uzina.programme.actions.reports import save_report, submit_report
from uzina.programme.actions.use import answer_use, check_use

__all__ = ["answer_use", "check_use", "save_report", "submit_report"]
