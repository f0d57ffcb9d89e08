from dataclasses import fields
from pathlib import Path

import pytest

from uzina.root import config
from uzina.root.admin import main


def build(given=None, environment=None):
    return config.build(given or {}, environment or {}, source="config.toml")


def mistakes(given=None, environment=None):
    with pytest.raises(config.ConfigWrong) as wrong:
        build(given, environment)
    return str(wrong.value).splitlines()


def test_without_a_file_the_embedded_default_runs():
    settings = build()
    assert settings.database.url == "sqlite:///var/uzina.sqlite3"
    assert settings.scheduler.kind == "local"


def test_the_environment_overrides_the_file():
    settings = build(
        {"site": {"port": 80, "name": "File"}, "store": {"folder": "x"}},
        {"UZINA_SITE_PORT": "81", "PATH": "/bin"},
    )
    assert (settings.site.port, settings.site.name, settings.store.folder) == (
        81,
        "File",
        Path("x"),
    )


def test_all_mistakes_are_listed_at_once():
    found = mistakes(
        {"site": {"port": "many", "colour": "blue"}, "sight": {}, "scheduler": {"kind": "pbs"}},
        {"UZINA_SITE_DEBUG": "perhaps", "UZINA_STIE_NAME": "x"},
    )
    assert found == [
        "config.toml: unknown section [sight]. Known: "
        f"{', '.join(one.name for one in fields(config.Config))}.",
        "config.toml: unknown field colour in [site]. Known: "
        "country, debug, host, name, port, secret_key, timezone, url.",
        "config.toml: port in [site] must be a number, not 'many'.",
        "environment: UZINA_SITE_DEBUG must be true or false, not 'perhaps'.",
        "config.toml: kind in [scheduler] must be one of local, slurm, not 'pbs'.",
        "environment: unknown variable UZINA_STIE_NAME.",
    ]


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("database", "url", "mysql://x/y"),
        ("database", "url", "sqlite:///"),
        ("site", "timezone", "Europe/Atlantis"),
        ("site", "country", "Romania"),
        ("site", "url", "portal.example.org"),
        ("site", "url", "https://portal.example.org/"),
        ("site", "port", 0),
        ("site", "port", 65536),
        ("worker", "lease_s", 1),
        ("scheduler", "poll_s", 0),
        ("scheduler", "ssh_port", 65536),
        ("scheduler", "usage_overlap_s", -1),
        ("scheduler", "accounts", "project"),
        ("scheduler", "identity", "person"),
        ("scheduler", "transport", "agent"),
        ("scheduler", "account_prefix", "UZ "),
    ],
)
def test_a_value_that_cannot_work_is_named(section, field, value):
    found = mistakes({section: {field: value}})
    assert len(found) == 1
    assert found[0].startswith(f"{section}.{field}")


def test_a_way_to_the_cluster_that_is_not_described_is_named_whole():
    ssh = {"kind": "slurm", "transport": "ssh", "ssh_user": "uzina"}
    assert mistakes({"scheduler": ssh | {"accounts": "project"}}) == [
        "scheduler.ssh_host must be set where transport is ssh.",
        "scheduler.ssh_key must be set where transport is ssh.",
        "scheduler.ssh_known_hosts must be set where transport is ssh.",
        "scheduler.account must name the account that those of projects are made below.",
    ]
    agent = {"kind": "slurm", "transport": "agent"}
    assert mistakes({"scheduler": agent | {"agent_token": "x" * 31}}) == [
        "scheduler.agent_token must have at least 32 characters where transport is agent."
    ]
    assert build({"scheduler": agent | {"agent_token": "x" * 32}})
    person = {"kind": "slurm", "identity": "person"}
    assert build({"scheduler": person}).scheduler.wrapper == "sudo -n /usr/local/sbin/uzina-as"
    assert mistakes({"scheduler": person | {"wrapper": " "}}) == [
        "scheduler.wrapper must be set where identity is person."
    ]


@pytest.mark.parametrize("value", [1, True])
def test_an_edge_that_works_is_taken(value):
    assert build({"site": {"port": 65535}}).site.port == 65535


def test_secrets_are_masked_when_shown():
    text = config.shown(
        build(
            {
                "site": {"secret_key": "hush"},
                "database": {"url": "postgresql://me:hush@localhost:5432/uzina"},
            }
        )
    )
    assert "hush" not in text
    assert 'url = "postgresql://me:***@localhost:5432/uzina"' in text


def test_what_is_shown_is_a_file_that_can_be_read_again(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(config.shown(build()))
    assert config.load({"UZINA_CONFIG": str(path)}) == build()


def test_a_file_that_is_not_toml_is_told_in_words(tmp_path, monkeypatch, capsys):
    path = tmp_path / "broken.toml"
    path.write_text("[site\nname = ")
    monkeypatch.setenv("UZINA_CONFIG", str(path))
    assert main(["config"]) == 2
    told = capsys.readouterr().err
    assert "is not TOML" in told
    assert "Traceback" not in told


def test_a_file_that_is_not_there_is_told_in_words(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UZINA_CONFIG", str(tmp_path / "none.toml"))
    assert main(["serve"]) == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{prize}", "{", "{0}"])
def test_an_acknowledgement_that_cannot_be_filled_in_is_told(text):
    with pytest.raises(config.ConfigWrong, match="programme.acknowledgement"):
        build({"programme": {"acknowledgement": text}})
