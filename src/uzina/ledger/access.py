"""Who may do what with hours."""

from uzina.ledger.rules import ALLOCATION, AllocationState
from uzina.people import access as people_access
from uzina.people.models import Person


def may_correct(person: Person | None) -> bool:
    """Tell whether the person may top up, overdraw, refund, freeze, thaw and expire. None is the factory."""
    return people_access.is_operator(person)


def corrections(state: AllocationState) -> list[str]:
    """Return what an operator may do with an allocation in that state."""
    verbs = [verb for verb in ALLOCATION.verbs(state) if verb != "open"]
    return verbs if state is AllocationState.ENDED else ["top-up", "overdraw", "refund", *verbs]
