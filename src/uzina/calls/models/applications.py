"""Applications, their sections, documents and editors."""

from typing import Any, ClassVar

from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models import Q

from uzina.calls.models.calls import Call, CutOff
from uzina.calls.rules.flows import ApplicationState
from uzina.core.fields import CodeField, StateField
from uzina.people import queries as people_queries
from uzina.people.models import Person
from uzina.people.rules import RoleKind


def documents_storage() -> Storage:
    """Return where documents are kept: Django's storage of that name."""
    return storages["documents"]


class ApplicationQuerySet(models.QuerySet["Application"]):
    """Applications."""

    def visible_to(self, person: Person) -> "ApplicationQuerySet":
        """Keep what person may see.

        One's own and those one helps to edit; for operators and auditors all that were handed
        in; for assessors those too, for members of a panel what comes before it: but never one in
        which they have a conflict of interest. Reviewers see what they were given through their
        reviews only, which may be blind: Review.objects.given_to.
        """
        own = Q(pk__in=self.model.objects.owned_by(person).values("pk"))
        handed_in = Q(submitted_at__isnull=False) & ~Q(state=ApplicationState.DRAFT)
        if person.has_role(RoleKind.OPERATOR, RoleKind.AUDITOR):
            return self.filter(own | handed_in)
        if person.has_role(RoleKind.ASSESSOR):
            return self.filter(own | (handed_in & ~conflicted(person)))
        return self.filter(own | (handed_in & before_panel_of(person) & ~conflicted(person)))

    def owned_by(self, person: Person) -> "ApplicationQuerySet":
        """Keep what person applied with or helps to edit."""
        shared = Editor.objects.filter(person=person).values("application")
        return self.filter(Q(applicant=person) | Q(pk__in=shared))

    def assessable_by(self, person: Person) -> "ApplicationQuerySet":
        """Keep what waits for a technical assessment and person may assess, oldest first."""
        if not person.has_role(RoleKind.ASSESSOR):
            return self.none()
        return (
            self.filter(
                state=ApplicationState.ELIGIBLE,
                assessment__isnull=True,
                steps__kind="technical_assessment",
                steps__state__in=["open", "paused"],
            )
            .exclude(conflicted(person))
            .exclude(applicant=person)
            .order_by("submitted_at", "pk")
        )


def conflicted(person: Person) -> Q:
    """Return what selects the applications in which the person has a conflict of interest.

    Found by the rules, declared, one's own, or an organisation they belong to at this moment.
    """
    organisations = people_queries.organisations_of(person).order_by().values("pk")
    found = Conflict.objects.filter(person=person).values("application")
    shared = Editor.objects.filter(person=person).values("application")
    return (
        Q(organisation__in=organisations) | Q(pk__in=found) | Q(pk__in=shared) | Q(applicant=person)
    )


def before_panel_of(person: Person) -> Q:
    """Return what selects the applications of the calls on whose panel the person sits.

    The second panel sees those under appeal only.
    """
    from uzina.calls.models.judging import PanelSeat

    seats = PanelSeat.objects.filter(person=person)
    second = Q(call__in=seats.filter(is_for_appeals=True).values("call"), appeal__isnull=False)
    return Q(call__in=seats.filter(is_for_appeals=False).values("call")) | second


