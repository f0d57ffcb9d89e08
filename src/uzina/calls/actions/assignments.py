"""Who reviews what: planned by optimum and adopted, or by hand."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from uzina.calls import queries
from uzina.calls.actions import conflicts, review_news
from uzina.calls.models import Application, AssignmentPlan, Call, CutOff, Review
from uzina.calls.rules import assignment, reviews
from uzina.calls.rules.flows import REVIEW, ReviewState
from uzina.calls.rules.steps import StepKind
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import access as people_access
from uzina.people.models import Person

TIME_TO_REVIEW = timedelta(days=14)
"""How long a review may take in a mode that sets no target for peer review."""


def _check_operator(by: Person, verb: str) -> None:
    if not people_access.is_operator(by):
        raise NotAllowed(f"assignment.{verb}.not_operator", _("Only an operator can do this."))


def plan_assignment(
    call: Call, *, cut_off: CutOff | None, seed: int, by: Person, now: datetime
) -> AssignmentPlan:
    """Find the best assignment for what is in peer review, and keep it to look at. Nobody is asked.

    Conflicts are looked for again first. The solver runs outside any transaction; the plan is
    kept with its inputs, so that it can be found again. Raises NotAllowed
    assignment.plan.not_operator, Refused assignment.plan.nothing, .cannot, .no_answer.
    """
    _check_operator(by, "plan")
    conflicts.screen_call(call, now=now)
    rows = list(queries.in_peer_review(call, cut_off))
    problem = queries.assignment_problem(call, rows, seed=seed)
    if not any(one.need for one in problem.papers):
        raise Refused(
            "assignment.plan.nothing", _("Every application in peer review has its reviewers.")
        )
    found = assignment.solve(problem)
    return _keep(call, cut_off, problem, found, by=by, now=now)


@action
def _keep(
    call: Call,
    cut_off: CutOff | None,
    problem: assignment.Problem,
    found: assignment.Plan,
    *,
    by: Person,
    now: datetime,
) -> AssignmentPlan:
    kept: AssignmentPlan = AssignmentPlan.objects.create(
        call=call,
        cut_off=cut_off,
        inputs=problem.kept(),
        result=found.kept(),
        made_by=by,
        made_at=now,
    )
    log(
        "assignment.planned",
        kept.code,
        by=by,
        now=now,
        call=call.code,
        pairs=len(found.pairs),
        objective=found.objective,
        seed=problem.seed,
    )
    return kept


@action
def adopt_assignment(plan: AssignmentPlan, *, by: Person, now: datetime) -> list[Review]:
    """Ask everybody for the reviews of a plan. Adopting it again returns the same reviews.

    Raises NotAllowed assignment.adopt.not_operator, Refused assignment.adopt.outdated where
    somebody's conflict, load or answer has changed what may be since it was made.
    """
    _check_operator(by, "adopt")
    call = Call.objects.select_for_update(of=("self",)).get(pk=plan.call_id)
    plan = AssignmentPlan.objects.select_for_update(of=("self",)).get(pk=plan.pk)
    pairs = [(one["paper"], one["referee"]) for one in plan.result["pairs"]]
    if plan.adopted_at is not None:
        return list(Review.objects.filter(application__code__in={one for one, _who in pairs}))
    conflicts.screen_call(call, now=now)
    rows = {one.code: one for one in queries.in_peer_review(call, plan.cut_off)}
    problem = queries.assignment_problem(call, list(rows.values()), seed=1)
    _check_fits(problem, pairs)

    people = {one.person.code: one.person for one in queries.pool(call)}
    due = _due_dates(list(rows.values()), now)
    made = [
        Review(
            application=rows[paper],
            reviewer=people[referee],
            assigned_at=now,
            due_at=due[rows[paper].pk],
        )
        for paper, referee in pairs
    ]
    for review in made:
        review.save()
    plan.adopted_at = now
    plan.save(update_fields=["adopted_at"])
    log("assignment.adopted", plan.code, by=by, now=now, call=call.code, reviews=len(made))
    review_news.asked(made, now=now)
    return made


def _check_fits(problem: assignment.Problem, pairs: Sequence[tuple[str, str]]) -> None:
    """Raise Refused assignment.adopt.outdated unless every pair may still be."""
    needs = {one.code: one.need for one in problem.papers}
    room = {one.code: one.most - one.load for one in problem.referees}
    for paper, referee in pairs:
        needs[paper] = needs.get(paper, 0) - 1
        room[referee] = room.get(referee, 0) - 1
        if (paper, referee) in problem.barred or needs[paper] < 0 or room[referee] < 0:
            raise Refused(
                "assignment.adopt.outdated",
                _("Something has changed since this plan was made. Make it again and adopt that."),
            )


def _due_dates(applications: Sequence[Application], now: datetime) -> dict[int, datetime]:
    """Return by when reviews are due: when peer review is, by application. One query."""
    due = queries.due_dates(applications, StepKind.PEER_REVIEW)
    return {one.pk: due.get(one.pk) or now + TIME_TO_REVIEW for one in applications}


@action
def assign_review(
    application: Application, reviewer: Person, *, by: Person, now: datetime
) -> Review:
    """Ask one reviewer for one review, by hand. Their limit of load does not hold here.

    Asking somebody who has the review already returns it. Raises NotAllowed
    assignment.assign.not_operator, Refused assignment.assign.not_now, .not_in_pool, .conflict.
    """
    _check_operator(by, "assign")
    call = Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    application = Application.objects.select_related("call").get(pk=application.pk)
    application.call = call
    step = queries.step_under_way(application)
    if step is None or step.kind != StepKind.PEER_REVIEW:
        raise Refused(
            "assignment.assign.not_now",
            _("{application} is not in peer review now."),
            application=application.code,
        )
    if not queries.pool(call).filter(person=reviewer).exists():
        raise Refused(
            "assignment.assign.not_in_pool",
            _("{name} is not among the reviewers of this call."),
            name=reviewer.name,
        )
    conflicts.screen(application, now=now)
    if queries.has_conflict(reviewer, application):
        raise Refused(
            "assignment.assign.conflict",
            _("{name} has a conflict of interest with {application}. Choose somebody else."),
            name=reviewer.name,
            application=application.code,
        )
    review = Review.objects.filter(application=application, reviewer=reviewer).first()
    if review is not None and review.state in reviews.LIVE:
        return review  # type: ignore[no-any-return]

    if review is None:
        review = Review(application=application, reviewer=reviewer)
    else:
        review.state = REVIEW.after("assign_again", review.state)
        review.answered_at, review.refused_reason, review.reminders = None, "", 0
        review.submitted_at, review.score_milli = None, None
    review.is_by_hand, review.assigned_at = True, now
    review.due_at = _due_dates([application], now)[application.pk]
    review.save()
    log(
        "review.assigned",
        review.code,
        by=by,
        now=now,
        application=application.code,
        reviewer=reviewer.code,
    )
    review_news.asked([review], now=now)
    return review


@action
def unassign_review(review: Review, *, by: Person, now: datetime) -> Review:
    """Take a review back that is not handed in yet; the reviewer is told.

    Raises NotAllowed assignment.unassign.not_operator, Refused review.replace.not_now.
    """
    _check_operator(by, "unassign")
    Call.objects.select_for_update(of=("self",)).get(pk=review.application.call_id)
    review = (
        Review.objects.select_for_update(of=("self",))
        .select_related("application__call", "reviewer")
        .get(pk=review.pk)
    )
    review.state = REVIEW.after("replace", review.state)

    review.save(update_fields=["state"])
    log("review.replaced", review.code, by=by, now=now, application=review.application.code)
    review_news.taken_back(review, now=now)
    return review


@action
def replace_review(review: Review, reviewer: Person, *, by: Person, now: datetime) -> Review:
    """Take a review back, unless its reviewer declined, and ask somebody else. Return the new one.

    Raises what unassign_review and assign_review raise, Invalid for the same person.
    """
    _check_operator(by, "assign")
    if reviewer.pk == review.reviewer_id:
        raise Invalid(
            [
                Problem(
                    "reviewer",
                    "assignment.replace.same",
                    _("Choose somebody else for this review."),
                )
            ]
        )
    Call.objects.select_for_update(of=("self",)).get(pk=review.application.call_id)
    review = Review.objects.select_related("application", "reviewer").get(pk=review.pk)
    if review.state not in {ReviewState.REFUSED, ReviewState.REPLACED}:
        unassign_review(review, by=by, now=now)
    return assign_review(review.application, reviewer, by=by, now=now)
