"""Messages: written once, held, released, withdrawn, digested, and sent by a real SMTP server."""

import re
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.db import connection
from django.template import engines
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry, Promise
from uzina.core.promises import Worker
from uzina.core.tests import NOW
from uzina.people import actions, queries, rules, tasks
from uzina.people.models import Message
from uzina.people.rules import MessageState, Wish
from uzina.people.tests import deliver
from uzina.people.tests.smtp import sent_to, smtp_sink

TICK = timedelta(microseconds=1)
OPTIONAL = "ledger.warned"
MANDATORY = "calls.award"
KINDS = [one.name for one in rules.message_kinds()]


def write(to, key="k", kind=OPTIONAL, now=NOW, **more):
    return actions.write_message(
        to,
        kind=kind,
        facts=rules.message_kind(kind).example,
        about="PRJ-2AB3CD",
        key=key,
        now=now,
        **more,
    )


def configured(**changes):
    config = settings.UZINA
    return override_settings(UZINA=replace(config, mail=replace(config.mail, **changes)))


def state(message):
    return Message.objects.get(pk=message.pk).state


def promised():
    rows = Promise.objects.filter(task="people.send_message").order_by("pk")
    return [(row.args["message"], row.args["attempt"], row.run_at) for row in rows]


# Writing --------------------------------------------------------------------------------------


def test_a_message_is_in_the_language_of_its_reader_and_is_promised_with_it(ana):
    ana.language = "ro"
    message = write(ana, kind=MANDATORY)

    assert message.subject == "AWD-2AB3CD: vi se oferă o atribuire"
    assert message.body.startswith("Bună ziua, Ana Pop,\n")
    assert "7 decembrie 2026, 11:00 EET" in message.body
    assert "http://127.0.0.1:8000/awards/AWD-2AB3CD/" in message.body
    assert promised() == [(message.code, 0, NOW)]


def test_the_same_key_is_the_same_message_whatever_is_said_now(ana):
    first = write(ana)
    again = write(ana, kind=MANDATORY, now=NOW + timedelta(days=1))

    assert again == first
    assert (again.kind, Message.objects.count(), len(promised())) == (OPTIONAL, 1, 1)


def test_a_kind_that_nobody_declared_is_refused_and_leaves_nothing(ana):
    with pytest.raises(LookupError, match="calls.gossip"):
        actions.write_message(ana, kind="calls.gossip", facts={}, about="", key="k", now=NOW)
    assert not Message.objects.exists()
    assert not promised()


@pytest.mark.parametrize("hostile", ["a\r\nBcc: x@y.example", "a\nTo: b", "a\u2028b\x0b\x85c\x00"])
def test_nothing_typed_can_end_a_header(ana, hostile):
    example = rules.message_kind("calls.receipt").example
    facts = {**example, "application": {"code": hostile, "title": hostile}}
    ana.name = hostile
    message = actions.write_message(
        ana, kind="calls.receipt", facts=facts, about="", key="k", now=NOW
    )
    assert message.subject.isprintable()

    with smtp_sink() as sink:
        deliver()

    (taken,) = sink.taken
    assert taken["Bcc"] is None
    assert taken["To"] == ana.email
    assert taken["Subject"] == message.subject


