"""Reading the description of a job: what it must say."""

import re
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from uzina.catalogue.rules import spaces as catalogue
from uzina.compute.rules.arrays import MAX_TASKS, read_array
from uzina.compute.rules.scripts import MAX_SCRIPT_BYTES, read_script
from uzina.compute.rules.specs import OURS, Input, JobSpec, space_place
from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.text import _

MAX_NODES, MAX_GPUS, MAX_CPUS = 1024, 64, 4096
MAX_MEMORY_MB = 16_000_000
MAX_TIME_LIMIT_S = 30 * 24 * 3600
MAX_WORDS, MAX_WORD = 256, 32_768
MAX_FILES, MAX_FILES_BYTES = 64, 1_048_576
MAX_CHAIN, MAX_NICE = 100, 10_000
MAX_OUTPUTS_MB = 10**9
STOP_BEFORE_S = 60
RESERVED = ("UZINA_", "SLURM_", "CUDA_VISIBLE_DEVICES")
LOCKS = ("uv.lock", "requirements.txt")

NAME = re.compile(r"[^\x00-\x1f\x7f]{1,80}")
RECIPE = re.compile(r"[a-z][a-z0-9-]{0,39}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
DATASET = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?")
SIZE = re.compile(r"(\d{1,9})([MGT])")
JOB = re.compile(r"JOB-[0-9A-Z]{4,12}")
PARTITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
MODULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,99}")
IMAGE = re.compile(r"[^\x00-\x1f\x7f-][^\x00-\x1f\x7f]{0,240}\.(sif|sqsh)")


def parse_spec(mapping: Mapping[str, Any], *, within: str = "") -> JobSpec:
    """Read a job.toml or the `spec` of the API.

    within  what the description lies in, for the places of mistakes: "spec" gives "spec.name"

    Besides the fields of JobSpec it takes `time_limit = "1h30m"`, `memory = "256G"`, a command
    as one string, and inputs as "slug@3". Raises Invalid with every mistake at once.
    """
    return _Reading(mapping, within).spec()


