"""One of everything between a ranked call and what is owed after an award, for the doors' test.

Rows are written as the actions would leave them, since a whole round of judging takes days.
"""

import hashlib
from datetime import timedelta
from typing import Any

from uzina_client import story_answers as answers

HOUR_MS = 3_600_000
TRUTH = b"id,answer,part\na,1,public\nb,2,private\n"


def objects_of_judging(people: dict[str, Any], org: Any, now: Any) -> dict[str, Any]:
    """Make a ranked call with applications at each step, and what follows an award."""
    from uzina.calls.models import Call
    from uzina.people import queries as people_queries
    from uzina.people.rules import RoleKind

    for role, kind in (("reviewer", RoleKind.REVIEWER), ("panel", RoleKind.PANEL)):
        people[role] = registered(role, kind, now)
    call = ranked_call(people["operator"], now)
    return {
        **reviewed(people, call, org, now),
        **decided(people, call, org, now),
        **awarded(people, org, now),
        **challenged(people, org, now),
        "ranked": call.slug,
        "capacity": Call.objects.get(slug="playground").capacities.get().code,
        "wish": people_queries.unsubscribe_token(people["lead"], "calls.receipt"),
    }


def registered(name: str, kind: Any, now: Any) -> Any:
    """Register somebody from elsewhere with a role."""
    from uzina.people import actions

    person = actions.register(
        email=f"{name}@elsewhere.example",
        name=name.title(),
        password="a long password",
        language="en",
        now=now,
    )
    actions.appoint(person, kind=kind, by=None, now=now)
    return person


def ranked_call(operator: Any, now: Any) -> Any:
    """Publish a Large Scale call with a cut-off tomorrow."""
    from uzina.calls import actions
    from uzina.calls.rules.clock import Window

    facts = actions.CallFacts(
        mode="large-scale",
        slug="large-scale",
        title_en="Large Scale",
        title_ro="Large Scale",
        opens_at=now - timedelta(days=2),
        cut_offs=(Window(now - timedelta(days=2), now + timedelta(days=1)),),
        capacities=(
            actions.CapacityFacts("Booster", 1_000_000),
            actions.CapacityFacts("Other", 1_000_000),
        ),
    )
    return actions.publish(actions.create_call(facts, by=operator, now=now), by=operator, now=now)


def application_at(call: Any, org: Any, lead: Any, kind: Any, now: Any) -> Any:
    """Hand in an application and take it to a step."""
    from uzina.calls.actions import steps
    from uzina.calls.models import Application, SavedSection

    application = Application.objects.create(
        call=call,
        cut_off=call.cut_offs.first(),
        applicant=lead,
        organisation=org,
        state="eligible",
        title="A language model",
        months=6,
        gpu_ms=60_000 * HOUR_MS,
        partition="Booster",
        made_at=now,
        submitted_at=now - timedelta(hours=1),
        due_at=now + timedelta(days=10),
    )
    for slug, filled in answers.sections(
        name=lead.name, email=lead.email, gpu_hours=60_000
    ).items():
        SavedSection.objects.create(
            application=application, slug=slug, answers=filled, version=1, saved_at=now
        )
    steps.begin(application, now=now)
    for spec in call.mode.steps:
        if spec.kind == kind:
            break
        steps.finish(application, spec.kind, outcome="passed", by=None, now=now)
    return application


def reviewed(people: dict[str, Any], call: Any, org: Any, now: Any) -> dict[str, Any]:
    """Make an application under review, one to be ranked, and one that is asked and replies."""
    from uzina.calls import actions
    from uzina.calls.models import Call, Consensus, PanelSeat, Review, Reviewer
    from uzina.calls.rules.steps import StepKind
    from uzina.people.rules import RoleKind

    lead, reviewer, operator = people["lead"], people["reviewer"], people["operator"]
    scoring, cut_off = call.mode.scoring, call.cut_offs.first()
    experts = [
        registered(f"expert{number}", RoleKind.REVIEWER, now) for number in range(scoring.reviewers)
    ]
    for person in (reviewer, *experts):
        Reviewer.objects.create(person=person, topics=[], languages=["en", "ro"], made_at=now)
    PanelSeat.objects.create(call=call, person=people["panel"], is_chair=True, made_at=now)
    scores = {one.key: scoring.most for one in scoring.criteria}
    given = {
        "reviewer": reviewer,
        "assigned_at": now,
        "due_at": now + timedelta(days=5),
        "scores": scores,
    }
    submitted = {
        "state": "submitted",
        "score_milli": scoring.most * 1000,
        "submitted_at": now,
        "comment": "Good.",
        **given,
    }
    ranked = application_at(call, org, lead, StepKind.RANKING, now)
    Review.objects.create(application=ranked, **submitted)
    Consensus.objects.create(
        application=ranked,
        scores=scores,
        score_milli=scoring.most * 1000,
        made_by=people["panel"],
        made_at=now,
    )
    ranking = actions.draft_ranking(call, cut_off=cut_off, held_back={}, by=operator, now=now)
    # The others come after: all that are there are ranked together.
    judged = application_at(call, org, lead, StepKind.PEER_REVIEW, now)
    replying = application_at(call, org, lead, StepKind.RIGHT_TO_REPLY, now)
    asked = application_at(call, org, lead, StepKind.TECHNICAL_ASSESSMENT, now)
    review = Review.objects.create(application=judged, state="accepted", **given)
    Review.objects.create(application=replying, **submitted)
    plan = actions.plan_assignment(call, cut_off=cut_off, seed=1, by=operator, now=now)
    question = actions.ask(asked, text="Which licence has it?", by=people["assessor"], now=now)
    return {
        "judged": judged.code,
        "replying": replying.code,
        "ranked_application": ranked.code,
        "asked": asked.code,
        "review": review.code,
        "reviewer": reviewer.code,
        "panellist": people["panel"].code,
        "plan": plan.code,
        "question": question.code,
        "question_code": question.code,
        "application": ranked.code,
        "mode": "playground",
        "version": Call.objects.get(slug="playground").mode.version,
        "ranking": ranking.code,
    }