@pytest.mark.django_db(transaction=True)
def test_written_from_eight_places_at_once_it_is_one_message(ana):
    start = threading.Barrier(8)
    codes = []

    def run():
        start.wait()
        try:
            codes.append(write(ana).code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(codes) == 8
    assert len(set(codes)) == Message.objects.count() == len(promised()) == 1


def test_what_people_typed_is_not_written_as_html(ana):
    example = rules.message_kind("calls.receipt").example
    facts = {**example, "application": {"code": "A&B", "title": "<b>R&D</b>"}}
    message = actions.write_message(
        ana, kind="calls.receipt", facts=facts, about="", key="k", now=NOW
    )
    assert message.subject == "A&B: your application is in"
    assert "“<b>R&D</b>”" in message.body


@pytest.mark.parametrize("language", ["en", "ro"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_all_it_has_to_in_both_languages(ana, kind, language):
    ana.language = language
    engine = engines["django"].engine
    before, engine.string_if_invalid = engine.string_if_invalid, "MISSING:%s"
    try:
        subject, body = actions.render(
            rules.message_kind(kind), ana, rules.message_kind(kind).example
        )
    finally:
        engine.string_if_invalid = before
    assert subject
    assert "MISSING" not in subject + body
    assert "{{" not in subject + body


@pytest.mark.parametrize("kind", KINDS)
def test_no_sentence_of_a_message_is_left_in_english(ana, kind):
    found = rules.message_kind(kind)
    english = actions.render(found, ana, found.example)
    ana.language = "ro"
    romanian = actions.render(found, ana, found.example)
    facts = str(found.example)
    same = [
        line
        for line in set("\n".join(english).splitlines()) & set("\n".join(romanian).splitlines())
        if re.search(r"[A-Za-z] ", line)
        and line.strip() not in facts
        and line.strip() != "RO AI Factory"
    ]
    assert same == []


# Holding, releasing, withdrawing --------------------------------------------------------------


def test_a_held_message_leaves_when_it_is_released_and_not_before(ana, operator):
    message = write(ana, is_held=True)
    assert (message.state, promised()) == (MessageState.HELD, [])

    actions.release_message(message, by=operator, now=NOW)
    deliver()

    assert state(message) is MessageState.SENT
    assert len(mail.outbox) == 1
    with pytest.raises(Refused) as refused:
        actions.release_message(message, by=operator, now=NOW)
    assert refused.value.code == "message.release.not_now"


def test_a_batch_is_released_together_and_what_was_withdrawn_stays(ana, stranger, operator):
    first, second = (
        write(ana, "1", batch="CAL", is_held=True),
        write(stranger, "2", batch="CAL", is_held=True),
    )
    gone = write(stranger, "3", batch="CAL", is_held=True)
    other = write(ana, "4", batch="OTHER", is_held=True)
    actions.withdraw_message(gone, reason="Wrong hours", by=operator, now=NOW)

    assert actions.release_batch("CAL", by=operator, now=NOW) == 2
    assert actions.release_batch("CAL", by=operator, now=NOW) == 0
    assert actions.release_batch("", by=operator, now=NOW) == 0

    assert {state(first), state(second)} == {MessageState.QUEUED}
    assert (state(gone), state(other)) == (MessageState.WITHDRAWN, MessageState.HELD)


def test_every_message_waits_as_long_as_the_factory_wants_and_can_be_stopped(ana, operator):
    with configured(hold_s=600):
        message = write(ana)
    assert promised() == [(message.code, 0, NOW + timedelta(seconds=600))]

    actions.withdraw_message(message, reason="Sent to the wrong team", by=operator, now=NOW)
    deliver()

    message.refresh_from_db()
    assert (message.state, message.note) == ("withdrawn", "Sent to the wrong team")
    assert mail.outbox == []


@pytest.mark.parametrize("verb", ["release_message", "withdraw_message", "send_again"])
def test_only_operators_touch_messages(ana, auditor, verb):
    message = write(ana, is_held=True)
    more = {"reason": "x"} if verb == "withdraw_message" else {}
    for person in (ana, auditor):
        with pytest.raises(NotAllowed):
            getattr(actions, verb)(message, by=person, now=NOW, **more)
    with pytest.raises(NotAllowed):
        actions.release_batch("CAL", by=ana, now=NOW)
    assert state(message) is MessageState.HELD
    assert not LogEntry.objects.filter(event__startswith="message.").exists()


@pytest.mark.parametrize(("reason", "is_taken"), [(" ", False), ("x" * 501, False), ("x", True)])
def test_a_withdrawal_says_why(ana, operator, reason, is_taken):
    message = write(ana)
    if is_taken:
        actions.withdraw_message(message, reason=reason, by=operator, now=NOW)
    else:
        with pytest.raises(Invalid):
            actions.withdraw_message(message, reason=reason, by=operator, now=NOW)
    assert (state(message) is MessageState.WITHDRAWN) is is_taken


# What people want -----------------------------------------------------------------------------


def test_who_wants_none_of_a_kind_gets_none_and_it_is_said_why(ana):
    actions.wish_for(ana, kind=OPTIONAL, wish=Wish.NEVER, by=ana, now=NOW)
    message, decision = write(ana, "1"), write(ana, "2", kind=MANDATORY)
    deliver()

    message.refresh_from_db()
    assert (message.state, message.note) == ("withdrawn", rules.NOT_WANTED)
    assert state(decision) is MessageState.SENT
    assert len(mail.outbox) == 1


def test_nobody_opts_out_of_decisions_nor_chooses_for_others(ana, operator):
    with pytest.raises(Invalid) as invalid:
        actions.wish_for(ana, kind=MANDATORY, wish=Wish.NEVER, by=ana, now=NOW)
    assert invalid.value.problems[0].code == "message.wish.mandatory"
    with pytest.raises(NotAllowed):
        actions.wish_for(ana, kind=OPTIONAL, wish=Wish.NEVER, by=operator, now=NOW)
    assert queries.wishes(ana) == {}


def test_who_cannot_sign_in_any_more_gets_nothing(ana):
    message = write(ana, kind=MANDATORY)
    type(ana).objects.filter(pk=ana.pk).update(is_active=False)
    deliver()

    message.refresh_from_db()
    assert (message.state, message.note) == ("withdrawn", rules.NOT_ACTIVE)
    assert mail.outbox == []


def test_a_digest_carries_all_that_waited_in_one_mail_a_day(ana, stranger):
    actions.wish_for(ana, kind=OPTIONAL, wish=Wish.DAILY, by=ana, now=NOW)
    waiting = [write(ana, str(number)) for number in range(3)]
    at_once = write(ana, "decision", kind=MANDATORY)
    deliver()
    assert [state(one) for one in waiting] == [MessageState.QUEUED] * 3
    assert state(at_once) is MessageState.SENT
    morning = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)  # 8:00 in Bucharest
    mail.outbox.clear()

    tasks.send_digests(now=morning - TICK)
    deliver(morning)
    assert mail.outbox == []
    tasks.send_digests(now=morning)
    tasks.send_digests(now=morning)
    deliver(morning)

    (digest,) = mail.outbox
    assert digest.subject == "3 messages from RO AI Factory"
    assert digest.body.count("has spent 75 of its 100 GPU-hours") == 3
    assert [state(one) for one in waiting] == [MessageState.DIGESTED] * 3
    assert queries.messages_about("PRJ-2AB3CD", ana).count() == 4


def test_what_waits_for_a_digest_is_dropped_when_it_is_wanted_no_more(ana):
    actions.wish_for(ana, kind=OPTIONAL, wish=Wish.DAILY, by=ana, now=NOW)
    message = write(ana)
    deliver()
    actions.wish_for(ana, kind=OPTIONAL, wish=Wish.NEVER, by=ana, now=NOW)

    tasks.send_digests(now=NOW + timedelta(days=2))
    deliver(NOW + timedelta(days=2))

    assert (state(message), mail.outbox) == (MessageState.WITHDRAWN, [])


@pytest.mark.parametrize(
    ("now", "at"),
    [
        (datetime(2026, 11, 23, 5, 59, 59, tzinfo=UTC), datetime(2026, 11, 23, 6, tzinfo=UTC)),
        (datetime(2026, 11, 23, 6, 0, tzinfo=UTC), datetime(2026, 11, 24, 6, tzinfo=UTC)),
        # The nights on which the clocks change: 8:00 is 6:00 UTC in winter, 5:00 in summer.
        (datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 6, tzinfo=UTC)),
        (datetime(2027, 3, 27, 12, tzinfo=UTC), datetime(2027, 3, 28, 5, tzinfo=UTC)),
    ],
)
def test_digests_leave_at_the_hour_of_the_factorys_clock(now, at):
    assert rules.next_digest(now, hour=8, zone="Europe/Bucharest") == at


@examples(deadline=None)
@given(
    now=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    hour=st.integers(0, 23),
    zone=st.sampled_from(["Europe/Bucharest", "Europe/Lisbon", "Asia/Tokyo", "UTC"]),
)
def test_the_next_digest_is_after_now_and_within_a_day_and_an_hour(now, hour, zone):
    wait = rules.next_digest(now, hour=hour, zone=zone) - now
    assert timedelta() < wait <= timedelta(hours=25)


@contextmanager
def taken_port():
    """Hold a port that nobody answers at, so that no other program can."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


# Leaving --------------------------------------------------------------------------------------


def test_a_message_really_leaves_by_smtp_with_its_letters_and_headers(ana):
    ana.language = "ro"
    message = write(ana)
    with smtp_sink() as sink:
        deliver()

    (taken,) = sink.taken
    assert taken["To"] == ana.email
    assert taken["From"] == "factory@example.org"
    assert taken["Subject"] == "ALL-2AB3CD: s-au consumat 75 % din orele GPU"
    assert taken["Message-ID"] == f"<{message.code.lower()}@127.0.0.1>"
    assert taken["Content-Language"] == "ro"
    assert taken["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (
        taken["List-Unsubscribe"].strip().startswith("<http://127.0.0.1:8000/messages/unsubscribe/")
    )
    assert taken.get_content().strip().splitlines() == message.body.strip().splitlines()
    assert "Bună ziua" in taken.get_content()
    message.refresh_from_db()
    assert (message.state, message.sent_at) == ("sent", NOW)


@pytest.mark.django_db(transaction=True)
def test_the_worker_lets_a_message_leave(ana):
    message = write(ana, now=timezone.now() - timedelta(seconds=1))
    worker = Worker(name="test")
    with smtp_sink() as sink:
        while worker.run_one():
            pass
    assert [one["To"] for one in sink.taken] == [ana.email]
    assert state(message) is MessageState.SENT
    assert not Promise.objects.exclude(state="done").exists()


def test_a_batch_of_four_hundred_is_released_in_few_statements(ana, operator):
    for number in range(400):
        message = write(ana, str(number), batch="CAL", is_held=True)
    with CaptureQueriesContext(connection) as captured:
        assert actions.release_batch("CAL", by=operator, now=NOW) == 400
    assert len(captured) < 30
    assert len(promised()) == 400
    assert promised()[-1] == (message.code, 0, NOW)


def test_a_decision_has_no_link_to_stop_decisions(ana):
    write(ana, kind=MANDATORY)
    with smtp_sink() as sink:
        deliver()
    assert sink.taken[0]["List-Unsubscribe"] is None


def test_a_recipient_refused_for_good_is_failed_at_once_and_can_be_sent_again(ana, operator):
    message = write(ana)
    with smtp_sink() as sink:
        sink.answers[ana.email] = "550 5.1.1 No such user"
        deliver()
        message.refresh_from_db()
        assert (message.state, message.note) == ("failed", "550 5.1.1 No such user")
        assert len(promised()) == 1

        sink.answers.clear()
        actions.send_again(message, by=operator, now=NOW)
        deliver()

    assert state(message) is MessageState.SENT
    assert len(sink.taken) == 1


def test_a_recipient_refused_for_now_is_tried_again_a_minute_later(ana):
    message = write(ana)
    with smtp_sink() as sink:
        sink.answers[ana.email] = "450 4.2.0 Greylisted, try again"
        deliver()
    message.refresh_from_db()
    assert (message.state, message.note) == ("queued", "450 4.2.0 Greylisted, try again")
    assert promised()[-1] == (message.code, 1, NOW + timedelta(minutes=1))


def test_while_the_mail_server_is_down_a_message_waits_and_then_leaves_once(ana):
    message = write(ana)
    with taken_port() as port, sent_to(port):
        tasks.send_message(message=message.code, attempt=0, now=NOW)
        tasks.send_message(message=message.code, attempt=0, now=NOW)
    message.refresh_from_db()
    assert (message.state, message.attempts) == ("queued", 1)
    assert "refused" in message.note.lower()
    assert [attempt for _code, attempt, _at in promised()] == [0, 1]

    with smtp_sink() as sink:
        tasks.send_message(message=message.code, attempt=0, now=NOW)
        assert sink.taken == []
        tasks.send_message(message=message.code, attempt=1, now=NOW)
        tasks.send_message(message=message.code, attempt=1, now=NOW)

    assert len(sink.taken) == 1
    message.refresh_from_db()
    assert (message.state, message.note) == ("sent", "")


def test_after_a_day_of_outage_a_message_is_failed_where_operators_see_it(ana):
    message = write(ana)
    with taken_port() as port, sent_to(port):
        for attempt in range(len(rules.AFTER_FAILURE) + 1):
            assert state(message) is MessageState.QUEUED
            tasks.send_message(message=message.code, attempt=attempt, now=NOW)
    assert state(message) is MessageState.FAILED
    assert sum(rules.AFTER_FAILURE, timedelta()) > timedelta(days=1)
    assert LogEntry.objects.filter(event="message.failed").count() == 1


def test_a_crash_after_the_server_took_it_sends_it_again_under_the_same_id(ana, monkeypatch):
    message = write(ana)
    with smtp_sink() as sink:
        with monkeypatch.context() as patch:
            patch.setattr(actions, "note_sent", lambda *_args, **_facts: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                tasks.send_message(message=message.code, attempt=0, now=NOW)
        tasks.send_message(message=message.code, attempt=0, now=NOW)
    assert len({one["Message-ID"] for one in sink.taken}) == 1
    assert state(message) is MessageState.SENT
