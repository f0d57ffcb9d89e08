"""Spaces of projects, what lies in them, what is on its way, and what was deleted for good."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.db.models import F, Q

from uzina.catalogue.rules import spaces as rules
from uzina.core.fields import StateField
from uzina.people import access as people_access
from uzina.people import queries as people_queries

if TYPE_CHECKING:
    from uzina.people.models import Person


class SpaceQuerySet(models.QuerySet["Space"]):
    """Spaces."""

    def visible_to(self, person: "Person") -> "SpaceQuerySet":
        """Keep what person may see: all for operators and auditors, else one's projects'."""
        if people_access.is_operator(person) or people_access.is_auditor(person):
            return self
        return self.filter(project__in=people_queries.projects_of(person).values("pk"))


class Space(models.Model):
    """A place of a project with a quota. There is one of each kind in a project.

    byte_quota, file_quota  what it was given
    byte_limit, file_limit  what the database guards: the quota, or what was taken already when the
                            quota fell below it
    used_*, trash_*, reserved_*  sums over live items, trashed items and open reservations, cached;
                            only actions that hold the row's lock change them
    expires_at   when it goes to the trash by itself; the one date that is shown everywhere
    kept_until   what an operator, or the respite of a lead, gave beyond the regular end
    why          why it is in the trash or gone: "ended" by the clock, "deleted" by a person
    warned_days  the last of rules.WARN_DAYS that was told for this expires_at; null for none
    """

    project = models.ForeignKey("people.Project", on_delete=models.PROTECT, related_name="+")
    kind = StateField(rules.SpaceKind)
    state = StateField(rules.SpaceState, default=rules.SpaceState.OPEN)
    byte_quota = models.BigIntegerField()
    file_quota = models.BigIntegerField()
    byte_limit = models.BigIntegerField()
    file_limit = models.BigIntegerField()
    used_bytes = models.BigIntegerField(default=0)
    used_files = models.BigIntegerField(default=0)
    trash_bytes = models.BigIntegerField(default=0)
    trash_files = models.BigIntegerField(default=0)
    reserved_bytes = models.BigIntegerField(default=0)
    reserved_files = models.BigIntegerField(default=0)
    expires_at = models.DateTimeField()
    kept_until = models.DateTimeField(null=True)
    had_respite = models.BooleanField(default=False)
    warned_days = models.PositiveSmallIntegerField(null=True)
    trashed_at = models.DateTimeField(null=True)
    why = models.CharField(max_length=10, blank=True)
    made_at = models.DateTimeField()

    objects: ClassVar[Any] = SpaceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "kind"], name="space_one_of_a_kind"),
            models.CheckConstraint(
                condition=Q(
                    byte_limit__gte=F("used_bytes") + F("trash_bytes") + F("reserved_bytes")
                ),
                name="space_bytes_within_limit",
            ),
            models.CheckConstraint(
                condition=Q(
                    file_limit__gte=F("used_files") + F("trash_files") + F("reserved_files")
                ),
                name="space_files_within_limit",
            ),
            models.CheckConstraint(
                condition=Q(
                    used_bytes__gte=0,
                    used_files__gte=0,
                    trash_bytes__gte=0,
                    trash_files__gte=0,
                    reserved_bytes__gte=0,
                    reserved_files__gte=0,
                    byte_quota__gte=0,
                    file_quota__gte=0,
                ),
                name="space_sums_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(byte_limit__gte=F("byte_quota"), file_limit__gte=F("file_quota")),
                name="space_limit_not_below_quota",
            ),
            models.CheckConstraint(
                condition=Q(state="open", trashed_at__isnull=True)
                | (~Q(state="open") & Q(trashed_at__isnull=False)),
                name="space_trashed_has_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="open"), name="space_open_by_end")
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        """How a person names it: `PRJ-7Q3K2M:scratch`."""
        return f"{self.project.code}:{self.kind}"

    @property
    def tone(self) -> str:
        """The tone of the state."""
        return self.state.tone  # type: ignore[no-any-return, attr-defined]

    @property
    def quota(self) -> rules.Quota:
        """What it was given."""
        return rules.Quota(self.byte_quota, self.file_quota)

    @property
    def taken(self) -> rules.Taken:
        """What of it is taken."""
        return rules.Taken(
            self.used_bytes,
            self.trash_bytes,
            self.reserved_bytes,
            self.used_files,
            self.trash_files,
            self.reserved_files,
        )


class ItemQuerySet(models.QuerySet["Item"]):
    """Items."""

    def live(self) -> "ItemQuerySet":
        """Keep what is in its place."""
        return self.filter(trashed_at=None)

    def trashed(self) -> "ItemQuerySet":
        """Keep what lies in the trash."""
        return self.filter(trashed_at__isnull=False)


class Item(models.Model):
    """One file of a space: live or in the trash. What is deleted for good leaves a Tombstone.

    folder   the folder its path lies in, "" at the top
    used_at  when it was last put, read or staged; scratch is cleaned by it
    why      why it was trashed: "deleted", "replaced", "unused", "ended"
    """

    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="items")
    path = models.CharField(max_length=1024)
    folder = models.CharField(max_length=1024, blank=True)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, db_index=True)
    media_type = models.CharField(max_length=130)
    put_at = models.DateTimeField()
    put_by = models.ForeignKey(
        "people.Person", null=True, on_delete=models.PROTECT, related_name="+"
    )
    used_at = models.DateTimeField()
    trashed_at = models.DateTimeField(null=True)
    trashed_by = models.ForeignKey(
        "people.Person", null=True, on_delete=models.PROTECT, related_name="+"
    )
    why = models.CharField(max_length=10, blank=True)

    objects: ClassVar[Any] = ItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["space", "path"],
                condition=Q(trashed_at__isnull=True),
                name="item_path_once_among_live",
            ),
            models.CheckConstraint(condition=Q(bytes__gte=0), name="item_bytes_not_negative"),
        ]
        indexes = [
            models.Index(
                fields=["space", "folder"],
                condition=Q(trashed_at__isnull=True),
                name="item_live_by_folder",
            ),
            models.Index(
                fields=["trashed_at"],
                condition=Q(trashed_at__isnull=False),
                name="item_in_the_trash",
            ),
            models.Index(
                fields=["used_at"], condition=Q(trashed_at__isnull=True), name="item_live_by_use"
            ),
        ]

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def file(self) -> rules.File:
        """The item as a file of a manifest."""
        return rules.File(
            path=self.path, bytes=self.bytes, sha256=self.sha256, media_type=self.media_type
        )


class Reservation(models.Model):
    """Room kept free for bytes that are on their way.

    key        the caller's: reserving it again gives this one
    expires_at when it is released by itself, should whoever sends never come back
    """

    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="reservations")
    key = models.CharField(max_length=rules.LONGEST_KEY, unique=True)
    bytes = models.BigIntegerField()
    files = models.BigIntegerField()
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(
        "people.Person", null=True, on_delete=models.PROTECT, related_name="+"
    )
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    is_settled = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(bytes__gte=0, files__gte=1), name="reservation_keeps_something"
            ),
            models.CheckConstraint(
                condition=Q(is_settled=False) | Q(ended_at__isnull=False),
                name="reservation_settled_has_ended",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=Q(ended_at__isnull=True),
                name="reservation_open_by_end",
            )
        ]

    def __str__(self) -> str:
        return self.key


class Purge(models.Model):
    """The bytes of a dataset version were given up, on a stated basis. The version's row stays: what
    was made of it keeps its lineage.
    """

    version = models.OneToOneField(
        "catalogue.Version", on_delete=models.PROTECT, related_name="purge"
    )
    basis = StateField(rules.PurgeBasis)
    reason = models.TextField()
    at = models.DateTimeField()
    by_code = models.CharField(max_length=40, blank=True)

    def __str__(self) -> str:
        return f"{self.version}: {self.basis}"


class Tombstone(models.Model):
    """What was deleted for good: who, why, which bytes, when. The row stays for ever.

    subject     what named the bytes: PRJ-7Q3K2M:scratch/a.txt, ro-corpus@3
    basis       the legal basis, of a dataset version; "" of a file in a space
    removed_at  when the store let go of the bytes; null while something else names them, or while
                the removal has still to be done
    is_spared   something else names the bytes, so they stay
    """

    subject = models.CharField(max_length=1200)
    sha256 = models.CharField(max_length=64, db_index=True)
    bytes = models.BigIntegerField()
    reason = models.CharField(max_length=2000)
    basis = models.CharField(max_length=40, blank=True)
    by_code = models.CharField(max_length=40, blank=True)
    at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    is_spared = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(
                fields=["at"],
                condition=Q(removed_at__isnull=True, is_spared=False),
                name="tombstone_to_be_done",
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.at:%Y-%m-%d}"
