"""Parse and re-show what people type. They save nothing."""

from uzina.catalogue.forms.datasets import (
    WithdrawForm,
)
from uzina.catalogue.forms.search import (
    SearchForm,
)

__all__ = [
    "SearchForm",
    "WithdrawForm",
]
