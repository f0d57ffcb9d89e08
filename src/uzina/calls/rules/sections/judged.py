"""What reviewers judge: the data, the ethics, the impact and the plan."""

from uzina.calls.rules.sections.fields import Field, Section
from uzina.core.text import _

DATA = Section(
    "data",
    _("Data"),
    _("Which data you bring, under which terms."),
    (
        Field(
            "datasets",
            "rows",
            _("Datasets"),
            _("Name at least one dataset."),
            columns=(
                Field("title", "line", _("Title"), _("Write the title of the dataset.")),
                Field(
                    "licence",
                    "line",
                    _("Licence or right to use"),
                    _("Write the licence or the right to use it."),
                ),
                Field("origin", "line", _("Where it comes from"), _("Write where it comes from.")),
            ),
        ),
        Field(
            "storage_gb",
            "whole",
            _("Storage, GB"),
            _("Write how much storage you need."),
            least=0,
            most=10_000_000,
        ),
        Field(
            "has_personal_data",
            "yes_no",
            _("Do the data contain personal data?"),
            _("Say whether the data contain personal data."),
        ),
        Field(
            "personal_data_measures",
            "text",
            _("Legal basis and protection of the personal data"),
            _("Name the legal basis and how the personal data are protected."),
            most=2000,
            needed_where=("has_personal_data", True),
        ),
    ),
)

ETHICS = Section(
    "ethics",
    _("Trustworthy AI"),
    _("A short self-assessment on the six principles. One or two sentences each are enough."),
    tuple(
        Field(name, "text", label, missing, hint, most=1000)
        for name, label, missing, hint in (
            (
                "human_agency",
                _("Respect for human agency"),
                _("Write a sentence on human agency."),
                _("Can people understand, decide and object where your system is used?"),
            ),
            (
                "privacy",
                _("Privacy, personal data and data governance"),
                _("Write a sentence on privacy and data governance."),
                _("Which data about people are used, and who controls them?"),
            ),
            (
                "fairness",
                _("Fairness"),
                _("Write a sentence on fairness."),
                _("Whom might it treat worse, and how would you notice?"),
            ),
            (
                "wellbeing",
                _("Individual, social and environmental well-being"),
                _("Write a sentence on well-being."),
                _("What harm could it do, and what does the training cost in energy?"),
            ),
            (
                "transparency",
                _("Transparency"),
                _("Write a sentence on transparency."),
                _("What will you publish about the model and its data?"),
            ),
            (
                "accountability",
                _("Accountability and oversight"),
                _("Write a sentence on accountability."),
                _("Who answers for mistakes, and who may stop the system?"),
            ),
        )
    ),
)

IMPACT = Section(
    "impact",
    _("Innovation and impact"),
    _("Whom the results help, how much, and how they reach them."),
    (
        Field(
            "innovation",
            "text",
            _("What is new in it"),
            _("Describe what is new in it."),
            most=3000,
        ),
        Field(
            "beneficiaries",
            "text",
            _("Who gains, and how much"),
            _("Describe who gains, and how much."),
            _("Markets, users, science, society; with figures where you have them."),
            most=3000,
        ),
        Field(
            "european_value",
            "text",
            _("What it means for Europe"),
            _("Describe what it means for Europe."),
            _("Languages, independence, skills, openness."),
            most=2000,
        ),
        Field(
            "outputs",
            "text",
            _("What will be published, and under which terms"),
            _("Say what will be published, and under which terms."),
            most=2000,
        ),
    ),
)

PLAN = Section(
    "plan",
    _("Work plan"),
    _("What happens when, and what could go wrong."),
    (
        Field(
            "stages",
            "rows",
            _("Stages"),
            _("Describe at least one stage."),
            _("In order. The shares of the hours come to at most 100 %."),
            columns=(
                Field("title", "line", _("Stage"), _("Write what happens in the stage.")),
                Field(
                    "from_month", "whole", _("From month"), _("Write the month."), least=1, most=60
                ),
                Field("to_month", "whole", _("To month"), _("Write the month."), least=1, most=60),
                Field(
                    "share", "whole", _("Share of the hours, %"), _("Write the share."), most=100
                ),
            ),
            sum_of="share",
        ),
        Field(
            "people",
            "text",
            _("Who does the work"),
            _("Say who does the work, and what they have done before."),
            most=2000,
        ),
        Field(
            "risks",
            "text",
            _("Risks, and what you would do"),
            _("Name the risks and what you would do."),
            most=2000,
        ),
        Field(
            "milestones",
            "text",
            _("How you will know that it works"),
            _("Say how you will know that it works."),
            most=2000,
        ),
    ),
)
