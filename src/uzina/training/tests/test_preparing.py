"""A preparation shared out over tasks, its report on the page, and what a model's form says of it."""

import json

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from uzina.catalogue import queries as catalogue
from uzina.catalogue.models import Dataset
from uzina.compute.models import Job
from uzina.core.errors import Invalid
from uzina.core.tests import NOW
from uzina.ledger import queries as ledger
from uzina.training import actions, queries
from uzina.training.rules import prepared, runs

STAGES = ["read", "count", "clean", "settle", "tokenise"]
STATISTICS = {
    "languages": [{"name": "ro", "share": 0.75}, {"name": "en", "share": 0.25}],
    "licences": [{"name": "MPL-2.0", "share": 1.0}],
    "sources": [],
    "collected": {"from": "2026-01-02", "until": "2026-03-04", "dated": 9},
    "crawled": {"domains": 40, "top": [{"name": "site.ro", "share": 0.5}]},
}
FULL = {
    "in": {"ro": {"documents": 10, "bytes": 1000}, "en": {"documents": 4, "bytes": 400}},
    "out": {
        "train": {
            "documents": 7,
            "by_language": {"ro": {"documents": 7, "bytes": 700, "tokens": 300}},
        },
        "heldout": {"documents": 1, "by_language": {"ro": {"documents": 1}}},
    },
    "excluded_documents": {
        "too_short": {
            "by_language": {"en": {"documents": 4, "bytes": 9}},
            "samples": [{"id": "<b>x</b>", "excerpt": "Prea <script> scurt", "measured": 3}],
        },
        "exact_duplicate": {"by_language": {"ro": {"documents": 2, "bytes": 200}}, "samples": []},
        "word_length": {"by_language": {}, "samples": []},
    },
    "removed_lines": {
        "boilerplate_line": {"by_language": {"ro": {"documents": 31}}},
        "unended_lines": {
            "says": {"en": "Lines <b> cut off.", "ro": "Rânduri neîncheiate.", "fr": 5},
            "by_language": {"ro": {"documents": 2}},
        },
    },
    "personal_data": {"replaced": {"email": 5}},
}


@pytest.mark.django_db
def test_a_run_shared_out_is_jobs_that_wait_for_one_another_in_one_folder(start, texts, allocation):
    run = start(inputs=[("ro-texts", 1)], name="ro-data", tasks=3)
    jobs = list(run.jobs.order_by("pk"))
    assert [job.spec.get("arguments") for job in jobs] == [
        *(["--stage", name, "--tasks", "3"] for name in STAGES),
        None,
    ]
    assert [job.tasks for job in jobs] == [3, 1, 3, 1, 3, 1]
    assert run.job == jobs[-1]
    assert {job.run_dir for job in jobs} == {jobs[0].run_dir}
    for at, job in enumerate(jobs):
        assert job.spec.get("after", []) == [one.code for one in jobs[:at]]
        assert job.spec["outputs"] == (["export/data"] if at == 5 else [])
    assert ledger.balance(allocation).held == sum(job.held_gpu_ms for job in jobs)
    assert start(inputs=[("ro-texts", 1)], name="ro-data", tasks=3) == run
    assert Job.objects.count() == 6


@pytest.mark.django_db
def test_stopping_before_anything_runs_cancels_every_job_of_a_run(start, texts, ana, allocation):
    run = start(inputs=[("ro-texts", 1)], name="ro-data", tasks=2)
    actions.stop(run, by=ana, now=NOW)
    assert all(job.cancel_asked_at for job in run.jobs.all())


@pytest.mark.parametrize(("tasks", "code"), [(0, "range"), (257, "range"), (1, ""), (256, "")])
def test_a_run_is_shared_out_over_1_to_256_tasks(tasks, code):
    found = [one.code for one in runs.tasks_problems({"stages": [{"name": "read"}]}, tasks)]
    assert found == ([f"run.tasks.{code}"] if code else [])


