from dataclasses import replace

import pytest
from django.db import connection

from uzina.compute import queries as compute
from uzina.compute.adapters.local import LocalScheduler
from uzina.compute.models import Drift
from uzina.compute.ports import Health
from uzina.compute.rules import Finding
from uzina.core.db import acting
from uzina.core.log import log
from uzina.core.models import LogEntry, Promise
from uzina.core.promises import promise
from uzina.core.rules import PromiseState
from uzina.core.tests import NOW
from uzina.ledger import actions as ledger
from uzina.ledger import queries
from uzina.ledger.models import Account
from uzina.people.models import Person
from uzina.root import doctor, worker
from uzina.root.admin import main

pytestmark = pytest.mark.django_db


@pytest.fixture
def capacity():
    ledger.seed_resources()
    return ledger.open_capacity(
        owner="CAL-TEST",
        title="Test",
        resource=queries.gpu_hours(),
        amount=3_600_000,
        key="open",
        by=None,
        now=NOW,
    )


def test_check_proves_sound_books_and_a_sound_log(capacity, capsys):
    assert main(["check"]) == 0
    told = capsys.readouterr().out
    assert "Books: 2 accounts, 1 transfers, 2 postings, 0 problems." in told
    assert "Log: 1 entries, 0 problems." in told


def test_check_names_a_balance_that_was_tampered_with(capacity, capsys):
    Account.objects.filter(pk=capacity.pk).update(balance=7)
    assert main(["check"]) == 1
    assert "problems" in capsys.readouterr().out


def test_check_names_an_entry_that_was_tampered_with(capacity, capsys):
    LogEntry.objects.update(actor="PER-SOMEONE")
    assert main(["check"]) == 1
    assert "was changed or moved" in capsys.readouterr().out


def test_a_person_of_the_factory_is_made_once_and_can_sign_in(capsys):
    assert main(["person", "olga@factory.example", "Olga", "operator"]) == 0
    email, password = capsys.readouterr().out.split()
    person = Person.objects.get(email=email)
    assert person.check_password(password)
    assert person.roles == {"operator"}
    assert main(["person", "olga@factory.example", "Olga", "auditor"]) == 0
    assert Person.objects.count() == 1


def test_a_person_that_cannot_be_made_is_told_in_words(capsys):
    assert main(["person", "olga@factory.example", " ", "operator"]) == 2
    assert "name" in capsys.readouterr().err
    assert not Person.objects.exists()


def test_doctor_says_what_the_installation_runs_on(capsys):
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert {"sqlite": "SQLite 3.", "postgresql": "PostgreSQL 1"}[connection.vendor] in told
    assert "The database is at this version" in told


def test_doctor_says_when_slurm_is_configured_and_not_there(settings, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda _name: None)
    settings.UZINA = replace(
        settings.UZINA, scheduler=replace(settings.UZINA.scheduler, kind="slurm")
    )
    bad = [finding.text for finding in doctor.examine() if not finding.is_good]
    assert bad == ["Slurm's commands are missing: sbatch, squeue, sacct, scancel"]


def test_reconcile_prints_what_differs_and_fails_while_anything_does(capsys):
    drift = Drift.objects.create(
        cluster=compute.cluster(),
        kind="user",
        subject="uz-prj-1/eve",
        finding="extra",
        theirs="eve",
        winner="factory",
        since_at=NOW,
        seen_at=NOW,
    )
    assert main(["reconcile"]) == 1
    assert (
        "user uz-prj-1/eve: extra; ours -, theirs eve; factory is right" in capsys.readouterr().out
    )

    drift.gone_at = NOW
    drift.save()
    assert main(["reconcile", "--repair"]) == 0
    assert "0 differences." in capsys.readouterr().out


def test_doctor_says_which_settings_of_the_site_make_budgets_lie(settings, monkeypatch):
    decay = Finding("decay", "refuse", {"value": "7-00:00:00"})
    monkeypatch.setattr("shutil.which", lambda _name: "/usr/bin/it")
    monkeypatch.setattr(
        LocalScheduler, "health", lambda _self: Health(True, True, "22.05", 0.0, (decay,))
    )
    monkeypatch.setattr(
        doctor.adapters, "scheduler", lambda: LocalScheduler.__new__(LocalScheduler)
    )
    settings.UZINA = replace(
        settings.UZINA, scheduler=replace(settings.UZINA.scheduler, kind="slurm")
    )
    bad = [finding.text for finding in doctor.examine() if not finding.is_good]
    assert len(bad) == 1
    assert "Set PriorityDecayHalfLife=0" in bad[0]


def test_the_worker_does_what_is_due_and_ends_when_idle(monkeypatch):
    monkeypatch.setattr(worker, "plant_recurring", lambda **_: None)
    with acting():
        log("thing.done", "A", by=None, now=NOW)
        promise("root.note_head", key="note", now=NOW)
    Promise.objects.update(run_at="2020-01-01T00:00:00Z")
    worker.run(until_idle=True)
    assert Promise.objects.get().state is PromiseState.DONE


@pytest.mark.django_db
def test_a_ranking_is_run_again_and_fails_where_its_record_was_changed(ana, org, operator, capsys):
    from uzina.calls.models import Ranking
    from uzina.calls.rules.steps import StepKind
    from uzina.calls.tests.ranked import adopted, at_step, ranked_call
    from uzina.root.admin import main

    call = ranked_call(operator)
    at_step(call, ana, org, scores=[5, 5], hours=120_000, step=StepKind.RANKING)
    ranking = adopted(call, operator)
    assert main(["rerank", ranking.code]) == 0
    assert "the same result" in capsys.readouterr().out
    Ranking.objects.filter(pk=ranking.pk).update(seal="0" * 64)
    assert main(["rerank", ranking.code]) == 1
    assert "not what was sealed" in capsys.readouterr().out
    assert main(["rerank", "RNK-000000"]) == 2