class Application(models.Model):
    """One request judged under one call.

    title, months, gpu_ms, partition and fallback_partition are copied from the answers at
    submission, for lists and the queue: what is asked. What the host recommends is in its
    assessment, what is given in its award: three figures, kept apart.
    facts and verdict are what it was judged by then: the organisation may change afterwards.
    reserve_at is set while an application that is good enough waits for capacity, reserve_rank is
    its place in a ranking (null: by time of submission).
    cut_off  the one it was handed in to; null in a call that has none
    screened_at  when conflicts of interest were last looked for: nobody bids or reviews before
    """

    code = CodeField("APP")
    call = models.ForeignKey(Call, on_delete=models.PROTECT, related_name="applications")
    cut_off = models.ForeignKey(
        CutOff, on_delete=models.PROTECT, related_name="applications", null=True
    )
    applicant = models.ForeignKey("people.Person", on_delete=models.PROTECT, related_name="+")
    organisation = models.ForeignKey(
        "people.Organisation", on_delete=models.PROTECT, related_name="+"
    )
    state = StateField(ApplicationState, default=ApplicationState.DRAFT)
    title = models.CharField(max_length=150, blank=True)
    months = models.PositiveSmallIntegerField(null=True)
    gpu_ms = models.BigIntegerField(null=True)
    partition = models.CharField(max_length=60, blank=True)
    fallback_partition = models.CharField(max_length=60, blank=True)
    facts = models.JSONField(default=dict)
    verdict = models.JSONField(default=dict)
    made_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    screened_at = models.DateTimeField(null=True)
    reserve_at = models.DateTimeField(null=True)
    reserve_rank = models.PositiveIntegerField(null=True)
    ended_at = models.DateTimeField(null=True)
    cloned_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, related_name="clones", null=True
    )

    objects: ClassVar[Any] = ApplicationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[ApplicationState.DRAFT, ApplicationState.WITHDRAWN])
                | Q(submitted_at__isnull=False, due_at__isnull=False, gpu_ms__gte=0, months__gte=0),
                name="application_handed_in_has_what_it_asks",
            ),
        ]
        indexes = [
            models.Index(fields=["call", "submitted_at"], name="application_queue"),
            models.Index(fields=["applicant"], name="application_of_applicant"),
        ]

    def __str__(self) -> str:
        return self.code


class SavedSection(models.Model):
    """One step of an application as it was last saved.

    version counts the saves. Whoever saves says which version they saw, so that the later of two
    tabs is told instead of overwriting.
    """

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="sections")
    slug = models.CharField(max_length=24)
    answers = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=0)
    saved_at = models.DateTimeField()
    saved_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["application", "slug"], name="savedsection_once_per_application"
            )
        ]

    def __str__(self) -> str:
        return f"{self.application} {self.slug} v{self.version}"


class Editor(models.Model):
    """A colleague who may fill a draft in beside the applicant; only the applicant hands it in."""

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="editors")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["application", "person"], name="editor_once")
        ]

    def __str__(self) -> str:
        return f"{self.person} edits {self.application}"


class Document(models.Model):
    """A file that belongs to an application: kept as it was sent, never shown as a page.

    slug  which of the documents that the mode asks for
    A document taken out of a draft keeps its row with removed_at, its file is deleted.
    """

    code = CodeField("DOC")
    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="documents")
    slug = models.CharField(max_length=40)
    name = models.CharField(max_length=150)
    media_type = models.CharField(max_length=80)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    file = models.FileField(storage=documents_storage, max_length=120)
    sent_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    sent_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class Redirect(models.Model):
    """An application was sent on to where it fits better; its text went along.

    to_application  the draft it became in another call here
    to_factory      the name of another factory, where it left this one
    """

    application = models.OneToOneField(
        Application, on_delete=models.PROTECT, related_name="redirect"
    )
    to_application = models.ForeignKey(
        Application, on_delete=models.PROTECT, related_name="redirected_from", null=True
    )
    to_factory = models.CharField(max_length=150, blank=True)
    reason = models.TextField(max_length=4000)
    by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(to_application__isnull=False, to_factory="")
                | (Q(to_application__isnull=True) & ~Q(to_factory="")),
                name="redirect_leads_somewhere",
            )
        ]

    def __str__(self) -> str:
        return f"{self.application} to {self.to_application or self.to_factory}"


class Conflict(models.Model):
    """A person must not judge an application, and sees nothing of it as a reviewer or panellist.

    kind  organisation, past_organisation, co_author, co_applicant, team, declared
    Found by the rules or declared by the person. Shown to operators only.
    """

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="conflicts")
    kind = models.CharField(max_length=24)
    detail = models.CharField(max_length=500, blank=True)
    is_declared = models.BooleanField()
    found_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "application", "kind"], name="conflict_once_per_kind"
            )
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.kind} in {self.application}"
