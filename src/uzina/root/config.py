"""The settings of a factory: one config.toml, each value overridable by an environment variable.

`UZINA_<SECTION>_<FIELD>` overrides `field` of `[section]`. The file is the one named by
UZINA_CONFIG, else ./config.toml where there is one; without any, the embedded default runs.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

OTHERS = {"UZINA_TOKEN", "UZINA_URL", "UZINA_RUN_DIR", "UZINA_JOB_KEY"}
"""Variables of ours that are not settings: those of the client and those a job finds."""


AGENT_TOKEN_LEAST = 32


class ConfigWrong(Exception):
    """The configuration has mistakes; the message lists all of them, one a line."""


def doc(text: str, default: Any = MISSING, *, secret: bool = False) -> Any:
    """Declare a field with its meaning, its default and whether it must be masked when shown."""
    metadata = {"doc": text, "secret": secret}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class SiteConfig:
    """The factory and its portal."""

    name: str = doc("The factory's name, in the header of each page and in mail.", "RO AI Factory")
    url: str = doc(
        "Where people reach the portal, without a slash at the end.", "http://127.0.0.1:8000"
    )
    country: str = doc("Two letters; whose public holidays stop the clock of targets.", "RO")
    timezone: str = doc("Where the factory's deadlines are read.", "Europe/Bucharest")
    host: str = doc("The address to listen on.", "127.0.0.1")
    port: int = doc("The port to listen on.", 8000)
    secret_key: str = doc(
        "Signs sessions and the audit log. Empty: made once and kept in the folder var.",
        "",
        secret=True,
    )
    debug: bool = doc("Show tracebacks in pages. Never on a real portal.", False)


@dataclass(frozen=True)
class FoldersConfig:
    """Folders. Relative ones start at the folder the server is started in."""

    var: Path = doc(
        "What the factory itself keeps: keys, the heads of the log, run state.", Path("var")
    )


@dataclass(frozen=True)
class DatabaseConfig:
    """The database."""

    url: str = doc(
        "sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME.",
        "sqlite:///var/uzina.sqlite3",
        secret=True,
    )


@dataclass(frozen=True)
class StoreConfig:
    """Where files of datasets and models lie."""

    kind: Literal["folder", "s3"] = doc(
        "folder: files of this machine; s3: a bucket of any S3.", "folder"
    )
    folder: Path = doc("Folder of the content-addressed store.", Path("var/store"))
    endpoint: str = doc("Address of the S3, where kind is s3.", "")
    public_endpoint: str = doc(
        "Where people reach the S3, if that is another address. Links for them lead there.", ""
    )
    bucket: str = doc("Its bucket, which must exist and belong to the factory alone.", "")
    region: str = doc("Its region, as signatures name it.", "us-east-1")
    access_key: str = doc("Who signs in to the S3.", "", secret=True)
    secret_key: str = doc("And with which secret.", "", secret=True)
    is_path_style: bool = doc(
        "The bucket is a part of the path, as most S3 other than Amazon's want it; false: of the "
        "host.",
        True,
    )


@dataclass(frozen=True)
class CatalogueConfig:
    """Datasets and how they are named to the world."""

    identifier_prefix: str = doc(
        "Begins the identifiers of published data. 10.5072 is the prefix for tests: such an "
        "identifier leads to this portal only.",
        "10.5072",
    )


@dataclass(frozen=True)
class DataspaceConfig:
    """Our end of the Dataspace Protocol."""

    participant: str = doc(
        "Our name in the data space, such as a DID. Empty: the site's address.", ""
    )
    may_private: bool = doc(
        "Take messages to participants on private networks and on this machine too.", False
    )


@dataclass(frozen=True)
class SpacesConfig:
    """Storage of projects: how much, how long, and what happens afterwards."""

    default_gb: int = doc("Storage of a project whose award names none, GB.", 100)
    scratch_percent: int = doc("Share of a project's storage that is scratch.", 40)
    project_percent: int = doc("Share that is the project space.", 40)
    dataset_percent: int = doc("Share that is the dataset space. Together at most 100.", 20)
    mb_per_file: int = doc("One file for so many MB of storage; small files cost most.", 1)
    least_files: int = doc("Files that even the smallest space takes.", 10_000)
    scratch_days: int = doc("Days after its last use that a file in scratch goes to the trash.", 60)
    grace_days: int = doc(
        "Days after a project's end that its spaces go to the trash, where no award says it.", 30
    )
    trash_days: int = doc("Days in the trash, from which all can be taken out again.", 14)
    respite_days: int = doc(
        "Days a lead gets, once, who takes an ended space out of the trash.", 14
    )
    upload_hours: int = doc("Hours after which room set aside for an upload is free again.", 48)


@dataclass(frozen=True)
class SchedulerConfig:
    """What runs the jobs."""

    kind: Literal["local", "slurm"] = doc(
        "local: processes on this machine; slurm: a cluster.", "local"
    )
    name: str = doc("Name of the cluster, as people see it.", "laptop")
    run_root: Path = doc(
        "Run directories of jobs; shared with the compute nodes.", Path("var/runs")
    )
    state: Path = doc("Where the local scheduler keeps its queue.", Path("var/scheduler"))
    python: str = doc("Interpreter that runs the recipes. Empty: the server's own.", "")
    cpus: int = doc("CPU slots of the local scheduler. 0: as many as the machine has.", 0)
    gpus: int = doc("GPU slots of the local scheduler; a slot need not be a real GPU.", 1)
    memory_mb: int = doc("Memory slots of the local scheduler, MiB. 0: three quarters of all.", 0)
    slurm_conf: str = doc("Path of slurm.conf, where it is not the system's.", "")
    partition: str = doc("Slurm partition jobs go to. Empty: the cluster's default.", "")
    account: str = doc("Slurm account jobs are charged to. Empty: the submitter's default.", "")
    poll_s: int = doc("Seconds between looks at the scheduler.", 1)
    accounts: Literal["shared", "project"] = doc(
        "shared: every job is charged to account; project: one account a project, made below "
        "account and kept in step by the factory.",
        "shared",
    )
    account_prefix: str = doc("Begins the names of the accounts of projects.", "uz-")
    identity: Literal["shared", "person"] = doc(
        "shared: jobs run as the service's own user; person: as the Unix user of who submitted.",
        "shared",
    )
    wrapper: str = doc(
        "Command that acts as another user, where identity is person.",
        "sudo -n /usr/local/sbin/uzina-as",
    )
    transport: Literal["local", "ssh", "agent"] = doc(
        "How commands reach the cluster. local: run here; ssh: on ssh_host; agent: fetched by "
        "`uzina agent` on a host of the cluster.",
        "local",
    )
    ssh_host: str = doc("Host the cluster's commands run on, where transport is ssh.", "")
    ssh_port: int = doc("Its port.", 22)
    ssh_user: str = doc("The user to sign in as.", "")
    ssh_key: str = doc("Path of that user's private key, without a passphrase.", "")
    ssh_known_hosts: str = doc("Path of a known_hosts file with the host's key.", "")
    agent_token: str = doc(
        "What the agent signs in with, where transport is agent: at least 32 characters.",
        "",
        secret=True,
    )
    usage_overlap_s: int = doc("Seconds by which looks at the accounting overlap.", 3600)
    repair: Literal["ask", "auto"] = doc(
        "What to do when an account or a user on the cluster is missing or unknown here. auto: put "
        "it right, deleting nothing; ask: show it and wait for an operator. Limits are always kept.",
        "auto",
    )


@dataclass(frozen=True)
class SessionConfig:
    """Notebooks. Their pages come from an address of their own, never from the portal's."""

    url: str = doc(
        "Where people reach notebooks, without a slash at the end; another host or port than the "
        "portal's.",
        "http://127.0.0.1:8001",
    )
    host: str = doc("The address the notebooks' proxy listens on.", "127.0.0.1")
    port: int = doc("The port it listens on. 0: no notebooks.", 8001)
    hosts: str = doc(
        "Regular expression of the machines notebooks run on. Empty: this machine only.", ""
    )