@pytest.mark.django_db
def test_a_recipe_without_stages_is_not_shared_out(start, tokens):
    with pytest.raises(Invalid) as refused:
        start("train", inputs=[("ro-tokens", 1)], name="ro-mini", tasks=2)
    assert [one.code for one in refused.value.problems] == ["run.tasks.one"]
    assert not Job.objects.exists()


def test_a_text_setting_is_one_line_of_bounded_length():
    parameter = {"name": "p", "kind": "text", "default": "", "maximum": 3}
    schema = {"parameters": [parameter]}
    for value, is_right in (("abc", True), ("", True), ("abcd", False), ("a\n", False), (3, False)):
        chosen, problems = runs.settings(schema, {"p": value})
        assert (chosen.get("p") == value) is is_right
        assert bool(problems) is not is_right


def test_a_report_is_read_as_a_funnel_that_adds_up():
    found = prepared.read(FULL)
    assert [count for _label, count in found.funnel] == [14, 10, 8, 7]
    assert [(one.code, one.read, one.trained, one.held_out) for one in found.languages] == [
        ("ro", 10, 7, 1),
        ("en", 4, 0, 0),
    ]
    assert [(one.rule, one.count) for one in found.rules] == [
        ("too_short", 4),
        ("exact_duplicate", 2),
    ]
    assert [(one.rule, one.count, one.says.get("ro")) for one in found.lines] == [
        ("boilerplate_line", 31, None),
        ("unended_lines", 2, "Rânduri neîncheiate."),
    ]
    assert found.personal == (("email", 5),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*FULL, "documents", "train", "samples", "ro"]), inner)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(list(FULL)), JSON))
def test_whatever_a_job_writes_as_its_report_is_read_or_left_aside(report):
    prepared.read(report)
    prepared.read(FULL | report)
    prepared.content(report | {"languages": report.get("in"), "crawled": report.get("out")})


@pytest.fixture
def collected(start, end, texts):
    run = start("prepare", inputs=[("ro-texts", 1)], name="ro-data")
    files = {"report.json": FULL, "statistics.json": STATISTICS, "shards.json": {}}
    end(run, **{f"export/data/{name}": facts for name, facts in files.items()})
    return actions.collect(run, now=NOW)


@pytest.mark.django_db
def test_the_page_of_a_preparation_shows_what_became_of_the_documents(collected, ana):
    client = Client()
    client.force_login(ana)
    shown = client.get(f"/runs/{collected.code}/").content.decode()
    for words in ("What became of the documents", "Left by the rules", "Too short", "email"):
        assert words in shown
    assert "Prea &lt;script&gt; scurt" in shown
    assert "<b>x</b>" not in shown
    assert "Lines &lt;b&gt; cut off." in shown
    client.cookies["django_language"] = "ro"
    assert "Rânduri neîncheiate." in client.get(f"/runs/{collected.code}/").content.decode()


@pytest.mark.django_db
def test_excerpts_of_restricted_data_are_shown_to_who_may_read_them_and_it_is_noted(
    collected, ana, operator
):
    Dataset.objects.filter(pk=collected.output.dataset_id).update(access_right="restricted")
    for person, is_shown in ((operator, False), (ana, True)):
        client = Client()
        client.force_login(person)
        answer = client.get(f"/runs/{collected.code}/")
        assert answer.status_code == 200
        assert ("scurt" in answer.content.decode()) == is_shown
    noted = catalogue.evidence_of(collected.output.dataset).get()
    assert (noted.person, noted.kind) == (ana, "preview")


@pytest.mark.django_db
def test_the_version_carries_what_the_public_summary_asks_for(collected):
    content = collected.output.facts["content"]
    assert content["languages"] == [["ro", 0.75], ["en", 0.25]]
    assert content["domains"] == [["site.ro", 0.5]]
    assert (content["collected_from"], content["domain_count"]) == ("2026-01-02", 40)
    text = catalogue.text(collected.output, "statistics.json", most=10**6)
    assert json.loads(text) == STATISTICS
    assert queries.preparation(collected) == prepared.read(FULL)
