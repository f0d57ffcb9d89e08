"""What people sent, and what is on its way."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q

from uzina.catalogue import rules
from uzina.core.fields import CodeField, StateField

if TYPE_CHECKING:
    from uzina.people.models import Person


class UploadQuerySet(models.QuerySet["Upload"]):
    """Uploads."""

    def visible_to(self, person: "Person | AnonymousUser") -> "UploadQuerySet":
        """Keep what person may see: one's own, and nobody else's."""
        return self.filter(person=person.pk) if person.is_authenticated else self.none()

    def kept(self) -> "UploadQuerySet":
        """Keep what has arrived whole."""
        return self.filter(state=rules.UploadState.KEPT)

    def open(self) -> "UploadQuerySet":
        """Keep what is on its way."""
        return self.filter(state__in=[rules.UploadState.RECEIVING, rules.UploadState.CHECKING])


class Upload(models.Model):
    """Somebody sends, or sent, these bytes. Only who sent or may read them can put them anywhere.

    Without it, knowing a checksum would be enough to be given another project's file.

    name           the path it shall have
    sha256         of the whole; "" until it is announced or found
    was_announced  who sends said the checksum before
    part_bytes     size of its parts, 0 for a file sent in one request
    handle         the store's own name for it while it is on its way
    purpose        "dataset", or "space": then it is put there when it is whole
    space          PROJECT:KIND of the space whose quota it takes, "" for none
    found_type     what its bytes are, by their own looks; "" when they say nothing
    checked_bytes  how far the check of a large file has come
    reason         why it was stopped, as {code, message, facts}; {} when nobody had to say
    """

    code = CodeField("UPL")
    person = models.ForeignKey("people.Person", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=1024, blank=True)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    was_announced = models.BooleanField(default=False)
    part_bytes = models.BigIntegerField(default=0)
    handle = models.CharField(max_length=1024, blank=True)
    purpose = models.CharField(max_length=10, default="dataset")
    space = models.CharField(max_length=40, blank=True)
    found_type = models.CharField(max_length=130, blank=True)
    checked_bytes = models.BigIntegerField(default=0)
    state = StateField(rules.UploadState, default=rules.UploadState.RECEIVING)
    reason = models.JSONField(default=dict)
    at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = UploadQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="kept") | ~Q(sha256=""), name="upload_kept_has_a_checksum"
            ),
            models.CheckConstraint(
                condition=Q(bytes__gte=0, checked_bytes__gte=0), name="upload_bytes_not_negative"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["receiving", "checking"]) | Q(expires_at__isnull=False),
                name="upload_open_expires",
            ),
        ]
        indexes = [
            models.Index(fields=["person", "sha256"], name="upload_by_person"),
            models.Index(
                fields=["expires_at"],
                condition=Q(state__in=["receiving", "checking"]),
                name="upload_open_by_end",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def tone(self) -> str:
        """The tone of the state."""
        return self.state.tone  # type: ignore[no-any-return, attr-defined]