@dataclass(frozen=True)
class MailConfig:
    """Outgoing mail."""

    backend: Literal["file", "smtp"] = doc("file: kept in var/mail; smtp: sent.", "file")
    host: str = doc("SMTP server.", "localhost")
    port: int = doc("SMTP port.", 25)
    user: str = doc("Who signs in at the SMTP server. Empty: nobody signs in.", "")
    password: str = doc("The password of that user.", "", secret=True)
    security: Literal["none", "starttls", "tls"] = doc(
        "none: unencrypted, to a server of this machine; starttls: encrypted after greeting; tls: "
        "from the start.",
        "none",
    )
    timeout_s: int = doc("Seconds to wait for the SMTP server.", 30)
    sender: str = doc("From whom mail comes.", "factory@example.org")
    hold_s: int = doc("Seconds each message waits, visible to operators, before it leaves.", 0)
    digest_hour: int = doc("Hour of the factory's clock at which daily digests leave.", 8)


@dataclass(frozen=True)
class CallsConfig:
    """Calls: how long applicants are waited for, and when operators are told that we are late."""

    answer_days: int = doc("Working days an applicant has to answer a question.", 5)
    remind_days: int = doc("Working days before that at which they are reminded. 0: never.", 2)
    escalate_days: int = doc(
        "Working days after which a step that is late is escalated for the second time.", 2
    )


