"""Messages to persons, and what each wants to get."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from uzina.core.fields import CodeField, StateField
from uzina.people import rules
from uzina.people.models.persons import Person


class MessageQuerySet(models.QuerySet["Message"]):
    """Messages."""

    def visible_to(self, person: Person) -> "MessageQuerySet":
        """Keep what person may see: all for operators and auditors, else what one has got."""
        if person.has_role(rules.RoleKind.OPERATOR, rules.RoleKind.AUDITOR):
            return self
        return self.filter(to=person, state__in=rules.DELIVERED)


class Message(models.Model):
    """One message to one person, as it leaves: written once, never changed.

    Its text is that of the moment it was written; what it was about may have changed since.

    about       the code of a thing, or nothing
    key         of what it tells: the same key is the same message, written once
    batch       messages of one batch are released together (the decisions of a call)
    for_digest  waits for the person's daily digest
    attempts    how often the mail server did not take it; the promise to send names the attempt
                it is for, so only the newest promise counts
    note        why it was withdrawn, or what the mail server said
    """

    code = CodeField("MSG", 8)
    to = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=60)
    about = models.CharField(max_length=40, blank=True)
    batch = models.CharField(max_length=80, blank=True)
    key = models.CharField(max_length=160, unique=True)
    language = models.CharField(max_length=5)
    subject = models.CharField(max_length=255)
    body = models.TextField()
    state = StateField(rules.MessageState, default=rules.MessageState.QUEUED)
    for_digest = models.BooleanField(default=False)
    made_at = models.DateTimeField()
    send_after = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    note = models.TextField(blank=True)

    objects: ClassVar[Any] = MessageQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["to", "-id"], name="message_of_person"),
            models.Index(fields=["about"], name="message_about"),
            models.Index(
                fields=["batch"], condition=~Q(batch="") & Q(state="held"), name="message_held"
            ),
            models.Index(fields=["state"], condition=Q(state="failed"), name="message_failed"),
            models.Index(
                fields=["send_after"],
                condition=Q(state="queued", for_digest=True),
                name="message_for_digest",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(sent_at__isnull=False, state__in=["sent", "digested"])
                | Q(sent_at__isnull=True) & ~Q(state__in=["sent", "digested"]),
                name="message_sent_has_an_instant",
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.kind}"


class MessageWish(models.Model):
    """When a person wants messages of one kind. No row: at once."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=60)
    wish = models.CharField(max_length=8, choices=[(one.value, one.label) for one in rules.Wish])

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "kind"], name="messagewish_once_per_kind")
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.kind} {self.wish}"
