"""Awards that were offered and accepted, made without the way to them."""

from datetime import timedelta

from uzina.calls import actions, queries
from uzina.calls.models import Application, Award, Capacity, SavedSection
from uzina.calls.rules import aid
from uzina.calls.rules.flows import ApplicationState
from uzina.core.tests import NOW
from uzina.people import actions as people

from .conftest import ANSWERS, make_call

HOUR = 3_600_000


def newcomer(email, name):
    """Register somebody."""
    person = people.register(
        email=email, name=name, password="a long enough password", language="en", now=NOW
    )
    return type(person).objects.get(pk=person.pk)


def national(operator, **facts):
    """Make a call of the national mode, which allows every change, with 10,000 GPU-hours."""
    return make_call(
        operator,
        **{"mode": "national", "slug": "national", "title_en": "National", "title_ro": "National"}
        | facts,
    )


def offered(call, org, person, *, hours=1000, months=3, may_publish=True, title="", now=NOW):
    """Offer an award to an application that passed everything."""
    title = title or ANSWERS["project"]["title"]
    application = Application.objects.create(
        call=call,
        applicant=person,
        organisation=org,
        state=ApplicationState.AWARDED,
        title=title,
        months=months,
        gpu_ms=hours * HOUR,
        made_at=now,
        submitted_at=now,
        due_at=now + timedelta(days=7),
        ended_at=now,
    )
    answers = {**ANSWERS, "declarations": {**ANSWERS["declarations"], "may_publish": may_publish}}
    answers["project"] = {**ANSWERS["project"], "title": title, "months": months}
    answers["work"] = {**ANSWERS["work"], "gpu_hours": hours}
    SavedSection.objects.bulk_create(
        SavedSection(application=application, slug=slug, answers=given, version=1, saved_at=now)
        for slug, given in answers.items()
    )
    value = aid.value_eur_cents(call.mode, hours * HOUR)
    return Award.objects.create(
        application=application,
        capacity=Capacity.objects.get(call=call),
        gpu_ms=hours * HOUR,
        months=months,
        value_eur_cents=value,
        aid_eur_cents=aid.aid_eur_cents(call.mode.aid_basis, value),
        aid_basis=call.mode.aid_basis,
        offered_at=now,
        answer_by=now + timedelta(days=14),
    )


def accepted(call, org, person, *, now=NOW, **facts):
    """Offer an award and accept it."""
    return actions.accept(offered(call, org, person, now=now, **facts), by=person, now=now)


def free_hours(call):
    """Return what the call has left that is neither granted nor offered, in GPU-hours."""
    return queries.free_gpu_ms(Capacity.objects.select_related("account").get(call=call)) / HOUR
