"""What the applicant declares before the application is handed in."""

from uzina.calls.rules.sections.fields import Field, Section
from uzina.core.text import _

DECLARATIONS = Section(
    "declarations",
    _("Declarations"),
    _("The last step before you check your answers."),
    (
        Field(
            "is_correct",
            "tick",
            _("What I state in this application is correct and complete."),
            _("Confirm that what you state is correct."),
        ),
        Field(
            "accepts_terms",
            "terms",
            _("I have read the terms of reference and accept them."),
            _("Accept the terms of reference, or do not submit."),
            offered="terms",
        ),
        Field(
            "may_publish",
            "yes_no",
            _("May we publish your name, organisation and project title if you get an award?"),
            _("Say whether we may publish your name."),
            _("Regulation (EU) 2018/1725. Your answer does not change the decision."),
        ),
    ),
)
