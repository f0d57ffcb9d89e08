"""What people sent."""

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    pass


class Upload(models.Model):
    """Somebody sent these bytes. Only who sent or may read them can put them into a version.

    Without it, knowing a checksum would be enough to be given another project's file.
    """

    sha256 = models.CharField(max_length=64)
    bytes = models.BigIntegerField()
    person = models.ForeignKey("people.Person", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sha256", "person"], name="upload_once_per_person")
        ]

    def __str__(self) -> str:
        return self.sha256
