import json
import threading
import uuid

import pytest
from django.db import connections
from django.http import HttpResponse, JsonResponse
from django.test import RequestFactory

from uzina.core.db import acting
from uzina.core.idempotency import IdempotencyMiddleware, keyed
from uzina.core.log import log
from uzina.core.models import KeptReply, LogEntry
from uzina.core.tests import NOW


@keyed
def work(request):
    with acting():
        log("thing.done", "A", by=None, now=NOW)
    return JsonResponse({"receipt": uuid.uuid4().hex}, status=201)


@keyed
def refuse(request):
    with acting():
        log("thing.done", "A", by=None, now=NOW)
    return JsonResponse({"code": "thing.do.no"}, status=409)


def post(view, key="k", body="{}", path="/api/v1/things"):
    headers = {"Idempotency-Key": key} if key else {}
    request = RequestFactory().post(
        path, data=body, content_type="application/json", headers=headers
    )
    return IdempotencyMiddleware(view)(request)


@pytest.mark.django_db
def test_a_repeated_request_gets_the_first_reply_and_happens_once():
    first, second = post(work), post(work)
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert second["Idempotent-Replayed"] == "true"
    assert LogEntry.objects.count() == 1


@pytest.mark.django_db
def test_the_same_key_with_another_body_is_told_so():
    post(work)
    answer = post(work, body='{"more": 1}')
    assert answer.status_code == 422
    assert json.loads(answer.content)["code"] == "request.key.reused"
    assert LogEntry.objects.count() == 1


@pytest.mark.django_db
def test_a_refusal_leaves_no_trace_and_the_key_may_be_used_again():
    assert post(refuse).status_code == 409
    assert not LogEntry.objects.exists()
    assert not KeptReply.objects.exists()
    assert post(work).status_code == 201


@pytest.mark.django_db
def test_an_error_of_ours_keeps_nothing():
    @keyed
    def fail(request):
        with acting():
            log("thing.done", "A", by=None, now=NOW)
        return HttpResponse(status=500)

    assert post(fail).status_code == 500
    assert not LogEntry.objects.exists()
    assert not KeptReply.objects.exists()


@pytest.mark.django_db
def test_of_an_endpoint_that_is_not_marked_no_reply_is_kept():
    def secret(request):
        return JsonResponse({"secret": "uz_hush"}, status=201)

    assert post(secret).status_code == 201
    assert not KeptReply.objects.exists()


@pytest.mark.django_db
def test_another_caller_may_use_the_same_key():
    post(work)
    request = RequestFactory().post(
        "/api/v1/things", headers={"Idempotency-Key": "k", "Authorization": "Bearer other"}
    )
    assert IdempotencyMiddleware(work)(request).status_code == 201
    assert LogEntry.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["x" * 256, "a\x01b"])
def test_a_key_that_cannot_be_kept_is_told_so(key):
    answer = post(work, key=key)
    assert answer.status_code == 400
    assert not LogEntry.objects.exists()


def test_a_marked_endpoint_without_a_key_says_what_to_send():
    answer = work(RequestFactory().post("/api/v1/things"))
    assert answer.status_code == 400
    assert json.loads(answer.content)["code"] == "request.key.missing"


@pytest.mark.django_db(transaction=True)
def test_the_same_request_sent_many_times_at_once_happens_once():
    answers = []

    def send():
        try:
            answers.append(post(work).content)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1
    assert LogEntry.objects.count() == 1
