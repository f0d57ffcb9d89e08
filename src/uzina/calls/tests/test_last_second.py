"""Two hundred applications handed in at once, over HTTP, around the moment of the cut-off."""

import http.client
import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.utils import timezone

from uzina.calls import actions
from uzina.calls.models import Application, SavedSection, Step
from uzina.calls.tests.conftest import fill, make_call
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people import actions as people

MANY = 200
AT_ONCE = 8
CLOSES = NOW + timedelta(days=1)
TICK = timedelta(microseconds=1)


class Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, *_args):
        pass


class Server(ThreadingMixIn, WSGIServer):
    """Takes every connection at once and works on a few at a time, as a real server does."""

    request_queue_size = MANY + 10
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Quiet)
        self.set_app(self.answer)
        self.site = get_wsgi_application()
        self.pool = ThreadPoolExecutor(AT_ONCE)

    def answer(self, environ, start_response):
        try:
            response = self.site(environ, start_response)
            pieces = list(response)
            response.close()
        finally:
            connections.close_all()
        return pieces

    def process_request(self, request, client_address):
        self.pool.submit(self.process_request_thread, request, client_address)


@pytest.fixture
def server(transactional_db):
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.pool.shutdown()
    made.server_close()


def drafts_of(call, org, ana):
    """Return the codes of so many complete drafts: one is filled in, the others are its twins."""
    first = actions.start(call, organisation=org, by=ana, now=NOW)
    fill(first, by=ana)
    twins = Application.objects.bulk_create(
        Application(call=call, organisation=org, applicant=ana, title=first.title, made_at=NOW)
        for _number in range(MANY - 1)
    )
    SavedSection.objects.bulk_create(
        SavedSection(application=twin, slug=one.slug, answers=one.answers, version=1, saved_at=NOW)
        for twin in twins
        for one in first.sections.all()
    )
    return [first.code, *(twin.code for twin in twins)]


def test_each_of_two_hundred_at_the_last_second_is_in_or_out_and_told_so(
    server, operator, org, ana, monkeypatch
):
    call = make_call(operator, opens_at=NOW - timedelta(days=1), closes_at=CLOSES)
    codes = drafts_of(call, org, ana)
    issued = people.issue_token(
        ana, name="load", lifetime=timedelta(days=1), by=ana, now=timezone.now()
    )
    headers = {"Authorization": f"Bearer {issued.secret}", "Host": "localhost"}
    instants = itertools.cycle([CLOSES - TICK, CLOSES])
    monkeypatch.setattr("uzina.calls.api.applications.now", lambda: next(instants))
    arrived = {}
    submit = actions.submit

    def noted(application, *, by, now):
        assert application.code not in arrived
        arrived[application.code] = now
        return submit(application, by=by, now=now)

    monkeypatch.setattr(actions, "submit", noted)
    gate = threading.Barrier(MANY)
    told = {}

    def hand_in(code):
        wire = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=240)
        wire.connect()
        gate.wait()
        wire.request("POST", f"/api/v1/calls/applications/{code}/submit", headers=headers)
        answer = wire.getresponse()
        told[code] = (answer.status, json.loads(answer.read()))
        wire.close()

    threads = [threading.Thread(target=hand_in, args=(code,)) for code in codes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(told) == MANY
    inside = {code for code, (status, _body) in told.items() if status == 200}
    outside = {
        code
        for code, (status, body) in told.items()
        if (status, body.get("code")) == (409, "application.submit.closed")
    }
    assert inside | outside == set(codes), [
        body for code, (_status, body) in told.items() if code not in inside | outside
    ]
    assert inside == {code for code, at in arrived.items() if at < CLOSES}
    assert outside == {code for code, at in arrived.items() if at >= CLOSES}
    assert inside
    assert outside

    for application in Application.objects.prefetch_related("steps"):
        steps = list(application.steps.all())
        if application.code in inside:
            assert told[application.code][1]["state"] == application.state == "eligible"
            assert application.submitted_at == CLOSES - TICK
            assert application.verdict["qualifies"] is True
            assert application.due_at is not None
            assert [step.kind for step in steps if step.state == "open"] == ["technical_assessment"]
        else:
            assert (application.state, application.submitted_at) == ("draft", None)
            assert (application.verdict, steps) == ({}, [])
    submitted = LogEntry.objects.filter(event="application.submitted")
    assert sorted(submitted.values_list("subject", flat=True)) == sorted(inside)
    assert Step.objects.values("application").distinct().count() == len(inside)
