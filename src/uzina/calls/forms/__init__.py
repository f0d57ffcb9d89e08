"""Forms of calls. They parse and show again; the rules say what is wrong."""

from uzina.calls.forms.aid import AidForm
from uzina.calls.forms.amendments import AmendmentForm, ReasonForm
from uzina.calls.forms.applications import (
    CloneForm,
    ShareForm,
    StartForm,
)
from uzina.calls.forms.assessments import (
    AssessmentForm,
)
from uzina.calls.forms.calls import (
    CallForm,
)
from uzina.calls.forms.challenges import (
    ChallengeForm,
    EntryForm,
    InterestForm,
)
from uzina.calls.forms.qualify import (
    QualifyForm,
)
from uzina.calls.forms.reviewers import (
    NewReviewerForm,
    ProfileForm,
    profile_initial,
)
from uzina.calls.forms.reviews import (
    ChooseReviewerForm,
    PlanForm,
    ReplyForm,
    ReviewForm,
    WhyForm,
    review_initial,
)
from uzina.calls.forms.sections import (
    SectionForm,
)
from uzina.calls.forms.shared import (
    country_choices,
    language,
)

__all__ = [
    "AidForm",
    "AmendmentForm",
    "AssessmentForm",
    "CallForm",
    "ChallengeForm",
    "ChooseReviewerForm",
    "CloneForm",
    "EntryForm",
    "InterestForm",
    "NewReviewerForm",
    "PlanForm",
    "ProfileForm",
    "QualifyForm",
    "ReasonForm",
    "ReplyForm",
    "ReviewForm",
    "SectionForm",
    "ShareForm",
    "StartForm",
    "WhyForm",
    "country_choices",
    "language",
    "profile_initial",
    "review_initial",
]
