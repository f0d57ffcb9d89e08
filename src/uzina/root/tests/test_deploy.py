from pathlib import Path

from uzina.root import config

DEPLOY = Path(__file__).parents[4] / "deploy"


def test_the_example_configuration_is_one_and_names_every_field(tmp_path):
    example = config.load({"UZINA_CONFIG": str(DEPLOY / "config.toml")})
    assert example.scheduler.kind == "slurm"
    assert example.database.url.startswith("postgresql://")
    fields = {line.split(" = ")[0] for line in config.shown(example).splitlines() if " = " in line}
    text = (DEPLOY / "config.toml").read_text()
    assert all(f"\n{field} = " in text for field in fields)


def test_each_process_of_serve_has_a_unit_of_its_own():
    for part in ("web", "worker"):
        assert f"uzina-admin {part}\n" in (DEPLOY / f"uzina-{part}.service").read_text()


def test_the_agent_has_a_unit_that_leaves_a_running_submission_alone():
    text = (DEPLOY / "uzina-agent.service").read_text()
    assert "ExecStart=/srv/uzina/.venv/bin/uzina agent\n" in text
    assert "KillMode=process\n" in text
