"""Parse and re-show what people type. They save nothing."""

from uzina.catalogue.forms.datasets import (
    WithdrawForm,
)
from uzina.catalogue.forms.participants import (
    ParticipantForm,
)
from uzina.catalogue.forms.search import (
    SearchForm,
)
from uzina.catalogue.forms.sources import (
    SourceForm,
)
from uzina.catalogue.forms.spaces import (
    FolderVersionForm,
    MoveForm,
)
from uzina.catalogue.forms.terms import (
    ACTIONS,
    AskForm,
    GrantForm,
    PolicyForm,
    RefuseForm,
    RevokeForm,
    end_of,
    last_day,
)
from uzina.catalogue.forms.versions import (
    PurgeForm,
)

__all__ = [
    "ACTIONS",
    "AskForm",
    "FolderVersionForm",
    "GrantForm",
    "MoveForm",
    "ParticipantForm",
    "PolicyForm",
    "PurgeForm",
    "RefuseForm",
    "RevokeForm",
    "SearchForm",
    "SourceForm",
    "WithdrawForm",
    "end_of",
    "last_day",
]
