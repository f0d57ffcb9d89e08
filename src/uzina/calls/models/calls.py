"""Access modes, calls, their cut-offs and what they can grant."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.functional import cached_property
from django.utils.translation import get_language

from uzina.calls.rules import mode_data, modes
from uzina.calls.rules.clock import Window
from uzina.calls.rules.flows import CallState
from uzina.core.fields import CodeField, StateField
from uzina.people.models import Person
from uzina.people.rules import RoleKind


class AccessMode(models.Model):
    """One version of an access mode that an operator wrote, beside the shipped files. Never changed.

    rules  as mode_data.resolve gives them; valid from the day on, until a later version is
    text   as it was written, comments included
    """

    slug = models.SlugField(max_length=60)
    version = models.CharField(max_length=20)
    rules = models.JSONField()
    text = models.TextField()
    valid_from = models.DateField()
    reason = models.CharField(max_length=500)
    made_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slug", "version"], name="accessmode_version_once")
        ]

    def __str__(self) -> str:
        return f"{self.slug} {self.version}"


MOST_READ_MODES = 256
_read_modes: dict[str, tuple[Any, modes.Mode]] = {}


class CallQuerySet(models.QuerySet["Call"]):
    """Calls."""

    def visible_to(self, person: Person | None) -> "CallQuerySet":
        """Keep what person, or somebody not signed in, may see: drafts are the factory's own."""
        if person is not None and person.has_role(RoleKind.OPERATOR, RoleKind.AUDITOR):
            return self
        return self.exclude(state=CallState.DRAFT)


class Call(models.Model):
    """An invitation to apply; may roll for years. Open in [opens_at, closes_at).

    It keeps its own copy of the mode it was made from, so a newer mode changes no open call. What
    it can grant is in its capacities; money_eur_cents is what all awards together may be worth,
    where the funder says so. spent_at is set while nothing is left, and no application is taken then.
    """

    code = CodeField("CAL")
    slug = models.SlugField(max_length=60, unique=True)
    title_en = models.CharField(max_length=200)
    title_ro = models.CharField(max_length=200)
    state = StateField(CallState, default=CallState.DRAFT)
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField(null=True)
    rules = models.JSONField()
    money_eur_cents = models.BigIntegerField(null=True)
    made_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    spent_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = CallQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(closes_at__isnull=True) | Q(opens_at__lt=F("closes_at")),
                name="call_opens_before_it_closes",
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def title(self) -> str:
        """The title in the language of the reader."""
        words = {"en": self.title_en, "ro": self.title_ro}
        return modes.in_language(words, (get_language() or "en")[:2])

    @cached_property
    def mode(self) -> modes.Mode:
        """The mode as the call keeps it. Read once a process: a list has many rows of one call."""
        kept = _read_modes.get(self.code)
        if kept is None or kept[0] != self.rules:
            if len(_read_modes) >= MOST_READ_MODES:
                _read_modes.clear()
            kept = _read_modes[self.code] = (self.rules, mode_data.parse_mode(self.rules))
        return kept[1]

    @property
    def summary(self) -> str:
        """The mode's summary in the language of the reader."""
        return modes.in_language(self.mode.summary, (get_language() or "en")[:2])

    @property
    def windows(self) -> list[Window]:
        """When it takes applications: its cut-offs in order, or its own opening and closing."""
        cut_offs = [Window(one.opens_at, one.closes_at) for one in self.cut_offs.all()]
        return cut_offs or [Window(self.opens_at, self.closes_at)]


class CutOff(models.Model):
    """One deadline of a call. Open from opens_at up to, not including, closes_at.

    Applications gathered by it are judged together. A call without cut-offs takes applications
    as long as it is open itself.
    """

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="cut_offs")
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField()

    class Meta:
        ordering = ["opens_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(opens_at__lt=F("closes_at")), name="cutoff_opens_before_it_closes"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.call} {self.closes_at:%Y-%m-%d}"


class CutOffMove(models.Model):
    """A cut-off was moved: from when to when, why, by whom. Never changed."""

    cut_off = models.ForeignKey(CutOff, on_delete=models.CASCADE, related_name="moves")
    closes_at_before = models.DateTimeField()
    closes_at_after = models.DateTimeField()
    reason = models.CharField(max_length=500)
    moved_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    moved_at = models.DateTimeField()

    class Meta:
        ordering = ["moved_at"]

    def __str__(self) -> str:
        return f"{self.cut_off}: {self.closes_at_after:%Y-%m-%d %H:%M}"


class Capacity(models.Model):
    """What a call can grant of one partition, at one of its cut-offs or at all of them.

    partition  its name, as people know it: "Leonardo Booster"; empty where there is only one
    cut_off    null: for the whole call
    account    of the ledger, owned by the capacity's code
    gpus_per_node  turns node-hours into GPU-hours; 1 where the mode counts GPU-hours
    usable_from, usable_until  the period in which the hours may be used; null: any time
    """

    code = CodeField("CAP")
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="capacities")
    cut_off = models.ForeignKey(
        CutOff, on_delete=models.PROTECT, related_name="capacities", null=True
    )
    partition = models.CharField(max_length=60, blank=True)
    gpus_per_node = models.PositiveSmallIntegerField(default=1)
    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="+")
    usable_from = models.DateTimeField(null=True)
    usable_until = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["call", "partition"],
                condition=Q(cut_off__isnull=True),
                name="capacity_partition_once_per_call",
            ),
            models.UniqueConstraint(
                fields=["cut_off", "partition"], name="capacity_partition_once_per_cut_off"
            ),
            models.CheckConstraint(
                condition=Q(gpus_per_node__gt=0), name="capacity_node_has_a_gpu"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.call} {self.partition}".strip()
