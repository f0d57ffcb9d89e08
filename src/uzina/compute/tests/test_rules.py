"""What a description must say, what it costs, what follows what was seen. No database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.compute import rules
from uzina.compute.rules import FORGET_AFTER, JobState, Sight, Step, Wanted
from uzina.core.errors import Invalid, Refused

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
GOOD = {"name": "Train", "command": ["true"], "time_limit_s": 60}


def problems(**changes):
    with pytest.raises(Invalid) as invalid:
        rules.parse_spec({**GOOD, **changes})
    return {problem.field: problem for problem in invalid.value.problems}


def test_a_short_description_is_enough():
    spec = rules.parse_spec(GOOD)

    assert (spec.nodes, spec.gpus, spec.cpus, spec.kind) == (1, 0, 1, "command")


def test_a_full_description_is_read_and_survives_a_round_trip():
    spec = rules.parse_spec(
        GOOD
        | {
            "environment": {"A": "ș"},
            "nodes": 2,
            "gpus": 4,
            "memory_mb": 64_000,
            "inputs": ["ro-corpus@3", {"dataset": "other", "version": 1, "at": "eval"}],
            "outputs": ["export/**"],
            "files": {"config.toml": "x = 1"},
        }
    )

    assert [(one.dataset, one.version, one.at) for one in spec.inputs] == [
        ("ro-corpus", 3, "ro-corpus"),
        ("other", 1, "eval"),
    ]
    assert rules.parse_spec(spec.as_json()) == spec


def test_a_command_may_be_one_line_as_typed():
    spec = rules.parse_spec(GOOD | {"command": "python 'a b.py' --x=\"1 2\""})
    assert spec.command == ("python", "a b.py", "--x=1 2")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1h30m", 5400), ("2d", 172_800), ("1d1h1m1s", 90_061), ("30d", 2_592_000)],
)
def test_a_time_limit_may_be_written_as_people_say_it(text, seconds):
    mapping = {"name": "x", "command": ["true"], "time_limit": text}
    assert rules.parse_spec(mapping).time_limit_s == seconds


@pytest.mark.parametrize("text", ["", "0s", "31d", "1.5h", "h", "-1h", "1h ", "99999999d", 60])
def test_a_time_limit_that_says_nothing_is_told(text):
    mapping = {"name": "x", "command": ["true"], "time_limit": text}
    with pytest.raises(Invalid) as invalid:
        rules.parse_spec(mapping)
    assert [one.code for one in invalid.value.problems] == ["job.spec.time_limit"]


@pytest.mark.parametrize(("text", "mb"), [("64G", 65_536), ("500M", 500), ("1T", 1_048_576)])
def test_memory_may_be_written_as_people_say_it(text, mb):
    assert rules.parse_spec(GOOD | {"memory": text}).memory_mb == mb


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("nodes", 1, rules.MAX_NODES), ("gpus", 0, rules.MAX_GPUS), ("cpus", 1, rules.MAX_CPUS),
        ("memory_mb", 16, rules.MAX_MEMORY_MB), ("time_limit_s", 1, rules.MAX_TIME_LIMIT_S),
    ],
)  # fmt: skip
def test_numbers_are_taken_up_to_their_limits_and_no_further(field, low, high):
    for value in (low, high):
        assert getattr(rules.parse_spec(GOOD | {field: value}), field) == value
    for value in (low - 1, high + 1, True, 1.5, "1", None):
        assert problems(**{field: value})[field].code == "job.spec.number"


def test_the_largest_job_there_is_fits_the_ledger():
    spec = rules.parse_spec(
        GOOD
        | {
            "nodes": rules.MAX_NODES,
            "gpus": rules.MAX_GPUS,
            "time_limit_s": rules.MAX_TIME_LIMIT_S,
        }
    )
    assert rules.hold_amount(spec) < 2**53 - 1


def test_all_mistakes_are_told_at_once_and_what_to_do():
    told = problems(name="", gpus=-1, environment={"SLURM_X": "1"}, colour="red", files={"/a": ""})

    assert set(told) == {"name", "gpus", "environment.SLURM_X", "colour", "files./a"}
    assert all(len(str(problem)) > 20 for problem in told.values())


@pytest.mark.parametrize(
    ("recipe", "command", "is_good"),
    [("train", [], True), ("", ["x"], True), ("", [], False), ("train", ["x"], False)],
)
def test_a_job_runs_either_a_command_or_a_recipe(recipe, command, is_good):
    mapping = GOOD | {"recipe": recipe, "command": command}
    if is_good:
        assert rules.parse_spec(mapping).kind == (recipe or "command")
    else:
        assert set(problems(recipe=recipe, command=command)) == {"command"}


def test_a_recipe_is_run_by_the_interpreter_of_the_recipes():
    spec = rules.parse_spec(GOOD | {"recipe": "train", "command": []})
    assert rules.argv(spec, python="/venv/python", run_dir="/runs/JOB-1") == (
        "/venv/python", "-m", "uzina_recipes", "train", "--run-dir", "/runs/JOB-1",
    )  # fmt: skip
    assert rules.argv(rules.parse_spec(GOOD), python="x", run_dir="y") == ("true",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [*rules.JobSpec.__dataclass_fields__, "time_limit", "memory"]


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), JSON, max_size=8))
def test_whatever_is_sent_is_read_or_told_what_is_wrong(mapping):
    told: list[str] = []
    try:
        spec = rules.parse_spec(GOOD | mapping)
    except Invalid as invalid:
        told = [str(problem) for problem in invalid.problems]
    else:
        told = ["read"] if rules.parse_spec(spec.as_json()) == spec else []
    assert told
    assert all(told)


# --- what is said ---


@pytest.mark.parametrize(
    ("code", "begins"),
    [
        ("Resources", "It is next"), ("Priority", "Other jobs"),
        ("AssocGrpGRESMinutes", "The cluster's own limit"),
        ("QOSMaxJobsPerUserLimit", "As many jobs run"),
        ("ReqNodeNotAvail, UnavailableNodes:n1", "The nodes it needs"),
        ("SomethingNew", "SomethingNew"), ("None", ""),
    ],
)  # fmt: skip
def test_reasons_are_told_in_words(code, begins):
    said = rules.reason_in_words(code)
    assert said.startswith(begins)
    assert bool(said) == bool(begins)


def test_there_are_two_logs():
    assert rules.check_stream("stdout") == "logs/stdout.log"
    with pytest.raises(Refused) as refused:
        rules.check_stream("../exit.json")
    assert refused.value.code == "job.log.no_such_stream"


# --- following the cluster ---

WANTED = Wanted("k", JobState.RUNNING, "7", cancel_asked=False, missing_since=None)
SIGHT = Sight("7", "k", JobState.RUNNING, "None", 100, 101, None, None)


def plan(wanted=WANTED, seen=(), *, is_complete=True, now=NOW):
    return rules.plan([wanted], seen, is_complete=is_complete, now=now)


def test_what_is_seen_is_observed():
    assert plan(seen=[SIGHT]) == [Step("observe", "k", SIGHT)]


def test_absent_is_missing_first_and_lost_ten_minutes_later():
    assert plan() == [Step("miss", "k")]
    missing = replace(WANTED, missing_since=NOW - FORGET_AFTER + timedelta(microseconds=1))
    assert plan(missing) == []
    assert plan(replace(WANTED, missing_since=NOW - FORGET_AFTER)) == [Step("lose", "k")]


def test_absent_means_nothing_while_a_source_is_silent():
    long_missing = replace(WANTED, missing_since=NOW - timedelta(days=1))
    assert plan(long_missing, is_complete=False) == []
    assert plan(is_complete=False) == []


def test_of_two_jobs_of_one_key_ours_is_kept_and_the_other_stopped():
    twin = replace(SIGHT, native_id="8", submitted_s=99)
    assert plan(seen=[SIGHT, twin]) == [Step("observe", "k", SIGHT), Step("cancel_twin", "k", twin)]


def test_an_unclaimed_key_takes_the_oldest_and_an_ended_twin_is_left_alone():
    older = replace(SIGHT, native_id="6", submitted_s=50)
    ended = replace(SIGHT, native_id="9", state=JobState.DONE)
    unclaimed = replace(WANTED, native_id="")
    assert plan(unclaimed, [SIGHT, ended, older]) == [
        Step("observe", "k", older),
        Step("cancel_twin", "k", SIGHT),
    ]


def test_sights_of_others_are_nothing_to_us():
    assert plan(seen=[replace(SIGHT, key="other")]) == [Step("miss", "k")]


@pytest.mark.parametrize(
    ("code", "ran_s", "reason"),
    [
        (124, 60, "TimeLimit"), (124, 59, "NonZeroExitCode"), (137, 70, "TimeLimit"),
        (1, 60, "NonZeroExitCode"),
    ],
)  # fmt: skip
def test_a_program_stopped_by_its_time_limit_is_told_from_one_that_failed(code, ran_s, reason):
    sight = replace(
        SIGHT,
        state=JobState.FAILED,
        reason="NonZeroExitCode",
        started_s=100,
        ended_s=100 + ran_s,
        exit_code=code,
    )
    assert rules.ending(sight, time_limit_s=60) == reason


@pytest.mark.parametrize("state", list(JobState))
def test_an_open_job_can_be_cancelled_and_an_ended_one_cannot(state):
    if state in rules.OPEN:
        assert rules.JOB.after("cancel", state) is JobState.CANCELLED
    else:
        with pytest.raises(Refused, match="Cannot cancel"):
            rules.JOB.after("cancel", state)


def test_an_unreachable_cluster_is_tried_again_ever_more_seldom_but_at_least_every_minute():
    delays = [rules.hand_over_delay(attempt).total_seconds() for attempt in range(1, 20)]
    assert delays[:3] == [2, 4, 8]
    assert max(delays) == 60
    assert delays == sorted(delays)
