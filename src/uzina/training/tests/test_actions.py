"""Runs, what is collected of them, models: what changed, what was logged, what a refusal leaves."""

import json

import pytest
from django.db import IntegrityError, transaction

from uzina.catalogue import queries as catalogue
from uzina.catalogue.models import Dataset, Version
from uzina.compute import queries as compute
from uzina.compute.models import Job
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry, Promise
from uzina.core.tests import NOW
from uzina.ledger import queries as ledger
from uzina.people import actions as people
from uzina.people.rules import MembershipKind
from uzina.training import actions, queries, tasks
from uzina.training.models import Evaluation, FormAnswer, ModelVersion, Recipe, Run, TrainedModel

from .conftest import FACTS

pytestmark = pytest.mark.django_db


def codes(refused):
    return [(one.field, one.code) for one in refused.value.problems]


def events(event):
    return LogEntry.objects.filter(event=event).count()


def test_recipes_are_synced_once_and_an_edited_one_becomes_another_row(monkeypatch):
    assert set(queries.recipes().values_list("slug", flat=True)) >= {"prepare", "train", "evaluate"}
    assert actions.sync_recipes(now=NOW) == 0
    old = queries.recipe("train")
    from dataclasses import replace

    shipped = actions.recipes.load()
    shipped["train"] = replace(shipped["train"], version="1.0.1")
    monkeypatch.setattr(actions.recipes, "load", lambda: shipped)
    assert actions.sync_recipes(now=NOW) == 1
    assert queries.recipe("train").version == "1.0.1"
    old.refresh_from_db()
    assert not old.is_current
    assert Recipe.objects.filter(slug="train").count() == 2


def test_a_run_pins_its_inputs_holds_hours_and_hands_a_job_over(start, texts, allocation):
    run = start(inputs=[("ro-texts", 1)], name="ro-data", params={"vocabulary": 512})
    spec = run.job.spec
    assert spec["recipe"] == "prepare"
    assert spec["inputs"] == [{"dataset": "ro-texts", "version": 1, "at": "documents"}]
    assert "vocabulary = 512\n" in spec["files"]["config.toml"]
    assert [one.version for one in run.inputs.all()] == [texts]
    assert ledger.balance(allocation).held == 600_000
    assert Promise.objects.filter(task="compute.hand_over", args__job=run.job.code).exists()
    assert events("run.started") == 1
    assert str(run.state) == "created"


def test_the_same_key_gives_the_same_run(start, texts, allocation):
    one = start(inputs=[("ro-texts", 1)])
    two = start(inputs=[("ro-texts", 1)])
    assert one == two
    assert (Run.objects.count(), Job.objects.count(), events("run.started")) == (1, 1, 1)
    assert ledger.balance(allocation).held == 600_000


def test_every_mistake_of_a_run_is_told_at_once_and_nothing_is_held(start, texts, allocation):
    with pytest.raises(Invalid) as refused:
        start(
            params={"vocabulary": 5, "seed": "x", "made_up": 1, "held_out": float("nan")},
            inputs=[("ro-texts", 1), ("nothing", 1)],
            name="Not A Name",
            time_limit_s=0,
        )
    found = codes(refused)
    assert {
        ("params.vocabulary", "run.params.range"),
        ("params.seed", "run.params.type"),
        ("params.made_up", "run.params.unknown"),
        ("params.held_out", "run.params.range"),
        ("inputs", "version.find.unknown"),
        ("name", "run.name.form"),
    } <= set(found)
    assert any(field == "time_limit_s" for field, _code in found)
    assert not Run.objects.exists()
    assert not Job.objects.exists()
    assert ledger.balance(allocation).held == 0


@pytest.mark.parametrize(
    ("recipe", "inputs", "model", "code"),
    [
        ("prepare", [], None, "run.inputs.count"),
        ("train", [], None, "run.inputs.count"),
        ("train", [("ro-tokens", 1), ("ro-texts", 1)], None, "run.inputs.count"),
        ("train", [("ro-texts", 1)], None, "run.inputs.unfit"),
        ("prepare", [("ro-texts", 1), ("ro-texts", 1)], None, "run.inputs.twice"),
        ("prepare", [("ro-texts", 1)], ("m", 1), "run.model.count"),
        ("evaluate", [("ro-tokens", 1)], None, "run.model.count"),
        ("evaluate", [("ro-tokens", 1)], ("m", 1), "version.find.unknown"),
        ("evaluate", [("ro-tokens", 1)], ("ro-tokens", 1), "run.inputs.unfit"),
        ("train", [("ro-tokens", 99)], None, "version.find.unknown"),
    ],
)
def test_inputs_that_do_not_fit_are_told_before_hours_are_held(
    start, texts, tokens, allocation, recipe, inputs, model, code
):
    with pytest.raises(Invalid) as refused:
        start(recipe, inputs=inputs, model=model, name="out")
    assert code in [one for _field, one in codes(refused)]
    assert ledger.balance(allocation).held == 0


