"""Who may look into a session's notebook, and with which key."""

from django.db import models


class SessionKey(models.Model):
    """A way into one session for one person: a ticket that opens once, then a cookie.

    Only SHA-256 digests are kept. The ticket is for the address that leads from the portal to the
    proxy; using it gives the cookie, which opens the session until the job ends.
    """

    job = models.ForeignKey("compute.Job", on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey("people.Person", on_delete=models.CASCADE, related_name="+")
    ticket = models.CharField(max_length=64, unique=True)
    ticket_ends_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    cookie = models.CharField(max_length=64, blank=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.job} for {self.person}"
