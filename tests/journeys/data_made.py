"""Data that the story does not leave: restricted, asked for, granted, harvested, stored."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from uzina.root.demo import OFFICE, Factory
from uzina_client import Client
from uzina_client.story import Login, Story

ANSWERS = {
    "collection": ["published"],
    "personal_data": "none",
    "capacity": "business",
    "cost": "free",
    "purposes_allowed": "Cercetare.",
}
TEXTS = "id,text,source\n1,Bună ziua,presă\n2,O știre despre școli,presă\n"
DESCRIBED = {
    "themes": ["EDUC", "SOCI"],
    "keywords": ["știri", "presă"],
    "contact_name": "Biroul de date",
    "contact_email": "date@presa.example",
    "places": ["ROU"],
    "begins_on": "2019-01-01",
    "ends_on": "2025-12-31",
    "frequency": "MONTHLY",
    "access_right": "restricted",
    "answers": ANSWERS,
    "translations": {
        "en": {
            "title": "News of the towns",
            "description": "Articles from the newspapers of twelve towns, one in each row.",
        }
    },
}
POLICY = {"purposes": ["research"], "countries": ["EU"], "attribute": True, "delete_days": 30}


def login(factory: Factory, story: Story, role: str) -> Login:
    """Return who signs in for a role."""
    known = {"applicant": story.cast.applicant, "lead": story.cast.lead}
    if role in known:
        return known[role]
    email, name = OFFICE[role]
    return Login(email=email, name=name, password=factory.open()[email])


def client(factory: Factory, story: Story, role: str) -> Client:
    """Return the portal as a role sees it by program."""
    who = login(factory, story, role)
    with Client(story.url) as nobody:
        token = nobody.people.token(email=who.email, password=who.password, name="data")
    return Client(story.url, token["secret"])


def make(factory: Factory, story: Story, folder: Path) -> dict[str, Any]:
    """Make them through the doors and return their names and codes."""
    project = story.facts["project"]
    with (
        client(factory, story, "applicant") as holder,
        client(factory, story, "lead") as lead,
        client(factory, story, "operator") as operator,
    ):
        owner = next(holder.people.organisations())["code"]
        for slug, title in (("local-news", "Știri din orașe"), ("school-texts", "Texte școlare")):
            restricted(holder, slug, title, owner, folder)
        end = datetime.now(UTC) + timedelta(days=30)
        why = "To count how words are used in newspapers."
        asked = {"project": project, "purpose": "academic-research", "why": why, "place": "RO"}
        granted = lead.permits.ask("local-news", until=end, **asked)["code"]
        holder.permits.grant(granted, reason="Research on language is what it is for.")
        lead.catalogue.download("local-news", 1, to=folder / "fetched")
        waiting = lead.permits.ask("school-texts", until=end, **asked)["code"]
        stored(lead, project, folder / "stored")
        source = operator.sources.add(
            {
                "title": "Portalul orașului",
                "url": "http://127.0.0.1:9/catalog.ttl",
                "kind": "dcat",
                "owner": owner,
            }
        )["code"]
        operator.catalogue.transport.post(
            "/catalogue/participants",
            {
                "name": "Datenraum Neustadt",
                "participant_id": "did:web:connector.example",
                "kind": "university",
                "country": "DE",
                "callback_base": "https://connector.example/callbacks",
            },
        )
    return {"project": project, "granted": granted, "waiting": waiting, "source": source}


def restricted(holder: Client, slug: str, title: str, owner: str, folder: Path) -> None:
    """Register, describe, fill in two versions and publish data of an organisation."""
    facts = {"description": "Articole din ziare, câte unul pe rând.", "title": title}
    holder.catalogue.register(
        {"slug": slug, "licence": "cc-by-4.0", "languages": ["ro"], "holder": owner, **facts}
    )
    holder.catalogue.describe(slug, DESCRIBED)
    text = folder / f"{slug}.csv"
    for number in (1, 2):
        text.write_text(TEXTS * number)
        note = "The first articles." if number == 1 else "A month more; dates mended."
        holder.catalogue.add_version(slug, paths={"texts/articles.csv": text}, note=note)
    holder.catalogue.publish(slug)
    holder.permits.offer(slug, POLICY)


def stored(lead: Client, project: str, folder: Path) -> None:
    """Fill the scratch space of a project, and put one file into its trash."""
    names = ("run-1/metrics.jsonl", "run-1/checkpoints/step-100.bin", "notes ăîșț.txt", "old.txt")
    for at, name in enumerate(names, start=1):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000 * at)
    place = f"{project}:scratch"
    lead.catalogue.push(place, folder)
    lead.spaces.trash(f"{place}/old.txt")