def test_several_texts_are_prepared_together_each_in_its_folder(start, texts, make_version):
    make_version("en-texts", {"en.jsonl": b"{}"})
    run = start(inputs=[("ro-texts", 1), ("en-texts", 1)], name="both")
    assert [one["at"] for one in run.job.spec["inputs"]] == ["documents", "documents-2"]


def test_a_name_of_another_projects_data_is_taken(start, texts, project, ana, org):
    from datetime import timedelta

    other = people.open_project(
        org, title="Other", lead=ana, starts_at=NOW, ends_at=NOW + timedelta(days=1),
        award_code="", by=None, now=NOW,
    )  # fmt: skip
    Dataset.objects.filter(slug="ro-texts").update(project=other)
    with pytest.raises(Invalid) as refused:
        start(inputs=[("ro-texts", 1)], name="ro-texts")
    assert codes(refused) == [("name", "run.name.taken")]


def test_a_run_that_asks_more_than_is_left_is_refused_and_leaves_nothing(start, texts):
    with pytest.raises(Refused) as refused:
        start(inputs=[("ro-texts", 1)], time_limit_s=36_001)
    assert refused.value.code == "allocation.hold.too_big"
    assert not Run.objects.exists()


def test_strangers_and_auditors_start_nothing(start, texts, stranger, auditor):
    for person in (stranger, auditor):
        with pytest.raises(NotAllowed) as refused:
            start(inputs=[("ro-texts", 1)], by=person)
        assert refused.value.code == "run.start.not_a_member"
    assert not Run.objects.exists()


def test_prepared_data_becomes_a_version_with_licence_lineage_and_report(prepared, texts, project):
    output = prepared.output
    assert output.reference == "ro-data@1"
    assert output.dataset.project == project
    assert output.dataset.licence.slug == "cc-by-sa-3.0"
    assert output.dataset.language_codes == ["ro"]
    assert list(output.derived_from.all()) == [texts]
    assert output.made_by_job == prepared.job.code
    assert output.facts["train_tokens"] == 1_200_000
    assert output.facts["excluded"] == {"too_short": 12}
    assert json.loads(catalogue.text(output, "report.json", most=10**6))["vocabulary"] == 4096
    assert str(prepared.state) == "done"


def test_collecting_again_and_again_changes_nothing(prepared, trained, evaluated):
    before = (Version.objects.count(), ModelVersion.objects.count(), Evaluation.objects.count())
    logged = LogEntry.objects.count()
    for run in (prepared, trained, evaluated):
        for _time in range(2):
            tasks.collect_run(event="job.ended", subject=run.job.code, facts={}, now=NOW)
    assert before == (
        Version.objects.count(),
        ModelVersion.objects.count(),
        Evaluation.objects.count(),
    )
    assert LogEntry.objects.count() == logged


def test_a_job_of_no_run_is_none_of_our_business():
    tasks.collect_run(event="job.ended", subject="JOB-AAAAAA", facts={}, now=NOW)


def test_nothing_is_collected_before_the_job_is_settled(start, texts):
    run = start(inputs=[("ro-texts", 1)])
    assert actions.collect(run, now=NOW).ended_as == ""


def test_a_trained_model_is_a_candidate_whose_files_and_facts_are_fixed(trained, model_version):
    assert model_version.reference == "ro-mini@1"
    assert str(model_version.state) == "candidate"
    assert model_version.digest == trained.output.digest
    assert model_version.facts["parameters"] == FACTS["parameters"]
    assert model_version.facts["hf_check"]["equal"] is True
    assert [one["path"] for one in model_version.manifest] == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    for change in ({"facts": {}}, {"number": 9}, {"created_at": NOW.replace(year=2020)}):
        with pytest.raises(IntegrityError), transaction.atomic():
            ModelVersion.objects.filter(pk=model_version.pk).update(**change)


def test_training_the_same_name_again_adds_a_version(start, end, trained):
    run = start("train", inputs=[("ro-data", 1)], name="ro-mini", key="again")
    end(run, **{"export/hf/model.safetensors": b"other", "export/facts.json": FACTS})
    run = actions.collect(run, now=NOW)
    assert run.output.reference == "ro-mini@2"
    assert TrainedModel.objects.get().versions.count() == 2


