"""The story of an application, in the words of its reader's language."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from uzina.calls.models import Appeal, Application, Award, Redirect, Step
from uzina.calls.rules import clock, timeline
from uzina.calls.rules.steps import StepKind
from uzina.core.charts import day_words


def story(application: Application) -> timeline.Story:
    """Return the instants of an application for its timeline. No query after applications()."""
    award: Award | None = getattr(application, "award", None)
    redirect: Redirect | None = getattr(application, "redirect", None)
    appeal: Appeal | None = getattr(application, "appeal", None)
    steps = list(application.steps.all())
    question = next((one for step in steps for one in step.questions.all() if one.is_open), None)
    draft = redirect.to_application if redirect else None
    return timeline.Story(
        state=application.state,
        made_at=application.made_at,
        submitted_at=application.submitted_at,
        due_at=application.due_at,
        steps=tuple(_facts(step) for step in steps),
        is_ranked=application.call.rules.get("order") == "ranked",
        question=question.code if question else "",
        question_by=question.answer_by if question else None,
        has_reply=hasattr(application, "reply"),
        reserve_at=application.reserve_at,
        ended_at=application.ended_at,
        award=award.code if award else "",
        award_state=award.state if award else None,
        offered_at=award.offered_at if award else None,
        answer_by=award.answer_by if award else None,
        answered_at=award.answered_at if award else None,
        starts_at=award.starts_at if award else None,
        ends_at=award.ends_at if award else None,
        report_due_at=award.report_due_at if award else None,
        sent_on=(draft.call.title if draft else redirect.to_factory) if redirect else "",
        draft=draft.code if draft else "",
        appeal_state=appeal.state if appeal else None,
        appeal_due_at=appeal.due_at if appeal else None,
    )


def _facts(step: Step) -> timeline.StepFacts:
    kind = StepKind(step.kind)
    site = settings.UZINA.site
    return timeline.StepFacts(
        kind=kind,
        state=step.state,
        opened_at=step.opened_at,
        counts_from=step.counts_from,
        due_at=step.due_at,
        done_at=step.done_at,
        outcome=step.outcome,
        is_human=step.done_by_id is not None or step.done_at is None,
        pauses=tuple(
            timeline.PauseFacts(
                one.began_at,
                one.ended_at,
                clock.days_still(
                    clock.Still(one.began_at, one.ended_at),
                    country=site.country,
                    zone=site.timezone,
                )
                if one.ended_at
                else 0,
                one.reason,
            )
            for one in step.pauses.all()
        ),
    )


def entries_shown(told: timeline.Story) -> list[dict[str, Any]]:
    """Return the timeline in the language at hand: title, at, is_done, is_now and text."""
    return [
        {
            "title": gettext(one.title),
            "at": one.at,
            "is_done": one.is_done,
            "is_now": one.is_now,
            "text": " ".join(
                [_words(one.text, one.facts), *(_pause_words(pause) for pause in one.pauses)]
            ).strip(),
        }
        for one in timeline.entries(told)
    ]


def next_shown(told: timeline.Story, now: datetime) -> dict[str, Any]:
    """Return what happens next in the language at hand, with the working days left for it.

    is_late: it is the factory's move, and it was due already.
    """
    coming = timeline.next_step(told)
    site = settings.UZINA.site
    is_late = coming.at is not None and now >= coming.at and not coming.is_yours
    left = None
    if coming.at is not None and now < coming.at:
        left = clock.working_days_left(now, coming.at, country=site.country, zone=site.timezone)
    return {
        "text": _words(coming.text, coming.facts),
        "at": coming.at,
        "is_yours": coming.is_yours,
        "verb": coming.verb,
        "target": coming.target,
        "days_left": left,
        "is_late": is_late,
    }


def _words(text: str, facts: Mapping[str, Any]) -> str:
    if not text:
        return ""
    shown = {
        name: instant_words(value) if isinstance(value, datetime) else value
        for name, value in facts.items()
    }
    return gettext(text).format(**shown)


def instant_words(at: datetime) -> str:
    """Write an instant in the language at hand and the factory's time zone, which is named."""
    local = timezone.localtime(at)
    return f"{day_words(local, 'j F Y')}, {local:%H:%M %Z}"


def _pause_words(pause: timeline.PauseFacts) -> str:
    if pause.ended_at is None:
        return gettext("Our clock stands still since {began}: we wait for you.").format(
            began=instant_words(pause.began_at)
        )
    facts = {
        "began": instant_words(pause.began_at),
        "ended": instant_words(pause.ended_at),
        "days": pause.days,
    }
    if pause.reason == "declined":
        return ngettext(
            "Our clock stood still from {began} to {ended} ({days} working day), while the "
            "application counted as declined.",
            "Our clock stood still from {began} to {ended} ({days} working days), while the "
            "application counted as declined.",
            pause.days,
        ).format(**facts)
    return ngettext(
        "Our clock stood still from {began} to {ended} ({days} working day), while we waited for "
        "you.",
        "Our clock stood still from {began} to {ended} ({days} working days), while we waited for "
        "you.",
        pause.days,
    ).format(**facts)
