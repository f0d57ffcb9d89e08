"""What runs on the node around a job's program: modules, a Python environment, a container, a
stop file before the time is up. The same text runs on every kind of cluster.
"""

import shlex
from collections.abc import Sequence

from uzina.compute.rules.scripts import interpreter
from uzina.compute.rules.specs import BODY, SCRIPT, JobSpec

MODULE_FILES = (
    "/etc/profile.d/modules.sh",
    "/etc/profile.d/lmod.sh",
    "/usr/share/lmod/lmod/init/bash",
    "/usr/share/modules/init/bash",
)


def argv(spec: JobSpec, *, python: str, run_dir: str) -> tuple[str, ...]:
    """Return the program: the command, the script, or the interpreter with the recipe."""
    if spec.recipe:
        return (python, "-m", "uzina_recipes", spec.recipe, "--run-dir", run_dir, *spec.arguments)
    if spec.script:
        return (*interpreter(spec.script), SCRIPT, *spec.arguments)
    return spec.command


def needs_body(spec: JobSpec) -> bool:
    """Tell whether something is to be set up around the program."""
    return bool(
        spec.modules or spec.container or spec.python_lock or spec.stop_before_s or spec.array
    )


def laid(spec: JobSpec, program: Sequence[str]) -> dict[str, str]:
    """Return the files to lay into the run directory."""
    return {
        **spec.files,
        **({SCRIPT: spec.script} if spec.script else {}),
        **({BODY: body(spec, program)} if needs_body(spec) else {}),
    }


def started(spec: JobSpec, program: Sequence[str]) -> tuple[str, ...]:
    """Return what the cluster starts in the run directory."""
    return ("bash", BODY) if needs_body(spec) else tuple(program)


def body(spec: JobSpec, program: Sequence[str]) -> str:
    """Return the bash script that sets everything up, runs the program and ends as it did."""
    parts = [
        "#!/bin/bash",
        "# Written by the factory: sets the job up, runs its program, ends with its exit code.",
        'cd "$UZINA_RUN_DIR" || exit 127',
        'lacks() { echo "uzina: $1" >&2; exit 127; }',
        "run=()",
    ]
    if spec.array:
        parts.append('export UZINA_TASK_ID="$SLURM_ARRAY_TASK_ID"')
    if spec.modules:
        parts.append(_modules(spec.modules))
    if spec.python_lock:
        parts.append(_python(spec.python_lock))
    if spec.container:
        parts.append(_container(spec.container))
    command = f'"${{run[@]}}" {shlex.join(program)}'
    if not spec.stop_before_s:
        return "\n".join([*parts, f"exec {command}", ""])
    nap = max(1, spec.time_limit_s - spec.stop_before_s)
    return "\n".join(
        [
            *parts,
            f"(trap 'kill $nap; exit' TERM; sleep {nap} & nap=$!; wait $nap; echo time >STOP) &",
            "timer=$!",
            command,
            "code=$?",
            "kill $timer 2>/dev/null",
            "exit $code",
            "",
        ]
    )


def _modules(names: Sequence[str]) -> str:
    files = " ".join(MODULE_FILES)
    words = shlex.join(names)
    return f"""type module >/dev/null 2>&1 || for file in {files}; do
  if [ -r "$file" ]; then . "$file"; break; fi
done
type module >/dev/null 2>&1 || lacks "this node has no modules to load, and the job needs: {words}"
module load {words} || lacks "these modules could not be loaded: {words}\""""


def _python(lock: str) -> str:
    """Build the environment of a lock file once for each content, kept beside the run directories.

    Two jobs that want the same wait for one another; a build that broke off is begun anew.
    """
    if lock == "uv.lock":
        check = 'command -v uv >/dev/null || lacks "uv is not installed on this node"'
        build = 'UV_PROJECT_ENVIRONMENT="$venv" uv sync --frozen --no-install-project --quiet'
        read = "cat uv.lock pyproject.toml"
    else:
        check = 'command -v python3 >/dev/null || lacks "python3 is not installed on this node"'
        build = 'python3 -m venv "$venv" && "$venv/bin/pip" install --quiet -r requirements.txt'
        read = "cat requirements.txt; python3 -V"
    return f"""{check}
venv="$(dirname "$UZINA_RUN_DIR")/.venvs/$(id -u)/$({{ {read}; }} | sha256sum | cut -c1-32)"
mkdir -p "$venv.d" 2>/dev/null || venv="$UZINA_RUN_DIR/.venv"
mkdir -p "$venv.d" && exec 9>"$venv.d/lock" && flock 9 || lacks "there is no place for $venv"
if [ ! -e "$venv.d/ready" ]; then
  rm -rf "$venv"
  {{ {build}; }} && touch "$venv.d/ready" || lacks "the Python environment of {lock} failed to build"
fi
exec 9>&-
export VIRTUAL_ENV="$venv" PATH="$venv/bin:$PATH\""""


def _container(image: str) -> str:
    name = shlex.quote(image)
    return f"""image={name}
nv=(); [ -n "$CUDA_VISIBLE_DEVICES" ] && nv=(--nv)
if command -v apptainer >/dev/null; then
  run=(apptainer exec "${{nv[@]}}" --bind "$UZINA_RUN_DIR" --pwd "$UZINA_RUN_DIR" "$image")
elif command -v singularity >/dev/null; then
  run=(singularity exec "${{nv[@]}}" --bind "$UZINA_RUN_DIR" --pwd "$UZINA_RUN_DIR" "$image")
elif command -v enroot >/dev/null; then
  run=(enroot start --mount "$UZINA_RUN_DIR:$UZINA_RUN_DIR" "$image")
else
  lacks "neither apptainer nor enroot is installed on this node, and the job runs in $image"
fi
[ -e "$image" ] || lacks "there is no image $image on this node\""""