def decided(people: dict[str, Any], call: Any, org: Any, now: Any) -> dict[str, Any]:
    """Make an application that was declined, its letter and its appeal; and a draft's document."""
    from django.core.files.base import ContentFile

    from uzina.calls import actions
    from uzina.calls.actions import steps
    from uzina.calls.models import Decision, Document, Letter
    from uzina.calls.rules.steps import StepKind

    lead = people["lead"]
    declined = application_at(call, org, lead, StepKind.DECISION, now)
    Decision.objects.create(
        application=declined, outcome="decline", rule="ranking", made_at=now, released_at=now
    )
    type(declined).objects.filter(pk=declined.pk).update(state="declined", ended_at=now)
    declined.refresh_from_db()
    steps.finish(declined, StepKind.DECISION, outcome="decline", by=None, now=now)
    steps.stop(declined, now=now, keep=StepKind.APPEAL)
    pdf = b"%PDF-1.7\n"
    sha256 = hashlib.sha256(pdf).hexdigest()
    letter = Letter.objects.create(
        application=declined,
        kind="decline",
        language="en",
        verifier="DOORS23456789ABCDEFGHJKM",
        sha256=sha256,
        pdf=pdf,
        issued_at=now,
    )
    appeal = actions.file_appeal(declined, grounds="The ask was justified.", by=lead, now=now)
    draft = actions.start(call, organisation=org, by=lead, now=now)
    document = Document(
        application=draft,
        slug="work_plan",
        name="plan.pdf",
        media_type="application/pdf",
        size=len(pdf),
        sha256=sha256,
        sent_by=lead,
        sent_at=now,
    )
    document.file.save("doors", ContentFile(pdf), save=True)
    return {
        "declined": declined.code,
        "letter": letter.code,
        "verifier": letter.verifier,
        "appeal": appeal.code,
        "document": document.code,
    }


def awarded(people: dict[str, Any], org: Any, now: Any) -> dict[str, Any]:
    """Make an award that was accepted, an amendment asked for, aid, and a look at its use."""
    from uzina.calls import actions
    from uzina.calls.models import Aid, Amendment, Award, Call
    from uzina.people.models import Message
    from uzina.programme.models import UseCheck

    lead = people["lead"]
    call = Call.objects.get(slug="playground")
    application = actions.start(call, organisation=org, by=lead, now=now)
    for slug, filled in answers.sections(name=lead.name, email=lead.email, gpu_hours=100).items():
        actions.save_section(application, section=slug, answers=filled, version=0, by=lead, now=now)
    actions.submit(application, by=lead, now=now)
    actions.assess(
        application,
        is_fitting=True,
        is_ready=True,
        is_justified=True,
        recommended_gpu_hours=100,
        comment="",
        note="",
        by=people["assessor"],
        now=now,
    )
    award = actions.accept(Award.objects.get(application=application), by=lead, now=now)
    amendment = Amendment.objects.create(
        award=award, kind="early_end", reason="Done.", asked_by=lead, asked_at=now
    )
    aid = Aid.objects.create(
        organisation=org,
        title="A voucher",
        member_state="RO",
        basis="de_minimis",
        granted_on=now.date(),
        value_eur_cents=100,
        aid_eur_cents=100,
        noted_by=lead,
        noted_at=now,
    )
    check = UseCheck.objects.create(
        award=award,
        month=now.date().replace(day=1),
        expected_gpu_ms=HOUR_MS,
        used_gpu_ms=0,
        share_percent=0,
        made_at=now,
        asked_at=now,
    )
    message = Message.objects.create(
        to=lead,
        kind="calls.receipt",
        about=application.code,
        key="doors",
        language="en",
        subject="Received",
        body="Received.",
        made_at=now,
        send_after=now,
    )
    return {
        "accepted": award.code,
        "awarded_project": award.project.code,
        "amendment": amendment.code,
        "aid": aid.code,
        "check": str(check.pk),
        "message": message.code,
    }


def challenged(people: dict[str, Any], org: Any, now: Any) -> dict[str, Any]:
    """Make a grand challenge with an entry, and an expression of interest."""
    from uzina.calls import actions
    from uzina.calls.rules.steps import StepKind

    lead, operator = people["lead"], people["operator"]
    made = {}
    for mode, slug in (("grand-challenge", "challenge"), ("expression-of-interest", "interest")):
        facts = actions.CallFacts(
            mode=mode,
            slug=slug,
            title_en=slug,
            title_ro=slug,
            opens_at=now - timedelta(days=1),
            closes_at=now + timedelta(days=60),
            budget_gpu_hours=10_000 if slug == "challenge" else 0,
        )
        call = actions.create_call(facts, by=operator, now=now)
        call = actions.publish(call, by=operator, now=now)
        if slug == "challenge":
            actions.set_challenge(
                call,
                actions.ChallengeFacts(
                    metric="accuracy",
                    prizes=[1000],
                    entries_per_day=3,
                    closes_at=now + timedelta(days=30),
                ),
                truth=TRUTH,
                by=operator,
                now=now,
            )
        made[slug] = application_at(call, org, lead, StepKind.DECISION, now)
    entry = actions.send_entry(
        made["challenge"], content=b"id,prediction\na,1\nb,2\n", note="", by=lead, now=now
    )
    return {
        "challenge": "challenge",
        "interest": "interest",
        "entrant": made["challenge"].code,
        "interested": made["interest"].code,
        "entry": entry.code,
    }
