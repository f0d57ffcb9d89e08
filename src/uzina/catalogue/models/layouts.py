"""How files are laid out in columns."""

from django.db import models


class Layout(models.Model):
    """The columns of a file, read once for the same bytes. [] where none could be read.

    columns  [[name, kind]] in the order of the file; kinds are those of rules.records.Column
    """

    sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=130)
    columns = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sha256", "media_type"], name="layout_once_per_file")
        ]

    def __str__(self) -> str:
        return self.sha256