def test_the_same_weights_again_are_the_same_version(start, end, trained):
    run = start("train", inputs=[("ro-data", 1)], name="ro-mini", key="again")
    end(
        run,
        **{
            "export/hf/model.safetensors": b"weights" * 1000,
            "export/hf/config.json": {"model_type": "llama"},
            "export/hf/tokenizer.json": {},
            "export/facts.json": FACTS,
        },
    )
    run = actions.collect(run, now=NOW)
    assert (run.output.reference, str(run.state)) == ("ro-mini@1", "done")
    assert ModelVersion.objects.count() == 1


def test_an_evaluation_is_kept_with_the_version_and_never_changes(evaluated, model_version):
    found = model_version.evaluations.get()
    assert found.scores == {"model": 2.1, "unigram_token": 3.4, "xz": 2.6}
    assert str(evaluated.state) == "done"
    with pytest.raises(IntegrityError), transaction.atomic():
        Evaluation.objects.filter(pk=found.pk).update(results={})


def test_a_failed_run_says_why_in_the_words_of_its_exit_record(start, end, texts):
    run = start(inputs=[("ro-texts", 1)])
    reason = "No document came through cleaning. Loosen the rules; report.json says why."
    end(run, "failed", exit_json={"state": "failed", "resume": False, "step": 0, "reason": reason})
    run = actions.collect(run, now=NOW)
    assert (str(run.state), run.problem) == ("failed", reason)
    assert run.output is None
    assert not Dataset.objects.filter(slug=run.name).exists()


def test_a_run_killed_without_a_word_says_what_the_cluster_knows(start, end, texts):
    run = start(inputs=[("ro-texts", 1)])
    end(run, "failed", exit_json=None, manifest_json=None)
    run = actions.collect(run, now=NOW)
    assert str(run.state) == "failed"
    assert run.problem == compute.why(run.job)


@pytest.mark.parametrize("leftovers", [{}, {"export/data": b""}])
def test_a_job_that_ended_well_and_left_nothing_is_a_failed_run(start, end, texts, leftovers):
    run = start(inputs=[("ro-texts", 1)])
    end(run, **leftovers)
    run = actions.collect(run, now=NOW)
    assert str(run.state) == "failed"
    assert run.problem
    assert not Dataset.objects.filter(slug=run.name).exists()


def test_a_job_cannot_publish_files_of_the_machine_by_a_link(start, end, texts, tmp_path):
    run = start(inputs=[("ro-texts", 1)])
    end(run, **{"export/data/shards.json": {}})
    (compute.run_dir(run.job) / "export/data/passwd").symlink_to("/etc/passwd")
    run = actions.collect(run, now=NOW)
    assert str(run.state) == "failed"
    assert "passwd" in run.problem
    assert not Version.objects.filter(made_by_job=run.job.code).exists()


@pytest.mark.parametrize(
    "record", [b"not json", b"[1]", b"\xff\xfe", b'{"state": "do\\u0000ne"}', b"{" * 100_000]
)
def test_a_broken_exit_record_is_taken_for_none(start, end, texts, record):
    run = start(inputs=[("ro-texts", 1)])
    end(run, exit_json=record, **{"export/data/shards.json": {}})
    assert str(actions.collect(run, now=NOW).state) == "failed"


def test_results_that_cannot_be_read_make_a_failed_run(start, end, trained):
    run = start("evaluate", inputs=[("ro-data", 1)], model=("ro-mini", 1))
    end(run, **{"export/results.json": b"{"})
    run = actions.collect(run, now=NOW)
    assert (str(run.state), Evaluation.objects.count()) == ("failed", 0)


def test_a_running_run_is_asked_to_stop_by_a_file(start, texts, ana):
    run = start(inputs=[("ro-texts", 1)])
    Job.objects.filter(pk=run.job_id).update(state="running", started_at=NOW)
    folder = compute.run_dir(run.job)
    folder.mkdir(parents=True)
    actions.stop(queries.run(run.code), by=ana, now=NOW)
    assert (folder / "STOP").exists()
    assert events("run.stop_asked") == 1


def test_a_run_that_has_not_started_is_cancelled_and_its_hours_come_back(
    start, texts, ana, allocation
):
    run = start(inputs=[("ro-texts", 1)])
    actions.stop(run, by=ana, now=NOW)
    run = actions.collect(run, now=NOW)
    assert str(run.state) == "cancelled"
    assert ledger.balance(allocation).held == 0


