"""Batch scripts, arrays, and what is set up around a program. No database."""

import os
import shutil
import subprocess

import pytest

from uzina.compute import rules
from uzina.core.errors import Invalid

GOOD = {"name": "Train", "command": ["true"], "time_limit_s": 60}
SCRIPT = """#!/bin/bash
#SBATCH --job-name=Translate
#SBATCH -N 2 --ntasks-per-node=4
#SBATCH --cpus-per-task=8   # threads
#SBATCH --gres=gpu:h100:4
#SBATCH --mem=64G
#SBATCH --time=1-02:30:00
#SBATCH --array=0-9%2
#SBATCH -p gpu --nice=50
#SBATCH --constraint=nvlink
#SBATCH --output=%x.out
srun python train.py
#SBATCH --nodes=99
"""


def read(**changes):
    return rules.parse_spec({"script": SCRIPT, **changes})


def mistakes(**changes):
    with pytest.raises(Invalid) as invalid:
        rules.parse_spec({**GOOD, **changes})
    return {problem.field: problem for problem in invalid.value.problems}


def test_the_lines_of_a_script_fill_the_description_up_to_its_first_command():
    spec = read()

    assert (spec.name, spec.kind, spec.nodes, spec.gpus, spec.cpus, spec.ranks) == (
        "Translate", "script", 2, 4, 32, 4,
    )  # fmt: skip
    assert (spec.memory_mb, spec.time_limit_s) == (65_536, ((24 + 2) * 60 + 30) * 60)
    assert (spec.array, spec.tasks, spec.partition, spec.nice) == ("0-9%2", 10, "gpu", 50)
    assert spec.options == ("--constraint=nvlink",)
    assert rules.read_script(SCRIPT).unused == ["output"]


def test_what_is_said_beside_a_script_counts_more_and_survives_a_round_trip():
    spec = read(time_limit="1h", memory="2G", nodes=1, arguments=["a b"])

    assert (spec.time_limit_s, spec.memory_mb, spec.nodes, spec.gpus) == (3600, 2048, 1, 4)
    assert rules.parse_spec(spec.as_json()) == spec


@pytest.mark.parametrize(
    "line",
    ["--account=other", "-A other", "--uid=0", "--qos=high", "-q high", "-M other"],
)
def test_a_line_that_would_change_who_pays_or_who_runs_is_refused(line):
    script = f"#!/bin/bash\n#SBATCH --time=5\n#SBATCH {line}\ntrue\n"

    with pytest.raises(Invalid) as invalid:
        rules.parse_spec({"name": "a", "script": script})

    [problem] = invalid.value.problems
    assert (problem.field, problem.code) == ("script", "job.spec.script_ours")
    assert "Line 3" in str(problem)
    assert line in str(problem)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("--frobnicate=1", "script_unknown"),
        ("--exclusive", "script_unknown"),
        ("--dependency=afterok:1", "script_dependency"),
        ("--nodes=1-2", "script_line"),
        ("--time=soon", "script_line"),
        ("--mem=0", "script_line"),
        ('--time="5', "script_line"),
        ("train.py", "script_line"),
    ],
)
def test_a_line_that_cannot_be_taken_is_named(line, why):
    script = f"#!/bin/bash\n#SBATCH {line}\ntrue\n"
    with pytest.raises(Invalid) as invalid:
        rules.parse_spec({"name": "a", "time_limit_s": 60, "script": script})
    assert f"job.spec.{why}" in {one.code for one in invalid.value.problems}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400), ("90:30", 5430), ("1:00:00", 3600), ("2-0", 172_800), ("1-1:1", 90_060),
        ("1-1:1:1", 90_061),
    ],
)  # fmt: skip
def test_times_are_read_as_sbatch_reads_them(text, seconds):
    spec = rules.parse_spec({"name": "a", "script": f"#SBATCH -t {text}\ntrue\n"})
    assert spec.time_limit_s == seconds


def test_gpus_of_the_whole_job_are_divided_over_its_nodes():
    script = "#SBATCH -N 2 -G 8 -t 5\ntrue\n"
    assert rules.parse_spec({"name": "a", "script": script}).gpus == 4
    with pytest.raises(Invalid, match="script"):
        rules.parse_spec({"name": "a", "script": script.replace("-G 8", "-G 7")})


@pytest.mark.parametrize(
    ("text", "numbers", "most"),
    [
        ("0-3", (0, 1, 2, 3), 0),
        ("5", (5,), 0),
        ("1,3,5-9:2%4", (1, 3, 5, 7, 9), 4),
        ("0-9999", tuple(range(10_000)), 0),
    ],
)
def test_an_array_names_its_tasks(text, numbers, most):
    assert rules.read_array(text) == (numbers, most)


@pytest.mark.parametrize(
    "text", ["", "a", "3-1", "0-10000", "0-9%0", "0-9%", "-1", "1;2", "0-4:0", "5000000"]
)
def test_what_is_no_array_or_too_large_a_one_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        rules.read_array(text)
    if text:
        assert "array" in mistakes(array=text)


