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
from uzina.calls.forms.calls import BRUSSELS, CallForm, FundForm, MoveForm
from uzina.calls.forms.challenges import (
    ChallengeForm,
    EntryForm,
    InterestForm,
)
from uzina.calls.forms.deciding import RULES as RANKING_RULES
from uzina.calls.forms.deciding import (
    AppealDecisionForm,
    AppealForm,
    ClosePanelForm,
    ConsensusForm,
    FundingForm,
    SeatForm,
    VerifyForm,
    WhatIfForm,
)
from uzina.calls.forms.modes import ModeForm
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
    choose,
    country_choices,
    language,
)
from uzina.calls.forms.steps import (
    AnswerForm,
    ExemptForm,
    QuestionForm,
    RedirectForm,
    RejectForm,
)

__all__ = [
    "BRUSSELS",
    "RANKING_RULES",
    "AidForm",
    "AmendmentForm",
    "AnswerForm",
    "AppealDecisionForm",
    "AppealForm",
    "AssessmentForm",
    "CallForm",
    "ChallengeForm",
    "ChooseReviewerForm",
    "CloneForm",
    "ClosePanelForm",
    "ConsensusForm",
    "EntryForm",
    "ExemptForm",
    "FundForm",
    "FundingForm",
    "InterestForm",
    "ModeForm",
    "MoveForm",
    "NewReviewerForm",
    "PlanForm",
    "ProfileForm",
    "QualifyForm",
    "QuestionForm",
    "ReasonForm",
    "RedirectForm",
    "RejectForm",
    "ReplyForm",
    "ReviewForm",
    "SeatForm",
    "SectionForm",
    "ShareForm",
    "StartForm",
    "VerifyForm",
    "WhatIfForm",
    "WhyForm",
    "choose",
    "country_choices",
    "language",
    "profile_initial",
    "review_initial",
]
