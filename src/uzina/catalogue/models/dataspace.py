"""Participants of a data space, what they negotiate, and what they fetch."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from uzina.catalogue.models.datasets import Dataset
from uzina.catalogue.models.terms import AccessRequest, Participant, Policy
from uzina.catalogue.models.versions import Version
from uzina.catalogue.rules import dataspace
from uzina.core.fields import StateField


class Negotiation(models.Model):
    """A participant negotiates the use of a dataset. Finalised, its agreement is a permission.

    uid        ours, told as urn:uuid:…: the protocol's providerPid
    consumer_pid  theirs
    callback   where our messages go, below the participant's registered address
    policy     the one that is offered; None for public data without one
    request    what the holder answers, once it is asked; None for public data
    asked      the message that began it, to know a repetition by
    agreement  ours, as it was sent; None before
    """

    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    participant = models.ForeignKey(
        Participant, on_delete=models.PROTECT, related_name="negotiations"
    )
    consumer_pid = models.CharField(max_length=dataspace.LONGEST_PID)
    callback = models.URLField(max_length=500)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="+")
    policy = models.ForeignKey(Policy, null=True, on_delete=models.PROTECT, related_name="+")
    request = models.ForeignKey(
        AccessRequest, null=True, on_delete=models.PROTECT, related_name="negotiations"
    )
    state = StateField(dataspace.NegotiationState, default=dataspace.NegotiationState.REQUESTED)
    asked = models.JSONField()
    agreement = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    made_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["participant", "consumer_pid"], name="negotiation_once_per_consumer_pid"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["AGREED", "VERIFIED", "FINALIZED"])
                | Q(agreement__isnull=False),
                name="negotiation_agreed_has_an_agreement",
            ),
        ]

    def __str__(self) -> str:
        return self.pid

    @property
    def pid(self) -> str:
        """The protocol's providerPid."""
        return f"urn:uuid:{self.uid}"


class Transfer(models.Model):
    """A participant fetches a version under an agreement.

    asked    the message that began it, to know a repetition by
    serial   counts the starts: an address given before a suspension is void after it
    """

    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    negotiation = models.ForeignKey(Negotiation, on_delete=models.PROTECT, related_name="transfers")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    consumer_pid = models.CharField(max_length=dataspace.LONGEST_PID)
    callback = models.URLField(max_length=500)
    state = StateField(dataspace.TransferState, default=dataspace.TransferState.REQUESTED)
    asked = models.JSONField()
    serial = models.PositiveIntegerField(default=0)
    reason = models.TextField(blank=True)
    made_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["negotiation", "consumer_pid"], name="transfer_once_per_consumer_pid"
            )
        ]

    def __str__(self) -> str:
        return self.pid

    @property
    def pid(self) -> str:
        """The protocol's providerPid."""
        return f"urn:uuid:{self.uid}"
