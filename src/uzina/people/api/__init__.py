"""The API of people, organisations, projects, tokens and messages."""

from ninja import Router

from uzina.people.api import messages, organisations, persons, projects

router = Router(tags=["people"])
for part in (persons, organisations, projects, messages):
    router.add_router("", part.router)