def test_a_stranger_stops_nothing_and_an_ended_run_is_not_stopped(prepared, stranger, ana):
    with pytest.raises(NotAllowed):
        actions.stop(prepared, by=stranger, now=NOW)
    with pytest.raises(Refused) as refused:
        actions.stop(prepared, by=ana, now=NOW)
    assert refused.value.code == "run.stop.not_now"


def test_a_stopped_run_goes_on_as_a_new_job_in_the_same_directory(start, end, texts, ana):
    run = start(inputs=[("ro-texts", 1)])
    first = run.job
    end(run, exit_json={"state": "stopped", "resume": True, "step": 2, "reason": "Asked."})
    run = actions.collect(run, now=NOW)
    assert str(run.state) == "stopped"
    run = actions.resume(run, by=ana, now=NOW, key="go")
    again = actions.resume(run, by=ana, now=NOW, key="go")
    assert again.job == run.job != first
    assert compute.run_dir(run.job) == compute.run_dir(first)
    assert (run.jobs.count(), str(run.state), events("run.resumed")) == (2, "created", 1)


def test_a_run_that_would_fail_again_is_not_resumed(start, end, texts, ana):
    run = start(inputs=[("ro-texts", 1)])
    end(run, "failed", exit_json={"state": "failed", "resume": False, "step": 0, "reason": "No."})
    run = actions.collect(run, now=NOW)
    with pytest.raises(Refused) as refused:
        actions.resume(run, by=ana, now=NOW, key="go")
    assert refused.value.code == "run.resume.useless"


def test_a_finished_run_is_not_resumed(prepared, ana):
    with pytest.raises(Refused) as refused:
        actions.resume(prepared, by=ana, now=NOW, key="go")
    assert refused.value.code == "run.resume.not_now"


def test_the_lead_releases_and_everybody_may_read_and_build_on_it(model_version, ana, stranger):
    with pytest.raises(Refused):
        catalogue.usable_version(stranger, "ro-mini", 1, project=None, now=NOW)
    actions.release(model_version, by=ana, now=NOW)
    assert ModelVersion.objects.visible_to(stranger).count() == 1
    assert (
        catalogue.usable_version(stranger, "ro-mini", 1, project=None, now=NOW).digest
        == model_version.digest
    )
    with pytest.raises(Refused) as refused:
        actions.release(model_version, by=ana, now=NOW)
    assert refused.value.code == "model.release.not_now"


def test_a_retired_version_is_out_of_sight_again(model_version, ana, stranger):
    actions.release(model_version, by=ana, now=NOW)
    actions.retire(model_version, by=ana, now=NOW)
    assert not ModelVersion.objects.visible_to(stranger).exists()
    assert ModelVersion.objects.visible_to(ana).exists()
    with pytest.raises(Refused):
        catalogue.usable_version(stranger, "ro-mini", 1, project=None, now=NOW)


@pytest.mark.parametrize("verb", ["release", "retire"])
def test_only_a_lead_releases_and_retires(model_version, project, ana, stranger, operator, verb):
    people.add_member(project, stranger, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    for person in (stranger, operator):
        with pytest.raises(NotAllowed) as refused:
            getattr(actions, verb)(model_version, by=person, now=NOW)
        assert refused.value.code == f"model.{verb}.not_yours"
    model_version.refresh_from_db()
    assert str(model_version.state) == "candidate"


def test_a_members_statement_is_kept_and_logged_without_its_text(model_version, ana):
    said = actions.state_answer(
        model_version, field="intended_uses", text=" Demos. ", by=ana, now=NOW
    )
    same = actions.state_answer(
        model_version, field="intended_uses", text="Demos.", by=ana, now=NOW
    )
    assert (said.text, same.revision) == ("Demos.", 1)
    entry = LogEntry.objects.get(event="model.documented")
    assert (entry.actor, entry.facts["field"]) == (ana.code, "intended_uses")
    assert "Demos" not in json.dumps(entry.facts)
    taken = actions.state_answer(model_version, field="intended_uses", text="", by=ana, now=NOW)
    assert (taken.text, taken.revision) == ("", 2)


def test_statements_of_strangers_unknown_fields_and_giant_texts_are_refused(
    model_version, ana, stranger
):
    with pytest.raises(NotAllowed):
        actions.state_answer(model_version, field="intended_uses", text="x", by=stranger, now=NOW)
    with pytest.raises(Invalid) as refused:
        actions.state_answer(model_version, field="nothing", text="x" * 10_001, by=ana, now=NOW)
    assert [code for _field, code in codes(refused)] == [
        "model.document.unknown_field",
        "model.document.text",
    ]
    assert not FormAnswer.objects.exists()
