"""What the project is, and where it belongs in research."""

from uzina.calls.rules.sections.fields import Field, Section
from uzina.core.text import _

PROJECT = Section(
    "project",
    _("Your project"),
    _("What you want to do, for whom, and for how long."),
    (
        Field("title", "line", _("Title"), _("Write a title."), most=150),
        Field(
            "summary",
            "text",
            _("Summary"),
            _("Write a summary."),
            _("Two or three sentences that somebody outside your field understands."),
            most=1500,
        ),
        Field(
            "problem",
            "text",
            _("The problem you solve"),
            _("Describe the problem you solve."),
            most=3000,
        ),
        Field(
            "goals",
            "text",
            _("Goals"),
            _("Write what will exist at the end that does not exist now."),
            _("What will exist at the end that does not exist now?"),
            most=3000,
        ),
        Field(
            "keywords",
            "line",
            _("Keywords"),
            _("Write at least one keyword."),
            _("Separated by commas, for instance: language model, Romanian, legal texts"),
        ),
        Field(
            "civilian_purpose",
            "yes_no",
            _("Does the work serve civilian purposes only?"),
            _("Say whether the work serves civilian purposes only."),
        ),
        Field(
            "is_confidential",
            "yes_no",
            _("Is any part of this application confidential?"),
            _("Say whether a part is confidential."),
        ),
        Field(
            "confidential_part",
            "text",
            _("Which part is confidential, and why"),
            _("Say which part is confidential."),
            most=1000,
            needed_where=("is_confidential", True),
        ),
        Field(
            "months",
            "whole",
            _("Duration in months"),
            _("Write for how many months you need the system."),
            _("Counted from the day on which you accept an award."),
            least=1,
            most=60,
            offered="durations",
            only_where="hours",
        ),
    ),
)

APPLICATION_TYPES = (
    ("academic", _("Academic and research")),
    ("industrial", _("Industrial")),
    ("public", _("Public sector")),
)

TRACKS = (
    ("scientific", _("Scientific access")),
    ("industry", _("Industry access")),
    ("public_administration", _("Public administration access")),
)

RESEARCH = Section(
    "research",
    _("Field and kind of project"),
    _("Where the work belongs, so that the right people assess it."),
    (
        Field(
            "fields",
            "rows",
            _("Research fields"),
            _("Name at least one research field."),
            _("Panels of the European Research Council. The shares come to at most 100 %."),
            columns=(
                Field("panel", "choice", _("ERC panel"), _("Choose the panel."), offered="panels"),
                Field(
                    "topic",
                    "line",
                    _("Sub-panel or keyword"),
                    hint=_("For instance, PE6_7 Artificial intelligence."),
                ),
                Field("share", "whole", _("Share, %"), _("Write the share."), least=1, most=100),
            ),
            sum_of="share",
        ),
        Field(
            "application_type",
            "choice",
            _("Type of application"),
            _("Choose the type of application."),
            choices=APPLICATION_TYPES,
        ),
        Field(
            "track",
            "choice",
            _("Track"),
            hint=_("Only where the call has tracks."),
            choices=TRACKS,
        ),
        Field(
            "state_of_the_art",
            "text",
            _("Where research stands, and what is new"),
            _("Describe where research stands and what is new in your work."),
            most=4000,
        ),
        Field(
            "has_he_funding",
            "yes_no",
            _("Is the work part of a project funded by Horizon Europe or Digital Europe?"),
            _("Say whether the work is part of a funded project."),
        ),
        Field(
            "funded_project",
            "line",
            _("Number and acronym of the funded project"),
            _("Write the number of the grant agreement."),
            needed_where=("has_he_funding", True),
        ),
        Field(
            "earlier_access",
            "text",
            _("Earlier access to EuroHPC systems, and what came of it"),
            hint=_("Project identifiers, hours used, publications. Leave empty if there is none."),
            most=2000,
        ),
    ),
)
