"""Reviews, bids, reasons and replies as people type them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms as django_forms
from django.utils.translation import gettext, gettext_lazy

from uzina.calls.forms.shared import choose, language
from uzina.calls.rules import modes, reviews
from uzina.core.forms import Form, IntegerField

LONGEST = 8000


class ReviewForm(Form):
    """The scores and comments of a review; the criteria and the scale are the mode's."""

    comment = django_forms.CharField(
        label=gettext_lazy("Comment to the applicant"),
        help_text=gettext_lazy(
            "What is good, and what would make it better. The applicant reads it, without your name."
        ),
        widget=django_forms.Textarea(attrs={"rows": 8}),
        max_length=LONGEST,
        required=False,
    )
    panel_comment = django_forms.CharField(
        label=gettext_lazy("Comment to the panel"),
        help_text=gettext_lazy("The applicant does not see it."),
        widget=django_forms.Textarea(attrs={"rows": 5}),
        max_length=LONGEST,
        required=False,
    )
    notes = django_forms.CharField(
        label=gettext_lazy("Your own notes"),
        help_text=gettext_lazy("Nobody else sees them."),
        widget=django_forms.Textarea(attrs={"rows": 4}),
        max_length=LONGEST,
        required=False,
    )

    def __init__(self, *args: Any, scoring: modes.Scoring, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scale = [
            (str(score), f"{score} – {gettext(word)}" if word else str(score))
            for score, word in reviews.scale(scoring)
        ]
        scores = {
            f"scores_{one.key}": django_forms.ChoiceField(
                label=modes.in_language(one.title, language()),
                help_text=_weight(one, scoring),
                choices=scale,
                widget=django_forms.RadioSelect,
                required=False,
            )
            for one in scoring.criteria
        }
        self.fields = {**scores, **self.fields}

    def given(self) -> dict[str, Any]:
        """Return what was typed, as the action takes it."""
        scores = {
            name.removeprefix("scores_"): int(value)
            for name, value in self.cleaned_data.items()
            if name.startswith("scores_") and value
        }
        texts = {name: self.cleaned_data[name] for name in ("comment", "panel_comment", "notes")}
        return {"scores": scores, **texts}


def _weight(criterion: modes.Criterion, scoring: modes.Scoring) -> str:
    whole = sum(one.weight for one in scoring.criteria)
    words = gettext("Weighs {percent} % of the score.").format(
        percent=round(100 * criterion.weight / whole)
    )
    if criterion.threshold:
        words += " " + gettext("Below {threshold} the application does not pass.").format(
            threshold=criterion.threshold
        )
    return words


def review_initial(scores: Mapping[str, int], **texts: str) -> dict[str, str]:
    """Return a kept review as the form shows it."""
    return {f"scores_{key}": str(value) for key, value in scores.items()} | texts


class WhyForm(Form):
    """A reason in a few words."""

    reason = django_forms.CharField(
        label=gettext_lazy("Reason"),
        widget=django_forms.Textarea(attrs={"rows": 3}),
        max_length=500,
        required=False,
    )


class ReplyForm(Form):
    """The applicant's reply to the reviewers."""

    text = django_forms.CharField(
        label=gettext_lazy("Your reply"),
        help_text=gettext_lazy(
            "Answer what the reviewers misread or missed. You can send it once; the panel reads it "
            "beside the reviews."
        ),
        widget=django_forms.Textarea(attrs={"rows": 10}),
        max_length=LONGEST,
        required=False,
    )


class ChooseReviewerForm(Form):
    """One reviewer, out of those who may be asked."""

    reviewer = django_forms.ChoiceField(label=gettext_lazy("Reviewer"))

    def __init__(self, *args: Any, choices: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose(self, "reviewer", [("", gettext("Choose a reviewer")), *choices])


class PlanForm(Form):
    """For which cut-off to assign reviewers, and the seed that decides between equals."""

    cut_off = django_forms.ChoiceField(label=gettext_lazy("Cut-off"), required=False)
    seed = IntegerField(
        label=gettext_lazy("Seed"),
        help_text=gettext_lazy(
            "Decides between assignments that are equally good. The same number gives the same plan."
        ),
        min_value=0,
        max_value=1_000_000,
        initial=1,
    )

    def __init__(self, *args: Any, cut_offs: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose(self, "cut_off", [("", gettext("All that are in peer review")), *cut_offs])