@dataclass(frozen=True)
class VatConfig:
    """Whether VAT numbers are looked up in the register of the Union, VIES."""

    is_asked: bool = doc("Ask the register. Off: only the form of a number is checked.", False)
    url: str = doc(
        "The register's REST interface, without a slash at the end.",
        "https://ec.europa.eu/taxation_customs/vies/rest-api",
    )
    timeout_s: int = doc("Seconds to wait for an answer.", 20)
    requester: str = doc(
        "The factory's own VAT number. With it each answer carries a consultation number, which "
        "proves that the factory asked.",
        "",
    )


@dataclass(frozen=True)
class HarvestConfig:
    """Harvesting the catalogues of other portals."""

    may_private: bool = doc(
        "Read portals on private networks and on this machine too. Off: only on the internet.",
        False,
    )
    most_mb: int = doc("Megabytes of one page, unpacked.", 50)
    most_pages: int = doc("Pages of one portal.", 1000)
    most_datasets: int = doc("Datasets of one portal.", 100_000)
    timeout_s: int = doc("Seconds to wait for one page.", 120)


@dataclass(frozen=True)
class WorkerConfig:
    """The worker."""

    lease_s: int = doc("A task whose worker is silent for so many seconds is taken over.", 60)
    idle_s: float = doc("Seconds an idle worker waits before it looks again.", 0.25)


@dataclass(frozen=True)
class ProgrammeConfig:
    """What the factory owes its funders."""

    acknowledgement: str = doc(
        "What publications have to say. {project}, {award}, {machine} and {host} are filled in.",
        "We acknowledge EuroHPC JU for awarding the project ID {award} access to {machine} hosted"
        " by {host}.",
    )
    machine: str = doc("The machine, where an award names no partition. Empty: site.name.", "")
    host: str = doc("Who hosts the machine. Empty: site.name.", "")
    under_use_percent: int = doc(
        "Below this share of an even pace, leads are asked each month why hours are not used.", 50
    )
    grams_per_kwh: int = doc(
        "CO2 of the site's electricity, grams a kWh, for reports. 0: not known.", 0
    )


