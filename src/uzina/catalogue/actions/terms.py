"""Usage policies offered; access asked for, answered, used, and over."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from uzina.catalogue import access, queries, rules
from uzina.catalogue.actions import fragments, terms_news
from uzina.catalogue.models import AccessRequest, Dataset, Policy
from uzina.catalogue.rules import odrl
from uzina.catalogue.rules.terms import AccessState
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import access as people_access
from uzina.people.models import Person, Project

BY_ITSELF = _("The holder's policy lets in who fits it, and this request does.")
PROJECT_CLOSED = _("The project was closed.")
TIME_OVER = _("The time it was granted for is over.")


@action
def offer_policy(
    dataset: Dataset,
    *,
    terms: odrl.Terms,
    is_automatic: bool,
    shows_sample: bool,
    by: Person,
    now: datetime,
) -> Policy:
    """Say what may be done with the data. The newest policy counts for requests from now on;
    permissions that were given keep the one they were given under. The same again changes nothing.

    Raises Invalid with every mistake, NotAllowed policy.offer.not_yours,
    Refused policy.offer.withdrawn.
    """
    odrl.check(terms)
    dataset = _locked_dataset(dataset)
    if not access.may_decide_access(by, dataset):
        raise NotAllowed(
            "policy.offer.not_yours",
            _("Only the holder of {dataset}, or the lead of its project, says who may use it."),
            dataset=dataset.slug,
        )
    if dataset.state is rules.DatasetState.WITHDRAWN:
        raise Refused(
            "policy.offer.withdrawn",
            _("{dataset} was withdrawn: nobody is let in any more."),
            dataset=dataset.slug,
        )
    last = queries.policy_of(dataset)
    number = last.number + 1 if last else 1
    if last is not None and (last.is_automatic, last.shows_sample) == (is_automatic, shows_sample):
        same = odrl.build(terms, uid=_uid(dataset, last.number))
        if same == last.offer:
            return last

    policy: Policy = Policy.objects.create(
        dataset=dataset,
        number=number,
        offer=odrl.build(terms, uid=_uid(dataset, number)),
        is_automatic=is_automatic,
        shows_sample=shows_sample,
        offered_by=by,
        offered_at=now,
    )
    dataset.changed_at = now
    dataset.save(update_fields=["changed_at"])
    fragments.refresh(dataset, now=now)
    log("policy.offered", dataset.slug, by=by, now=now, number=number, is_automatic=is_automatic)
    return policy


def _uid(dataset: Dataset, number: int) -> str:
    return f"urn:uzina:policy:{dataset.slug}:{number}"


@action
def ask_access(
    dataset: Dataset,
    *,
    project: Project,
    purpose: str,
    why: str,
    legal_basis: str,
    place: str,
    until: datetime,
    by: Person,
    now: datetime,
) -> AccessRequest:
    """Ask the holder to let a project in. A policy that answers by itself may grant it at once.

    Raises Invalid with every mistake, NotAllowed access.ask.not_a_member, Refused
    access.ask.not_needed, access.ask.not_published, access.ask.own, access.ask.project_closed,
    access.ask.waiting.
    """
    dataset = _locked_dataset(dataset)
    given = {
        "purpose": purpose,
        "why": why,
        "legal_basis": legal_basis,
        "place": place,
        "until": until,
    }
    needs_basis = queries.has_personal_data(dataset)
    if problems := rules.request_problems(given, needs_basis=needs_basis, now=now):
        raise Invalid(problems)
    if not people_access.is_member(by, project):
        raise NotAllowed(
            "access.ask.not_a_member",
            _("Only members of {project} can ask for it."),
            project=project.code,
        )
    _check_can_ask(dataset, project, now=now)

    policy = queries.policy_of(dataset)
    request = AccessRequest(
        dataset=dataset,
        policy=policy,
        project=project,
        person=by,
        purpose=purpose,
        why=why.strip(),
        legal_basis=legal_basis.strip(),
        place=place,
        until=until,
        asked_at=now,
    )
    try:
        with transaction.atomic():
            request.save()
    except IntegrityError as race:
        raise _waiting(dataset, project) from race
    log(
        "access.asked",
        request.code,
        by=by,
        now=now,
        dataset=dataset.slug,
        project=project.code,
        purpose=purpose,
        until=until.isoformat(),
    )
    is_fit = policy is not None and not queries.failures(policy, request, now=now)
    if policy is not None and policy.is_automatic and is_fit:
        return let_in(request, policy=policy, until=until, reason=BY_ITSELF, by=None, now=now)
    terms_news.tell_asked(request, now=now)
    return request


def _check_can_ask(dataset: Dataset, project: Project, *, now: datetime) -> None:
    if dataset.state is not rules.DatasetState.PUBLISHED:
        raise Refused(
            "access.ask.not_published",
            _("{dataset} is not published, so there is nothing to ask for yet."),
            dataset=dataset.slug,
        )
    if dataset.access_right is rules.AccessRight.PUBLIC:
        raise Refused(
            "access.ask.not_needed",
            _("{dataset} is public: everybody may use it under its licence."),
            dataset=dataset.slug,
        )
    if dataset.project_id == project.pk:
        raise Refused(
            "access.ask.own",
            _("{dataset} is the project's own: its members may use it already."),
            dataset=dataset.slug,
        )
    if project.state != "active":
        raise Refused(
            "access.ask.project_closed",
            _("{project} is closing or closed and takes no new data."),
            project=project.code,
        )
    if AccessRequest.objects.filter(
        dataset=dataset, project=project, state=AccessState.ASKED
    ).exists():
        raise _waiting(dataset, project)
    del now


def _waiting(dataset: Dataset, project: Project) -> Refused:
    return Refused(
        "access.ask.waiting",
        _("{project} has asked for {dataset} already and waits for the answer."),
        project=project.code,
        dataset=dataset.slug,
    )


@action
def grant_access(
    request: AccessRequest, *, until: datetime, reason: str, by: Person, now: datetime
) -> AccessRequest:
    """Let the project in, until an instant no later than it asked for.

    Raises NotAllowed access.grant.not_yours, Refused access.grant.not_now,
    access.grant.against_policy, Invalid.
    """
    request = _locked(request)
    _check_decides(request, "grant", by)
    rules.ACCESS.after("grant", request.state)
    problems = rules.text_problems("reason", reason, longest=rules.LONGEST_WHY, is_needed=False)
    if not now < until <= request.until:
        problems.append(
            Problem(
                "until",
                "access.grant.until",
                _("Grant it until a time after now, and no later than was asked for."),
            )
        )
    if problems:
        raise Invalid(problems)
    policy = queries.policy_of(request.dataset)
    request.until = until
    if policy is not None and (failed := queries.failures(policy, request, now=now)):
        raise Refused(
            "access.grant.against_policy",
            _("The policy of {dataset} does not allow this: {why} Offer another policy first."),
            dataset=request.dataset.slug,
            why=" ".join(str(one) for one in failed),
        )
    return let_in(request, policy=policy, until=until, reason=reason.strip(), by=by, now=now)


def let_in(
    request: AccessRequest,
    *,
    policy: Policy | None,
    until: datetime,
    reason: str,
    by: Person | None,
    now: datetime,
) -> AccessRequest:
    """Grant a request, within an action that has asked whether it may be granted."""
    request.state = rules.ACCESS.after("grant", request.state)
    request.policy, request.until, request.reason = policy, until, reason
    request.decided_by, request.decided_at = by, now
    request.save()
    log(
        "access.granted",
        request.code,
        by=by,
        now=now,
        until=until.isoformat(),
        policy=policy.number if policy else 0,
        **_facts(request),
    )
    terms_news.tell_decided(request, now=now)
    return request


@action
def refuse_access(
    request: AccessRequest, *, reason: str, by: Person, now: datetime
) -> AccessRequest:
    """Do not let the project in, and say why.

    Raises NotAllowed access.refuse.not_yours, Refused access.refuse.not_now, Invalid.
    """
    request = _locked(request)
    _check_decides(request, "refuse", by)
    state = rules.ACCESS.after("refuse", request.state)
    reason = _checked_reason(reason)

    request.state, request.reason = state, reason
    request.decided_by, request.decided_at = by, now
    request.save()
    log("access.refused", request.code, by=by, now=now, **_facts(request))
    terms_news.tell_decided(request, now=now)
    return request


@action
def withdraw_access(request: AccessRequest, *, by: Person, now: datetime) -> AccessRequest:
    """Take a question back before it is answered.

    Raises NotAllowed access.withdraw.not_asker, Refused access.withdraw.not_now.
    """
    request = _locked(request)
    _check_speaks(request, "withdraw", by)
    return _withdraw(request, reason="", by=by, now=now)


def _withdraw(
    request: AccessRequest, *, reason: str, by: Person | None, now: datetime
) -> AccessRequest:
    request.state = rules.ACCESS.after("withdraw", request.state)
    request.ended_at, request.end_reason = now, reason
    request.save(update_fields=["state", "ended_at", "end_reason"])
    log("access.withdrawn", request.code, by=by, now=now, **_facts(request))
    terms_news.tell_over(request, now=now)
    return request


def drop(request: AccessRequest, *, now: datetime) -> None:
    """End a request whose asker has gone, within an action: withdrawn, or given back."""
    request = _locked(request)
    if request.state is AccessState.ASKED:
        _withdraw(request, reason="", by=None, now=now)
    elif request.state is AccessState.GRANTED:
        _end(request, reason="", by=None, now=now)


@action
def revoke_access(
    request: AccessRequest, *, reason: str, by: Person, now: datetime
) -> AccessRequest:
    """Take a permission back, and say why. No new job may use the data; who runs one is told.

    Raises NotAllowed access.revoke.not_yours, Refused access.revoke.not_now, Invalid.
    """
    request = _locked(request)
    if not access.may_revoke_access(by, request.dataset):
        raise _not_yours("revoke", request)
    state = rules.ACCESS.after("revoke", request.state)
    reason = _checked_reason(reason)

    request.state, request.ended_at, request.end_reason = state, now, reason
    request.save(update_fields=["state", "ended_at", "end_reason"])
    log("access.revoked", request.code, by=by, now=now, **_facts(request))
    terms_news.tell_over(request, now=now)
    return request


@action
def end_access(request: AccessRequest, *, by: Person, now: datetime) -> AccessRequest:
    """Give a permission back before its time is over.

    Raises NotAllowed access.end.not_asker, Refused access.end.not_now.
    """
    request = _locked(request)
    _check_speaks(request, "end", by)
    return _end(request, reason="", by=by, now=now)


def _end(request: AccessRequest, *, reason: str, by: Person | None, now: datetime) -> AccessRequest:
    request.state = rules.ACCESS.after("end", request.state)
    request.ended_at, request.end_reason = now, reason
    request.save(update_fields=["state", "ended_at", "end_reason"])
    log("access.ended", request.code, by=by, now=now, **_facts(request))
    terms_news.tell_over(request, now=now)
    return request


@action
def end_if_over(request: AccessRequest, *, now: datetime) -> AccessRequest:
    """End a permission whose time, or whose project, is over. Again is harmless."""
    request = _locked(request)
    is_closed = request.project is not None and request.project.state == "closed"
    if request.state is AccessState.ASKED and is_closed:
        return _withdraw(request, reason=PROJECT_CLOSED, by=None, now=now)
    if request.state is AccessState.GRANTED and (is_closed or now >= request.until):
        reason = PROJECT_CLOSED if is_closed else TIME_OVER
        return _end(request, reason=reason, by=None, now=now)
    return request


@action
def remind(request: AccessRequest, *, now: datetime) -> AccessRequest:
    """Remind whoever decides of a request that waits, after each of some numbers of days."""
    request = _locked(request)
    days = (now - request.asked_at) // timedelta(days=1)
    due = sum(days >= after for after in rules.REMIND_AFTER_DAYS)
    if request.state is AccessState.ASKED and due > request.reminders:
        request.reminders = due
        request.save(update_fields=["reminders"])
        log("access.reminded", request.code, by=None, now=now, days=days)
        terms_news.tell_waiting(request, days=days, now=now)
    return request


@action
def warn_of_end(request: AccessRequest, *, now: datetime) -> AccessRequest:
    """Tell who uses a permission, once, that it ends within days."""
    request = _locked(request)
    is_near = request.until - rules.WARN_BEFORE <= now < request.until
    if request.state is AccessState.GRANTED and request.warned_at is None and is_near:
        request.warned_at = now
        request.save(update_fields=["warned_at"])
        log("access.warned", request.code, by=None, now=now)
        terms_news.tell_ends(request, now=now)
    return request


def watch_access(*, now: datetime) -> None:
    """End what is over, remind of what waits, warn of what ends soon: each by itself."""
    for request in [*queries.ending(before=now), *queries.of_closed_projects()]:
        end_if_over(request, now=now)
    first = timedelta(days=rules.REMIND_AFTER_DAYS[0])
    for request in queries.waiting(until=now - first):
        remind(request, now=now)
    for request in queries.ending(before=now + rules.WARN_BEFORE).filter(warned_at=None):
        warn_of_end(request, now=now)


@action
def note_running(code: str, *, jobs: Sequence[str], now: datetime) -> AccessRequest:
    """Note which jobs ran with the data when the permission was over. Again is harmless."""
    request = _locked(queries.request_of(code))
    fresh = sorted(set(jobs) - set(request.running_jobs))
    if fresh:
        request.running_jobs = [*request.running_jobs, *fresh]
        request.save(update_fields=["running_jobs"])
        log("access.still_running", request.code, by=None, now=now, jobs=fresh)
    return request


def _facts(request: AccessRequest) -> dict[str, str]:
    project = request.project.code if request.project is not None else ""
    return {"dataset": request.dataset.slug, "project": project}


def _checked_reason(reason: str) -> str:
    """Return the reason. Raises Invalid where there is none."""
    problems = rules.text_problems("reason", reason, longest=rules.LONGEST_WHY, is_needed=True)
    if problems:
        raise Invalid(problems)
    return reason.strip()


def _check_decides(request: AccessRequest, verb: str, by: Person) -> None:
    if not access.may_decide_access(by, request.dataset):
        raise _not_yours(verb, request)


def _not_yours(verb: str, request: AccessRequest) -> NotAllowed:
    return NotAllowed(
        f"access.{verb}.not_yours",
        _("Only the holder of {dataset}, or the lead of its project, answers {request}."),
        dataset=request.dataset.slug,
        request=request.code,
    )


def _check_speaks(request: AccessRequest, verb: str, by: Person) -> None:
    if not access.may_speak_for(by, request):
        raise NotAllowed(
            f"access.{verb}.not_asker",
            _("Only who asked, or the lead of {project}, can do this with {request}."),
            project=request.asker.code,
            request=request.code,
        )


def _locked(request: AccessRequest) -> AccessRequest:
    found: AccessRequest = queries.with_all(
        AccessRequest.objects.select_for_update(of=("self",))
    ).get(pk=request.pk)
    return found


def _locked_dataset(dataset: Dataset) -> Dataset:
    found: Dataset = (
        Dataset.objects.select_for_update(of=("self",))
        .select_related("holder", "project", "licence")
        .get(pk=dataset.pk)
    )
    return found
