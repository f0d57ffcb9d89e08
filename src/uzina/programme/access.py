"""Who may do what."""

from uzina.calls import access as calls_access
from uzina.calls.models import Award
from uzina.people.models import Person


def may_report(person: Person, award: Award) -> bool:
    """Tell whether the person writes the award's reports and answers for its use: a lead."""
    return calls_access.may_follow_up(person, award)


def may_judge_reports(person: Person) -> bool:
    """Tell whether the person accepts reports and sends them back."""
    return calls_access.may_run_calls(person)
