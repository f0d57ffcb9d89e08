"""Who may do what with hours."""

from uzina.people import access as people_access
from uzina.people.models import Person


def may_correct(person: Person | None) -> bool:
    """Tell whether the person may top up, refund, freeze, thaw and expire. None is the factory."""
    return people_access.is_operator(person)
