"""Who is responsible, and who takes part."""

from uzina.calls.rules.sections.fields import Field, Section
from uzina.core.text import _

TEAM = Section(
    "team",
    _("Organisation and people"),
    _("Who is responsible, and who takes part."),
    (
        Field(
            "lead_name",
            "line",
            _("Principal investigator"),
            _("Write the name of the principal investigator."),
            _("The person who answers for the project. First name and last name."),
            most=150,
        ),
        Field(
            "lead_email",
            "email",
            _("Work e-mail of the principal investigator"),
            _("Write the e-mail address of the principal investigator."),
            most=254,
        ),
        Field(
            "lead_country",
            "country",
            _("Country where the principal investigator works"),
            _("Choose the country of the principal investigator."),
        ),
        Field(
            "contract_covers",
            "yes_no",
            _("Does the principal investigator's contract last more than 3 months past the end?"),
            _("Say whether the contract lasts long enough."),
            _("Counted from the end of the duration that you ask for."),
        ),
        Field(
            "members",
            "rows",
            _("Team members"),
            hint=_("Everybody else who will use the system. Leave empty if there is nobody."),
            columns=(
                Field("name", "line", _("Name"), _("Write the name."), most=150),
                Field("country", "country", _("Country where they work"), _("Choose the country.")),
                Field("email", "email", _("Work e-mail"), most=254),
            ),
        ),
    ),
)

GENDERS = (
    ("woman", _("Woman")),
    ("man", _("Man")),
    ("other", _("Another gender")),
    ("unsaid", _("Prefer not to say")),
)

PRINCIPAL_INVESTIGATOR = Section(
    "principal_investigator",
    _("Principal investigator and contact"),
    _("More about the person who answers for the project, and whom to ask."),
    (
        Field(
            "person_title", "line", _("Title of the person"), hint=_("For instance, Dr"), most=30
        ),
        Field("initials", "line", _("Initials"), most=20),
        Field("job_title", "line", _("Position"), _("Write the position."), most=150),
        Field("department", "line", _("Department or group"), most=150),
        Field(
            "nationality",
            "country",
            _("Nationality"),
            _("Choose the nationality."),
            _("Asked because export rules of some systems depend on it."),
        ),
        Field(
            "gender",
            "choice",
            _("Gender"),
            hint=_("For statistics only, never for the decision. You need not answer."),
            choices=GENDERS,
        ),
        Field("second_email", "email", _("Second e-mail"), most=254),
        Field("phone", "phone", _("Telephone"), hint=_("For instance, +40 256 123 456"), most=30),
        Field("website", "url", _("Website"), most=300),
        Field(
            "contact_name",
            "line",
            _("Contact person"),
            hint=_("Leave empty if it is the principal investigator."),
            most=150,
        ),
        Field("contact_email", "email", _("E-mail of the contact person"), most=254),
        Field("contact_country", "country", _("Country of the contact person")),
    ),
)

DATE_OF_BIRTH = Section(
    "date_of_birth",
    _("Date of birth"),
    _("The funder of this call asks for it to open accounts on its systems."),
    (
        Field(
            "born_on",
            "date",
            _("Date of birth of the principal investigator"),
            _("Write the date of birth."),
            _("Shown to the host only, and deleted with the application."),
        ),
    ),
)
"""A section of its own, so that only a mode whose funder asks for it asks."""

ROLES = (
    ("coordinator", _("Coordinator")),
    ("partner", _("Partner")),
    ("associated", _("Associated partner")),
    ("adviser", _("Adviser")),
)

INTEREST = Section(
    "interest",
    _("Your part in the consortium"),
    _("What your organisation would do and bring. No hours are asked for here."),
    (
        Field(
            "role",
            "choice",
            _("Role of your organisation"),
            _("Choose the role."),
            choices=ROLES,
        ),
        Field(
            "brings",
            "text",
            _("What your organisation brings"),
            _("Describe what your organisation brings."),
            _("Data, models, code, people, infrastructure, users."),
            most=3000,
        ),
        Field(
            "experience",
            "text",
            _("Experience that shows it"),
            _("Name the experience that shows it."),
            most=2000,
        ),
        Field(
            "person_months",
            "whole",
            _("Person-months you can give"),
            _("Write how many person-months you can give."),
            most=10_000,
        ),
        Field(
            "co_funding_eur",
            "whole",
            _("Co-funding, euro"),
            _("Write the co-funding; 0 if there is none."),
            most=1_000_000_000,
        ),
        Field(
            "seeks",
            "text",
            _("What you look for in the others"),
            most=2000,
        ),
        Field(
            "may_contact",
            "yes_no",
            _("May the other interested organisations see your name and contact you?"),
            _("Say whether the others may contact you."),
        ),
    ),
)