@dataclass(frozen=True)
class Config:
    """All settings of a factory."""

    site: SiteConfig = field(default_factory=SiteConfig)
    folders: FoldersConfig = field(default_factory=FoldersConfig)
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    catalogue: CatalogueConfig = field(default_factory=CatalogueConfig)
    dataspace: DataspaceConfig = field(default_factory=DataspaceConfig)
    spaces: SpacesConfig = field(default_factory=SpacesConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    session: SessionConfig = field(default_factory=SessionConfig)
    mail: MailConfig = field(default_factory=MailConfig)
    vat: VatConfig = field(default_factory=VatConfig)
    calls: CallsConfig = field(default_factory=CallsConfig)
    harvest: HarvestConfig = field(default_factory=HarvestConfig)
    worker: WorkerConfig = field(default_factory=WorkerConfig)
    programme: ProgrammeConfig = field(default_factory=ProgrammeConfig)


def load(environment: Mapping[str, str]) -> Config:
    """Return the configuration of this process.

    Raises ConfigWrong with every mistake: unreadable file, unknown section or field, a value of
    the wrong type, an unknown environment variable that begins like ours.
    """
    named = environment.get("UZINA_CONFIG", "")
    path = Path(named or "config.toml")
    if named or path.exists():
        try:
            given = tomllib.loads(path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            msg = f"{path}: cannot be read ({error}). Name another file in UZINA_CONFIG."
            raise ConfigWrong(msg) from error
        except tomllib.TOMLDecodeError as error:
            msg = f"{path}: is not TOML: {error}."
            raise ConfigWrong(msg) from error
    else:
        given = {}
    return build(given, environment, source=str(path))


def build(given: Mapping[str, Any], environment: Mapping[str, str], *, source: str) -> Config:
    """Return the configuration made of a parsed file and of environment variables."""
    mistakes: list[str] = []
    sections: dict[str, Any] = {}
    known = {section.name: section for section in fields(Config)}
    mistakes += [
        f"{source}: unknown section [{name}]. Known: {', '.join(known)}."
        for name in given
        if name not in known
    ]
    used = {"UZINA_CONFIG"}
    for name, section in known.items():
        kind = section.default_factory
        table = given.get(name, {})
        if not isinstance(table, dict):
            mistakes.append(f"{source}: [{name}] must be a section.")
            table = {}
        sections[name] = _section(kind, name, table, environment, source, used, mistakes)
    mistakes += [
        f"environment: unknown variable {name}."
        for name in environment
        if name.startswith("UZINA_")
        and name not in used
        and not name.startswith("UZINA_TEST_")
        and name not in OTHERS
    ]
    if mistakes:
        raise ConfigWrong("\n".join(mistakes))
    config = Config(**sections)
    mistakes += _check(config)
    if mistakes:
        raise ConfigWrong("\n".join(mistakes))
    return config


def _section(
    kind: Any,
    name: str,
    table: Mapping[str, Any],
    environment: Mapping[str, str],
    source: str,
    used: set[str],
    mistakes: list[str],
) -> Any:
    hints = get_type_hints(kind)
    known = {one.name for one in fields(kind)}
    mistakes += [
        f"{source}: unknown field {one} in [{name}]. Known: {', '.join(sorted(known))}."
        for one in table
        if one not in known
    ]
    values: dict[str, Any] = {}
    for one in fields(kind):
        variable = f"UZINA_{name}_{one.name}".upper()
        used.add(variable)
        if variable in environment:
            value, where = environment[variable], f"environment: {variable}"
        elif one.name in table:
            value, where = table[one.name], f"{source}: {one.name} in [{name}]"
        else:
            continue
        try:
            values[one.name] = _convert(value, hints[one.name])
        except ValueError as error:
            mistakes.append(f"{where} {error}")
    return kind(**values)


def _convert(value: Any, wanted: Any) -> Any:
    if get_origin(wanted) is Literal:
        if value not in get_args(wanted):
            msg = f"must be one of {', '.join(get_args(wanted))}, not {value!r}."
            raise ValueError(msg)
        return value
    if wanted is bool:
        words = {"true": True, "1": True, "false": False, "0": False, True: True, False: False}
        found = words.get(value.lower() if isinstance(value, str) else value)
        if found is None:
            msg = f"must be true or false, not {value!r}."
            raise ValueError(msg)
        return found
    if wanted in (int, float):
        if isinstance(value, bool):
            msg = f"must be a number, not {value!r}."
            raise ValueError(msg)
        try:
            return wanted(value)
        except (TypeError, ValueError) as error:
            msg = f"must be a number, not {value!r}."
            raise ValueError(msg) from error
    if not isinstance(value, str):
        msg = f"must be text in quotes, not {value!r}."
        raise ValueError(msg)  # noqa: TRY004 - all mistakes are of one kind here
    return Path(value) if wanted is Path else value


def _check_programme(programme: ProgrammeConfig) -> list[str]:
    try:
        programme.acknowledgement.format(project="", award="", machine="", host="")
    except (KeyError, IndexError, ValueError):
        return ["programme.acknowledgement: use only {project}, {award}, {machine}, {host}."]
    return []


def _check_catalogue(catalogue: CatalogueConfig) -> list[str]:
    if re.fullmatch(r"10\.[0-9]{4,9}(\.[0-9]{1,9})*", catalogue.identifier_prefix):
        return []
    return ["catalogue.identifier_prefix must look like 10.12345."]


def _check_spaces(spaces: SpacesConfig) -> list[str]:
    mistakes = [
        f"spaces.{one.name} must not be below {least}."
        for one in fields(SpacesConfig)
        for least in (0 if one.name.endswith(("_percent", "_gb", "_files")) else 1,)
        if getattr(spaces, one.name) < least
    ]
    if spaces.scratch_percent + spaces.project_percent + spaces.dataset_percent > 100:
        mistakes.append("spaces: the three percents must not be more than 100 together.")
    return mistakes


def _check(config: Config) -> list[str]:
    mistakes = []
    database = urlsplit(config.database.url)
    if database.scheme not in {"sqlite", "postgresql"}:
        mistakes.append("database.url must begin with sqlite:/// or postgresql://.")
    elif database.scheme == "sqlite" and not database.path.strip("/"):
        mistakes.append("database.url names no file: write sqlite:///var/uzina.sqlite3.")
    try:
        ZoneInfo(config.site.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        mistakes.append(f"site.timezone: there is no time zone {config.site.timezone!r}.")
    mistakes += _check_programme(config.programme)
    mistakes += _check_spaces(config.spaces)
    mistakes += _check_catalogue(config.catalogue)
    try:
        re.compile(config.session.hosts)
    except re.error as error:
        mistakes.append(f"session.hosts is not a regular expression: {error}.")
    if len(config.site.country) != 2 or not config.site.country.isupper():
        mistakes.append("site.country must be two capital letters, such as RO.")
    if urlsplit(config.site.url).scheme not in {"http", "https"} or config.site.url.endswith("/"):
        mistakes.append("site.url must begin with http:// or https:// and not end with a slash.")
    if urlsplit(config.vat.url).scheme not in {"http", "https"} or config.vat.url.endswith("/"):
        mistakes.append("vat.url must begin with http:// or https:// and not end with a slash.")
    for name, value, least, most in (
        ("site.port", config.site.port, 1, 65535),
        ("programme.under_use_percent", config.programme.under_use_percent, 0, 100),
        ("programme.grams_per_kwh", config.programme.grams_per_kwh, 0, 5000),
        ("session.port", config.session.port, 0, 65535),
        ("mail.port", config.mail.port, 1, 65535),
        ("mail.timeout_s", config.mail.timeout_s, 1, 600),
        ("vat.timeout_s", config.vat.timeout_s, 1, 300),
        ("mail.hold_s", config.mail.hold_s, 0, 7 * 86400),
        ("mail.digest_hour", config.mail.digest_hour, 0, 23),
        ("calls.answer_days", config.calls.answer_days, 1, 250),
        ("calls.remind_days", config.calls.remind_days, 0, 250),
        ("calls.escalate_days", config.calls.escalate_days, 1, 250),
        ("scheduler.cpus", config.scheduler.cpus, 0, 4096),
        ("scheduler.gpus", config.scheduler.gpus, 0, 256),
        ("scheduler.memory_mb", config.scheduler.memory_mb, 0, 2**31 - 1),
        ("scheduler.poll_s", config.scheduler.poll_s, 1, 3600),
        ("scheduler.ssh_port", config.scheduler.ssh_port, 1, 65535),
        ("scheduler.usage_overlap_s", config.scheduler.usage_overlap_s, 0, 30 * 86400),
        ("worker.lease_s", config.worker.lease_s, 2, 3600),
        ("worker.idle_s", config.worker.idle_s, 0.01, 60),
    ):
        if not least <= value <= most:
            mistakes.append(f"{name} must be from {least} to {most}, not {value}.")
    return mistakes + _check_store(config.store) + _check_scheduler(config.scheduler)


def _check_store(store: StoreConfig) -> list[str]:
    if store.kind == "folder":
        return []
    mistakes = [
        f"store.{name} must be set where kind is s3."
        for name in ("endpoint", "bucket", "region", "access_key", "secret_key")
        if not getattr(store, name)
    ]
    for name in ("endpoint", "public_endpoint"):
        address = getattr(store, name)
        if address and urlsplit(address).scheme not in {"http", "https"}:
            mistakes.append(f"store.{name} must begin with http:// or https://.")
    return mistakes


def _check_scheduler(scheduler: SchedulerConfig) -> list[str]:
    mistakes = []
    needs_slurm = {
        "accounts": scheduler.accounts == "project",
        "identity": scheduler.identity == "person",
        "transport": scheduler.transport != "local",
    }
    if scheduler.kind == "local":
        mistakes += [
            f"scheduler.{name} = {getattr(scheduler, name)} needs kind = slurm."
            for name, is_so in needs_slurm.items()
            if is_so
        ]
    if scheduler.transport == "ssh":
        mistakes += [
            f"scheduler.{name} must be set where transport is ssh."
            for name in ("ssh_host", "ssh_user", "ssh_key", "ssh_known_hosts")
            if not getattr(scheduler, name)
        ]
    is_weak = len(scheduler.agent_token) < AGENT_TOKEN_LEAST
    if scheduler.kind != "local" and scheduler.transport == "agent" and is_weak:
        mistakes.append(
            "scheduler.agent_token must have at least 32 characters where transport is agent."
        )
    if scheduler.kind != "local" and scheduler.accounts == "project" and not scheduler.account:
        mistakes.append(
            "scheduler.account must name the account that those of projects are made below."
        )
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,19}|", scheduler.account_prefix):
        mistakes.append(
            "scheduler.account_prefix may have small letters, digits, - and _, at most 20."
        )
    if scheduler.identity == "person" and not scheduler.wrapper.split():
        mistakes.append("scheduler.wrapper must be set where identity is person.")
    return mistakes


def shown(config: Config) -> str:
    """Return the effective values as TOML with their meaning, secrets masked."""
    lines = []
    for section in fields(Config):
        part = getattr(config, section.name)
        lines.append(f"[{section.name}]  # {type(part).__doc__}")
        for one in fields(part):
            value = getattr(part, one.name)
            if one.metadata["secret"] and value:
                value = "***" if "://" not in str(value) else _masked(str(value))
            text = str(value).lower() if isinstance(value, bool) else value
            text = text if isinstance(value, int | float) else f'"{value}"'
            text = str(value).lower() if isinstance(value, bool) else text
            lines.append(f"# {one.metadata['doc']}")
            lines.append(f"{one.name} = {text}")
        lines.append("")
    return "\n".join(lines)


def _masked(url: str) -> str:
    parts = urlsplit(url)
    if parts.password:
        return url.replace(f":{parts.password}@", ":***@")
    return url


def current() -> Config:
    """Return the configuration of this process, from its environment."""
    return load(os.environ)
