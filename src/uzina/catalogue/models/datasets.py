"""Datasets."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Concat

from uzina.catalogue import rules
from uzina.core.fields import StateField

if TYPE_CHECKING:
    from uzina.people.models import Person
from uzina.catalogue.models.licences import Licence


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Datasets."""

    def visible_to(self, person: "Person | AnonymousUser") -> "DatasetQuerySet":
        """Keep what person may see.

        Everybody, signed in or not, sees published data. Drafts, withdrawn data and the bundles
        of models are seen by the members of their project, by those affiliated with the holder
        when there is no project, and by operators and auditors.
        """
        is_open = Q(state=rules.DatasetState.PUBLISHED, kind=rules.DatasetKind.DATA)
        if isinstance(person, AnonymousUser):
            return self.filter(is_open)
        if {"operator", "auditor"} & person.roles:
            return self
        return self.filter(
            is_open
            | Q(project__in=person.memberships.values("project"))
            | Q(project=None, holder__in=person.affiliations.values("organisation"))
        )

    def kept_by(self, person: "Person") -> "DatasetQuerySet":
        """Keep what the person looks after: data of their projects, and of holders they represent."""
        represented = person.affiliations.filter(is_representative=True).values("organisation")
        return self.filter(
            Q(project__in=person.memberships.values("project"))
            | Q(project=None, holder__in=represented)
        )

    def in_language(self, code: str) -> "DatasetQuerySet":
        """Keep what is, at least in part, in a language."""
        spaced = Concat(Value(" "), F("languages"), Value(" "), output_field=models.TextField())
        return self.alias(spaced=spaced).filter(spaced__contains=f" {code} ")

    def about(self, words: str) -> "DatasetQuerySet":
        """Keep what has each of the words in its name, title or description, in any case and
        with or without diacritics.
        """
        rows = self
        for word in rules.folded(words).split():
            rows = rows.filter(search_text__contains=word)
        return rows


class Dataset(models.Model):
    """A described body of data. What it says of itself may change; its versions never do.

    title, description, languages   in the words of its main language, the first of `languages`
    translations  {language: {"title", "description"}} in other languages
    themes        codes of the EU table data-theme, such as "EDUC"
    frequency     code of the EU table frequency, such as "ANNUAL"
    creators      [{"name", "url"}] of who made the data; empty: the holder
    places        codes of the EU table country, such as "ROU"
    begins_on, ends_on  the days the data speak of, both within
    answers       what the steward answered, by the key of the question (stewardship.toml)
    identifier    shaped as a DOI, "" until one is given
    source        the portal it was harvested from, null for our own; then nobody changes it here
    source_uri    what names it there
    origin        of harvested data: digest of the record, formats, bytes, the licence as named,
                  the portal's own record with its dates, when it was first listed here
    seen_in       key of the harvest that saw it last
    """

    slug = models.CharField(max_length=63, unique=True)
    kind = StateField(rules.DatasetKind, default=rules.DatasetKind.DATA)
    title = models.CharField(max_length=rules.LONGEST_TITLE)
    description = models.TextField()
    licence = models.ForeignKey(Licence, on_delete=models.PROTECT, related_name="+")
    languages = models.CharField(max_length=160)
    holder = models.ForeignKey("people.Organisation", on_delete=models.PROTECT, related_name="+")
    project = models.ForeignKey(
        "people.Project", null=True, on_delete=models.PROTECT, related_name="+"
    )
    state = StateField(rules.DatasetState, default=rules.DatasetState.DRAFT)
    access_right = StateField(rules.AccessRight, default=rules.AccessRight.PUBLIC)
    translations = models.JSONField(default=dict)
    themes = models.JSONField(default=list)
    keywords = models.JSONField(default=list)
    frequency = models.CharField(max_length=20, blank=True)
    creators = models.JSONField(default=list)
    contact_name = models.CharField(max_length=120, blank=True)
    contact_email = models.EmailField(blank=True)
    landing_url = models.URLField(max_length=500, blank=True)
    places = models.JSONField(default=list)
    begins_on = models.DateField(null=True)
    ends_on = models.DateField(null=True)
    answers = models.JSONField(default=dict)
    identifier = models.CharField(max_length=120, blank=True)
    search_text = models.TextField(editable=False)
    made_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    source = models.ForeignKey(
        "catalogue.Source", null=True, on_delete=models.PROTECT, related_name="+"
    )
    source_uri = models.CharField(max_length=1000, blank=True)
    origin = models.JSONField(default=dict)
    seen_in = models.BigIntegerField(default=0)

    objects: ClassVar[Any] = DatasetQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="published") | Q(published_at__isnull=False),
                name="dataset_published_has_a_time",
            ),
            models.UniqueConstraint(
                fields=["source", "source_uri"],
                condition=Q(source__isnull=False),
                name="dataset_harvested_once",
            ),
        ]
        indexes = [models.Index(fields=["state", "kind"], name="dataset_by_state")]

    def __str__(self) -> str:
        return self.slug

    @property
    def language_codes(self) -> list[str]:
        """The languages, the main one first."""
        return self.languages.split()

    @property
    def tone(self) -> str:
        """The tone of the state."""
        return self.state.tone  # type: ignore[no-any-return, attr-defined]