class _Reading:
    """One pass over a description that gathers what is wrong with it."""

    def __init__(self, mapping: Mapping[str, Any], within: str) -> None:
        self.mapping = mapping
        self.prefix = f"{within}." if within else ""
        self.problems: list[Problem] = []

    def wrong(self, where: str, why: str, message: str, **facts: Any) -> None:
        self.problems.append(Problem(f"{self.prefix}{where}", f"job.spec.{why}", message, facts))

    def spec(self) -> JobSpec:
        known = {*JobSpec.__dataclass_fields__, "time_limit", "memory"} - {"options"}
        for name in sorted(str(name) for name in self.mapping if name not in known)[:20]:
            self.wrong(
                name[:80], "unknown", _("There is no setting of this name. Known: {known}."),
                known=", ".join(sorted(known)),
            )  # fmt: skip
        script, options = self._script()
        recipe = self._recipe()
        command = self._command(recipe, script)
        chain = self._number("chain", 0, MAX_CHAIN, 0)
        spec = JobSpec(
            name=self._name(),
            command=command,
            recipe=recipe,
            environment=self._environment(),
            nodes=self._number("nodes", 1, MAX_NODES, 1),
            gpus=self._number("gpus", 0, MAX_GPUS, 0),
            cpus=self._number("cpus", 1, MAX_CPUS, 1),
            memory_mb=self._memory(),
            time_limit_s=self._time_limit(),
            inputs=self._inputs(),
            outputs=self._outputs(),
            files=self._files(),
            script=script,
            arguments=self._words("arguments", MAX_WORDS, is_given=bool(script or recipe)),
            array=self._array(),
            after=self._codes("after"),
            after_any=self._codes("after_any"),
            partition=self._matching("partition", PARTITION, _("Name one partition, such as gpu.")),
            ranks=self._number("ranks", 1, MAX_CPUS, 1),
            modules=self._modules(),
            container=self._matching(
                "container", IMAGE,
                _("Name an image that ends in .sif or .sqsh, by its path on the cluster."),
            ),
            python_lock=self._python_lock(),
            chain=chain,
            stop_before_s=self._number(
                "stop_before_s", 0, MAX_TIME_LIMIT_S, STOP_BEFORE_S if chain else 0
            ),
            nice=self._number("nice", 0, MAX_NICE, 0),
            is_rehearsal=self.mapping.get("is_rehearsal") is True,
            options=options,
            spaces=self._spaces(),
            outputs_to=self._outputs_to(),
            outputs_mb=self._number("outputs_mb", 0, MAX_OUTPUTS_MB, 0),
        )  # fmt: skip
        self._check_together(spec)
        if self.problems:
            raise Invalid(self.problems)
        return spec

    def _check_together(self, spec: JobSpec) -> None:
        """Note what each is right by itself and wrong beside another."""
        if spec.stop_before_s >= spec.time_limit_s > 0 and spec.stop_before_s:
            self.wrong(
                "stop_before_s", "stop_before",
                _("The job is asked to save {seconds} s before its end, and may run no longer."),
                seconds=spec.stop_before_s,
            )  # fmt: skip
        if spec.array and spec.chain:
            self.wrong("chain", "chain", _("An array cannot be a chain. Leave one of them out."))
        if spec.array and spec.recipe and not spec.arguments:
            self.wrong("array", "array", _("A recipe runs once. Leave the array out."))
        if spec.cpus % spec.ranks:
            self.wrong(
                "ranks", "ranks", _("The cores of a node must divide evenly over its processes.")
            )
        if spec.python_lock and spec.python_lock not in spec.files:
            self.wrong(
                "python_lock", "python_lock", _("Bring {name} among the files."),
                name=spec.python_lock,
            )  # fmt: skip
        elif spec.python_lock == "uv.lock" and "pyproject.toml" not in spec.files:
            self.wrong(
                "python_lock", "python_lock", _("Bring {name} among the files."),
                name="pyproject.toml",
            )  # fmt: skip

    def _script(self) -> tuple[str, tuple[str, ...]]:
        """Read the script, and take what its #SBATCH lines say where nothing else says it."""
        script = self.mapping.get("script", "")
        if not isinstance(script, str) or "\0" in script or not _is_encodable(script):
            self.wrong("script", "script", _("Write the script as text."))
            return "", ()
        if len(script.encode()) > MAX_SCRIPT_BYTES:
            self.wrong("script", "script", _("A script has at most 256 KiB."))
            return "", ()
        if not script.strip():
            return "", ()
        asks = read_script(script)
        for line, why, message, option in asks.problems:
            self.wrong("script", why, message, line=line, option=option)
        given = set(self.mapping)
        if "time_limit" in given:
            given.add("time_limit_s")
        if "memory" in given:
            given.add("memory_mb")
        found = {name: value for name, value in asks.fields.items() if name not in given}
        self.mapping = {**self.mapping, **found}
        return script, tuple(asks.options)

    def _words(self, name: str, most: int, *, is_given: bool = True) -> tuple[str, ...]:
        given = self.mapping.get(name, ())
        is_list = isinstance(given, list | tuple) and len(given) <= most
        if is_list and all(map(_is_word, given)) and (is_given or not given):
            return tuple(given)
        self.wrong(
            name, "words", _("Write a list of at most {most} words; they are the script's."),
            most=most,
        )  # fmt: skip
        return ()

    def _codes(self, name: str) -> tuple[str, ...]:
        given = self.mapping.get(name, ())
        codes = given.replace(",", " ").split() if isinstance(given, str) else given
        if (
            isinstance(codes, list | tuple)
            and len(codes) <= 100
            and all(isinstance(one, str) and JOB.fullmatch(one) for one in codes)
        ):
            return tuple(dict.fromkeys(codes))
        self.wrong(name, "after", _("Name jobs by their codes, such as JOB-7Q3K2M, at most 100."))
        return ()

    def _matching(self, name: str, pattern: re.Pattern[str], message: str) -> str:
        value = self.mapping.get(name, "")
        if value == "" or (
            isinstance(value, str) and pattern.fullmatch(value) and _is_encodable(value)
        ):
            return str(value)
        self.wrong(name, name, message)
        return ""

    def _modules(self) -> tuple[str, ...]:
        given = self.mapping.get("modules", ())
        names = given.split() if isinstance(given, str) else given
        if (
            isinstance(names, list | tuple)
            and len(names) <= 32
            and all(isinstance(one, str) and MODULE.fullmatch(one) for one in names)
        ):
            return tuple(names)
        self.wrong("modules", "modules", _("List at most 32 modules by name, such as cuda/12.8."))
        return ()

    def _array(self) -> str:
        given = self.mapping.get("array", "")
        if given == "":
            return ""
        try:
            read_array(str(given))
        except ValueError:
            self.wrong(
                "array", "array",
                _('Write the tasks as "0-9%2" or "1,3,5", at most {most} of them.'),
                most=MAX_TASKS,
            )  # fmt: skip
            return ""
        return str(given)

    def _python_lock(self) -> str:
        value = self.mapping.get("python_lock", "")
        if value == "" or value in LOCKS:
            return str(value)
        self.wrong(
            "python_lock", "python_lock", _("Name the lock file: {names}."),
            names=", ".join(LOCKS),
        )  # fmt: skip
        return ""

    def _name(self) -> str:
        name = self.mapping.get("name")
        if isinstance(name, str) and NAME.fullmatch(name.strip()):
            return name.strip()
        self.wrong("name", "name", _("Give the job a name of 1 to 80 characters on one line."))
        return ""

    def _recipe(self) -> str:
        recipe = self.mapping.get("recipe", "")
        if recipe == "" or (isinstance(recipe, str) and RECIPE.fullmatch(recipe)):
            return str(recipe)
        self.wrong(
            "recipe", "recipe", _("Name a recipe in small letters, such as train, or leave it out.")
        )
        return ""

    def _command(self, recipe: str, script: str) -> tuple[str, ...]:
        command = self.mapping.get("command", ())
        if isinstance(command, str):
            try:
                command = shlex.split(command)
            except ValueError:
                self.wrong(
                    "command", "command", _("A quotation mark in the command is not closed.")
                )
                return ()
        if not isinstance(command, list | tuple) or not all(_is_word(word) for word in command):
            self.wrong(
                "command", "command",
                _("Write the command as a list of words, each at most {most} characters long."),
                most=MAX_WORD,
            )  # fmt: skip
            return ()
        if len(command) > MAX_WORDS:
            self.wrong(
                "command", "command", _("A command has at most {most} words."), most=MAX_WORDS
            )
        if [bool(command), bool(recipe), bool(script)].count(True) != 1:
            self.wrong(
                "command", "command",
                _("Say what to run: one of a command, a recipe and a script."),
            )  # fmt: skip
        elif command and not command[0]:
            self.wrong("command", "command", _("The first word of the command names a program."))
        return tuple(command)

    def _environment(self) -> dict[str, str]:
        given = self.mapping.get("environment", {})
        if not isinstance(given, Mapping) or len(given) > 100:
            self.wrong(
                "environment", "environment", _('List at most 100 variables as name = "value".')
            )
            return {}
        for name, value in given.items():
            where = f"environment.{str(name)[:60]}"
            if not isinstance(name, str) or not VARIABLE.fullmatch(name):
                self.wrong(
                    where, "environment",
                    _("A variable's name has letters, digits and _ and begins with no digit."),
                )  # fmt: skip
            elif name.startswith(RESERVED):
                self.wrong(
                    where, "reserved", _("{name} is set by the factory. Choose another name."),
                    name=name,
                )  # fmt: skip
            if not _is_word(value):
                self.wrong(where, "environment", _("Write the value as text."))
        return dict(given)

    def _number(self, name: str, low: int, high: int, default: int) -> int:
        value = self.mapping.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.wrong(
            name, "number", _("Give a whole number from {low} to {high}."), low=low, high=high
        )
        return default

    def _memory(self) -> int:
        if "memory" not in self.mapping:
            return self._number("memory_mb", 16, MAX_MEMORY_MB, 1000)
        found = SIZE.fullmatch(str(self.mapping["memory"]))
        factor = {"M": 1, "G": 1024, "T": 1024 * 1024}
        value = int(found[1]) * factor[found[2]] if found else 0
        if "memory_mb" in self.mapping or not 16 <= value <= MAX_MEMORY_MB:
            self.wrong("memory", "memory", _('Give the memory of one node once, such as "64G".'))
        return value

    def _time_limit(self) -> int:
        if "time_limit" not in self.mapping:
            if "time_limit_s" not in self.mapping:
                self.wrong(
                    "time_limit_s", "time_limit",
                    _('Say how long the job may run, such as time_limit = "2h30m".'),
                )  # fmt: skip
                return 1
            return self._number("time_limit_s", 1, MAX_TIME_LIMIT_S, 1)
        found = DURATION.fullmatch(str(self.mapping["time_limit"]))
        days, hours, minutes, seconds = (
            (int(part or 0) for part in found.groups()) if found else (0,) * 4
        )
        value = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        if "time_limit_s" in self.mapping or not 1 <= value <= MAX_TIME_LIMIT_S:
            self.wrong(
                "time_limit", "time_limit",
                _('Say once how long the job may run, such as "2h30m", at most 30 days.'),
            )  # fmt: skip
        return value

    def _inputs(self) -> tuple[Input, ...]:
        given = self.mapping.get("inputs", ())
        if not isinstance(given, list | tuple) or len(given) > 32:
            self.wrong("inputs", "inputs", _("List at most 32 inputs."))
            return ()
        inputs = [self._input(index, one) for index, one in enumerate(given) if not _is_space(one)]
        places = [one.at for one in inputs if one]
        if len(places) != len(set(places)):
            self.wrong("inputs", "inputs", _("Two inputs go to the same place. Give each its own."))
        return tuple(one for one in inputs if one)

    def _input(self, index: int, given: Any) -> Input | None:
        if isinstance(given, str):
            given = {"dataset": given}
        if not isinstance(given, Mapping):
            given = {}
        slug, _at, number = str(given.get("dataset", "")).partition("@")
        version = given.get("version", int(number) if re.fullmatch(r"\d{1,9}", number) else 0)
        at = given.get("at") or slug
        is_number = isinstance(version, int) and 1 <= version <= 2**31 - 1
        if not DATASET.fullmatch(slug) or not is_number or not DATASET.fullmatch(str(at)):
            self.wrong(
                f"inputs.{index}", "inputs",
                _('Name a dataset and its version, such as "ro-corpus@3"; `at` is one folder.'),
            )  # fmt: skip
            return None
        return Input(slug, version, str(at))

    def _spaces(self) -> tuple[str, ...]:
        """Read inputs such as "space:PRJ-7Q3K2M/scratch/run-1", and what they were kept as."""
        inputs, kept = self.mapping.get("inputs", ()), self.mapping.get("spaces", ())
        given = (
            [one for one in inputs if _is_space(one)] if isinstance(inputs, list | tuple) else []
        )
        if isinstance(kept, list | tuple):
            given += kept
        found = [self._space("inputs", one) for one in given[:32]]
        places = [space_place(one) for one in found]
        if len(places) != len(set(places)):
            self.wrong("inputs", "inputs", _("Two inputs go to the same place. Give each its own."))
        return tuple(one for one in found if one)

    def _outputs_to(self) -> str:
        given = self.mapping.get("outputs_to", "")
        return self._space("outputs_to", given) if given else ""

    def _space(self, where: str, given: Any) -> str:
        words = str(given).removeprefix("space:")
        if ":" not in words:
            words = words.replace("/", ":", 1)
        try:
            project, kind, path = catalogue.parse_space(words)
        except Refused:
            self.wrong(
                where, "space",
                _('Name a folder of the project\'s storage, such as "space:PRJ-7Q3K2M/scratch/run".'),
            )  # fmt: skip
            return ""
        return f"{project}:{kind}/{path}" if path else f"{project}:{kind}"

    def _outputs(self) -> tuple[str, ...]:
        given = self.mapping.get("outputs", ())
        if not isinstance(given, list | tuple) or len(given) > 32:
            self.wrong("outputs", "outputs", _("List at most 32 outputs."))
            return ()
        for index, path in enumerate(given):
            self._path(f"outputs.{index}", path)
        return tuple(str(path) for path in given)

    def _files(self) -> dict[str, str]:
        given = self.mapping.get("files", {})
        if not isinstance(given, Mapping) or len(given) > MAX_FILES:
            self.wrong("files", "files", _("Bring at most {most} files."), most=MAX_FILES)
            return {}
        size = 0
        for path, text in given.items():
            where = f"files.{str(path)[:80]}"
            if self._path(where, path) and PurePosixPath(path).parts[0] in OURS:
                self.wrong(
                    where, "reserved", _("The factory writes this file. Choose another name.")
                )
            if not isinstance(text, str):
                self.wrong(where, "files", _("Write the content of the file as text."))
            else:
                size += len(text.encode(errors="replace"))
        if size > MAX_FILES_BYTES:
            self.wrong(
                "files", "files",
                _("The files are larger than 1 MiB together. Register large ones as a dataset."),
            )  # fmt: skip
        return dict(given)

    def _path(self, where: str, path: Any) -> bool:
        if isinstance(path, str) and 0 < len(path) <= 200 and not _has_controls(path):
            pure = PurePosixPath(path)
            if pure.parts and not pure.is_absolute() and ".." not in pure.parts:
                return True
        self.wrong(where, "path", _("Write a path inside the run directory, such as export/data."))
        return False


def _is_space(given: Any) -> bool:
    return isinstance(given, str) and given.startswith("space:")


def _is_word(value: Any) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= MAX_WORD
        and "\0" not in value
        and not any(0xD800 <= ord(letter) <= 0xDFFF for letter in value)
    )


def _has_controls(text: str) -> bool:
    return any(ord(letter) < 32 or 0xD800 <= ord(letter) <= 0xDFFF for letter in text)


def _is_encodable(text: str) -> bool:
    return not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)
