"""What people type."""

from uzina.people.forms.accounts import (
    NameForm,
    PersonForm,
    SignInForm,
    TokenForm,
    current_language,
)
from uzina.people.forms.messages import WishesForm, WithdrawForm
from uzina.people.forms.organisations import (
    COUNTRIES,
    LARGEST_AMOUNT,
    LARGEST_COUNT,
    MOST_RELATED,
    OrganisationForm,
    OrganisationForms,
    RelatedForm,
    YearForm,
)

__all__ = [
    "COUNTRIES",
    "LARGEST_AMOUNT",
    "LARGEST_COUNT",
    "MOST_RELATED",
    "NameForm",
    "OrganisationForm",
    "OrganisationForms",
    "PersonForm",
    "RelatedForm",
    "SignInForm",
    "TokenForm",
    "WishesForm",
    "WithdrawForm",
    "YearForm",
    "current_language",
]