def test_an_array_holds_as_much_as_all_its_tasks():
    one = rules.parse_spec(GOOD | {"gpus": 2})
    many = rules.parse_spec(GOOD | {"gpus": 2, "array": "0-9%2"})
    assert rules.hold_amount(many) == 10 * rules.hold_amount(one) == 10 * 2 * 60_000


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"script": "true\n"}, "command"),
        ({"recipe": "train"}, "command"),
        ({"arguments": ["a"]}, "arguments"),
        ({"after": "JOB_1"}, "after"),
        ({"after": [1]}, "after"),
        ({"partition": "gpu --qos=high"}, "partition"),
        ({"modules": ["cuda; rm -rf ~"]}, "modules"),
        ({"modules": ["--help"]}, "modules"),
        ({"container": "image.tar"}, "container"),
        ({"container": "--bind.sif"}, "container"),
        ({"python_lock": "poetry.lock"}, "python_lock"),
        ({"python_lock": "requirements.txt"}, "python_lock"),
        ({"python_lock": "uv.lock", "files": {"uv.lock": ""}}, "python_lock"),
        ({"chain": 101}, "chain"),
        ({"chain": 2}, "stop_before_s"),
        ({"chain": 2, "stop_before_s": 5, "array": "0-1"}, "chain"),
        ({"stop_before_s": 60}, "stop_before_s"),
        ({"nice": -1}, "nice"),
        ({"cpus": 3, "ranks": 2}, "ranks"),
        ({"options": ["--uid=0"]}, "options"),
        ({"files": {"script.sh": "x"}}, "files.script.sh"),
    ],
)
def test_each_mistake_is_told_at_its_place(changes, field):
    assert field in mistakes(**changes)


def test_a_stop_file_may_come_at_the_last_second():
    assert rules.parse_spec(GOOD | {"stop_before_s": 59}).stop_before_s == 59
    assert rules.parse_spec(GOOD | {"chain": 2, "time_limit_s": 61}).stop_before_s == 60


# --- what is set up around the program: the real shell runs it ---


def run(tmp_path, *, path="", env=None, **changes):
    """Lay a job out and run what a node would."""
    spec = rules.parse_spec({**GOOD, **changes})
    run_dir = tmp_path / "run"
    run_dir.mkdir(exist_ok=True)
    program = rules.argv(spec, python="python3", run_dir=str(run_dir))
    for name, text in rules.laid(spec, program).items():
        (run_dir / name).write_text(text)
    return subprocess.run(
        rules.started(spec, program),
        cwd=run_dir,
        env={"PATH": path or os.environ["PATH"], "UZINA_RUN_DIR": str(run_dir), **(env or {})},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_script_runs_by_its_first_line_with_its_arguments(tmp_path):
    script = "#!/usr/bin/env python3\nimport sys\nprint(sys.argv[1:])\nsys.exit(3)\n"
    ran = run(tmp_path, command=[], script=script, arguments=["a b", "$HOME"])
    assert (ran.stdout, ran.returncode) == ("['a b', '$HOME']\n", 3)


def test_a_task_of_an_array_is_told_its_number(tmp_path):
    ran = run(
        tmp_path,
        command=["bash", "-c", "echo $UZINA_TASK_ID"],
        array="3-4",
        env={"SLURM_ARRAY_TASK_ID": "4"},
    )
    assert ran.stdout == "4\n"


def test_the_stop_file_comes_before_the_end_and_the_exit_code_is_the_programs(tmp_path):
    wait = "until [ -e STOP ]; do sleep 0.05; done; cat STOP; exit 7"
    ran = run(tmp_path, command=["bash", "-c", wait], time_limit_s=3, stop_before_s=2)
    assert (ran.stdout, ran.returncode) == ("time\n", 7)


def test_a_program_that_ends_in_time_finds_no_stop_file_and_leaves_nobody_behind(tmp_path):
    ran = run(tmp_path, command=["true"], time_limit_s=3600, stop_before_s=60)
    assert ran.returncode == 0
    assert not (tmp_path / "run" / "STOP").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"modules": ["cuda/12.8"]}, "modules"),
        ({"container": "image.sif"}, "neither apptainer nor enroot"),
    ],
)
def test_a_node_that_lacks_what_is_asked_for_ends_with_127_and_a_sentence(tmp_path, changes, words):
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("bash", "dirname"):
        (bare / name).symlink_to(shutil.which(name))
    ran = run(tmp_path, path=str(bare), **changes)
    assert ran.returncode == 127
    assert words in ran.stderr


def test_a_container_is_run_by_what_the_node_has(tmp_path):
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "apptainer").write_text('#!/bin/bash\necho "$@"\n')
    (bare / "apptainer").chmod(0o755)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "image.sif").touch()

    path = f"{bare}:{os.environ['PATH']}"
    ran = run(tmp_path, path=path, container="image.sif", env={"CUDA_VISIBLE_DEVICES": "0"})

    folder = tmp_path / "run"
    assert ran.stdout == f"exec --nv --bind {folder} --pwd {folder} image.sif true\n"


def test_a_python_environment_is_built_once_for_each_lock_file(tmp_path):
    bare = tmp_path / "bin"
    bare.mkdir()
    builder = (
        '#!/bin/bash\n[ "$1" = -V ] && exec echo Python 3\n'
        'echo built >>"$(dirname "$UZINA_RUN_DIR")/builds"\n'
        'mkdir -p "$3/bin"; printf "#!/bin/bash\\n" >"$3/bin/pip"; chmod +x "$3/bin/pip"\n'
    )
    (bare / "python3").write_text(builder)
    (bare / "python3").chmod(0o755)
    path = f"{bare}:{os.environ['PATH']}"
    changes = {
        "command": ["bash", "-c", "command -v pip"],
        "files": {"requirements.txt": "# nothing\n"},
        "python_lock": "requirements.txt",
    }

    first, second = (run(tmp_path, path=path, **changes) for _ in range(2))
    other = run(tmp_path, path=path, **changes | {"files": {"requirements.txt": "# other\n"}})

    assert first.returncode == second.returncode == other.returncode == 0
    assert first.stdout == second.stdout
    assert first.stdout.startswith(str(tmp_path / ".venvs"))
    assert other.stdout != first.stdout
    assert (tmp_path / "builds").read_text() == "built\nbuilt\n"
