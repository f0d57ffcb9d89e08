"""What will run, on what, and how big it is."""

from uzina.calls.rules.sections.fields import AMOUNT, Field, Section
from uzina.core.text import _
from uzina.sizing.rules import LARGEST_PARAMETERS, LARGEST_TOKENS

TASKS = (
    ("pretraining", _("Training a model from scratch")),
    ("continued", _("Continued training of an existing model")),
    ("fine_tuning", _("Fine-tuning an existing model")),
    ("evaluation", _("Evaluation of models")),
    ("inference", _("Inference at scale")),
    ("other", _("Other work with AI methods")),
)

READINESS = (
    ("cluster", _("It has run on several GPUs or nodes")),
    ("gpu", _("It has run on one GPU")),
    ("cpu", _("It has run on a CPU only")),
    ("writing", _("It is still being written")),
)

WORK = Section(
    "work",
    _("The work"),
    _("What will run, how big it is, and why it needs this system."),
    (
        Field(
            "task",
            "choice",
            _("Kind of work"),
            _("Choose the kind of work."),
            choices=TASKS,
        ),
        Field(
            "parameters",
            "whole",
            _("Size of the model, parameters"),
            hint=_("In figures, for instance 7 000 000 000."),
            least=1,
            most=LARGEST_PARAMETERS,
        ),
        Field(
            "tokens",
            "whole",
            _("Training tokens, all epochs together"),
            hint=_("In figures, for instance 20 000 000 000."),
            least=1,
            most=LARGEST_TOKENS,
        ),
        Field(
            "partition",
            "choice",
            _("Partition"),
            _("Choose a partition."),
            _("The part of a system on which you want to work."),
            offered="partitions",
            only_where="partitions",
        ),
        Field(
            "fallback_partition",
            "choice",
            _("Second choice"),
            hint=_("Where you would work if the first has no hours left."),
            offered="partitions",
            only_where="partitions",
        ),
        Field(
            AMOUNT,
            "whole",
            _("GPU-hours you expect to use"),
            _("Write how many GPU-hours you expect to use."),
            _("The estimator gives a figure with its range."),
            least=1,
            most=10_000_000,
            only_where="hours",
        ),
        Field(
            "ask_reason",
            "text",
            _("How you came to this figure"),
            _("Say how you came to this figure."),
            _("Measured runs, the estimate, how many runs of what length."),
            most=3000,
            only_where="long",
        ),
        Field(
            "jobs",
            "whole",
            _("Number of jobs"),
            _("Write about how many jobs you will run."),
            least=1,
            most=10_000_000,
            only_where="long",
        ),
        Field(
            "largest_job",
            "whole",
            _("GPUs of the largest job"),
            _("Write how many GPUs the largest job needs."),
            least=1,
            most=100_000,
            only_where="long",
        ),
        Field(
            "has_pilot",
            "yes_no",
            _("Has the workload run on this or a similar system?"),
            _("Say whether the workload has run before."),
            _("Playground or Benchmark access is the usual proof."),
            only_where="long",
        ),
        Field(
            "pilot",
            "text",
            _("What that run showed"),
            _("Describe what that run showed."),
            _("Throughput, loss curves, scaling over nodes."),
            most=3000,
            needed_where=("has_pilot", True),
            only_where="long",
        ),
        Field(
            "code",
            "text",
            _("Code and software"),
            _("Name the code and the software you will run."),
            _("Names and versions, a repository if it is public, the licence."),
            most=2000,
            only_where="short",
        ),
        Field(
            "readiness",
            "choice",
            _("How far is the code?"),
            _("Choose how far the code is."),
            choices=READINESS,
        ),
        Field(
            "special_needs",
            "text",
            _("What the work needs beyond usual nodes"),
            hint=_("Memory, local disks, a long run time, containers, software under licence."),
            most=2000,
            only_where="long",
        ),
        Field(
            "hardware_reason",
            "text",
            _("Why this hardware"),
            _("Say why the work needs this hardware."),
            most=2000,
        ),
    ),
)

CONNECTIONS = (
    ("developer", _("We write it")),
    ("contributor", _("We contribute to it")),
    ("user", _("We use it")),
)

SUPPORT = (
    ("epicure", _("EPICURE: the EuroHPC application support")),
    ("hlst", _("The high-level support team of the host")),
    ("course", _("A course or an introduction")),
)

CODE = Section(
    "code",
    _("Code"),
    _("What you run, whose it is, and what it can do on many GPUs."),
    (
        Field(
            "description",
            "text",
            _("What the code does"),
            _("Describe what the code does."),
            most=3000,
        ),
        Field("version", "line", _("Name and version"), _("Write the name and the version.")),
        Field(
            "repository",
            "url",
            _("Repository"),
            hint=_("Leave empty if the code is not public."),
            most=300,
        ),
        Field("licence", "line", _("Licence of the code"), _("Write the licence of the code.")),
        Field("developer_contact", "email", _("E-mail of a developer"), most=254),
        Field(
            "connection",
            "choice",
            _("Your connection to the code"),
            _("Choose your connection to the code."),
            choices=CONNECTIONS,
        ),
        Field(
            "algorithms",
            "text",
            _("Algorithms and parallelism"),
            _("Describe the algorithms and how the work is spread over GPUs."),
            most=3000,
        ),
        Field(
            "scalability",
            "text",
            _("Scaling that you measured"),
            hint=_("Nodes, time, efficiency. A table as text is fine."),
            most=3000,
        ),
        Field(
            "bottlenecks",
            "text",
            _("Bottlenecks and what you do about them"),
            _("Name the bottlenecks and what you do about them."),
            most=2000,
        ),
        Field(
            "reusability",
            "text",
            _("Who else can use the code"),
            _("Say who else can use the code."),
            most=1500,
        ),
        Field(
            "support",
            "choices",
            _("Support that you want"),
            hint=_("Choose any number. Support costs no hours."),
            choices=SUPPORT,
        ),
        Field(
            "support_may_read",
            "yes_no",
            _("May the support team read this application?"),
            _("Say whether the support team may read this application."),
        ),
    ),
)
