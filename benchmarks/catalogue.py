"""What it costs to find data among 10,000 datasets, and to hand the catalogue to a harvester.

Run it as `python benchmarks/catalogue.py [--quick]`. On SQLite and on PostgreSQL it makes 10,000
datasets, then asks for the list a hundred times as a visitor: bare, by one, two and three words,
narrowed by one to three facets, sorted each way, and deep in the list. What is timed is the whole
page through WSGI, and `queries.search` alone. Beside them stand two limits in the same minutes: a
plain SELECT of 20 rows by an index, and the same words and counts asked of the database itself (one
GROUP BY over a table of tags). Then the export of the whole catalogue, of one page of 100 datasets in
each syntax beside rdflib writing the same triples as Turtle, and one look at a dataset's record
against the rules of DCAT-AP.

The datasets are made, not real: titles and descriptions are pieces of the shipped corpus of Debian's
manuals in their languages; themes, licences, formats, sizes and holders are drawn from a fixed seed,
a few of them common and most rare, as in portals; 5 % are restricted. The rows are written as the
actions leave them, with the search's entry and the harvested fragment by the actions themselves.

PostgreSQL is the server of UZINA_TEST_POSTGRES_URL, or a private one started for the run. The last
line is one JSON object. benchmarks/catalogue.md is written anew unless --quick is given.
"""

import argparse
import io
import json
import lzma
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

MANY, FEW = 10_000, 300
HOLDERS = 120
SEED = 20261122
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DATABASES = ("sqlite", "postgresql")
TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
SEARCHES = (
    "",
    "q=debian",
    "q=configurare+sistem",
    "q=network+server+configuration",
    "q=%22kernel%22",
    "q=xylofon",
    "theme=TECH",
    "theme=TECH&theme=EDUC&language=en",
    "access=public&format=CSV",
    "q=install&language=en&licence=cc-by-4.0",
    "q=install&language=en&licence=cc-by-4.0&sort=size",
    "sort=title",
    "sort=size",
    "year=2025&size=small&size=medium&access=public",
)
FORMATS = ("csv", "jsonl", "parquet", "txt", "json", "xml", "zip", "tsv", "html", "pdf")


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="few datasets, table not rewritten")
    parser.add_argument("--measure", choices=DATABASES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(FEW if asked.quick else MANY, times=1 if asked.quick else 8)))
        return
    with tempfile.TemporaryDirectory(prefix="catalogue-") as name:
        folder = Path(name)
        found = {
            "sqlite": run("sqlite", f"sqlite:///{folder}/bench.sqlite3", folder, asked.quick),
            "postgresql": on_postgres(folder, quick=asked.quick),
        }
    text = table(found)
    print(text)
    if not asked.quick:
        (HERE / "catalogue.md").write_text(text)
    print(json.dumps({"benchmark": "catalogue", "quick": asked.quick, **found}))


def on_postgres(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Measure in a database of its own, dropped afterwards."""
    import psycopg
    from services import postgres

    server = os.environ.get("UZINA_TEST_POSTGRES_URL")
    own = folder / "postgres"
    address = server or postgres.start(own)
    parts, name = urlsplit(address), f"catalogue_{os.getpid()}"
    try:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        try:
            return run("postgresql", urlunsplit(parts._replace(path=f"/{name}")), folder, quick)
        finally:
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        if server is None:
            postgres.stop(own)


def run(database: str, url: str, folder: Path, quick: bool) -> dict[str, Any]:  # noqa: FBT001
    """Measure in a process of its own, with settings of its own."""
    home = folder / database
    shutil.rmtree(home, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, __file__, "--measure", database, *(["--quick"] if quick else [])],
        env={name: value for name, value in os.environ.items() if not name.startswith("UZINA_")}
        | {
            "UZINA_FOLDERS_VAR": str(home),
            "UZINA_DATABASE_URL": url,
            "UZINA_STORE_FOLDER": str(home / "store"),
            "DJANGO_SETTINGS_MODULE": "uzina.root.settings",
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(rows: int, *, times: int) -> dict[str, Any]:
    """Return the figures for one database."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    began = time.process_time()
    fill(rows)
    filled_s = time.process_time() - began
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sqlite_version()")
        else:
            cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
    return {
        "datasets": rows,
        "version": version,
        "fill_cpu_ms_each": round(1000 * filled_s / rows, 2),
        **searching(times),
        **exporting(times),
        **validating(times),
        "limits": limits(times),
    }


def fill(rows: int) -> None:
    """Make the datasets, as the actions leave them."""
    from django.db import transaction

    from uzina.catalogue import actions, rules
    from uzina.catalogue.models import Dataset, Licence, Version
    from uzina.core.db import acting
    from uzina.people import actions as people
    from uzina.people.rules import OrganisationKind

    drawn = random.Random(SEED)
    texts = list(pieces(drawn, rows))
    actions.seed_licences(now=NOW)
    licences = list(Licence.objects.order_by("pk"))
    person = people.register(
        email="bench@bench.example",
        name="Bench",
        password="a long password",
        language="en",
        now=NOW,
    )
    kinds = list(OrganisationKind)
    holders = [
        people.register_organisation(
            people.OrganisationFacts(
                name=f"{texts[at % len(texts)][1].split(' ')[0]} {at}",
                kind=kinds[at % len(kinds)],
                country="RO",
                city="Iași",
                headcount=5,
                turnover_eur=1,
                balance_eur=1,
            ),
            by=person,
            now=NOW,
        )
        for at in range(HOLDERS)
    ]
    themes = list(rules.terms("data-theme"))
    for start in range(0, rows, 500):
        with transaction.atomic():
            made = Dataset.objects.bulk_create(
                dataset(at, texts[at], drawn, themes, licences, holders)
                for at in range(start, min(start + 500, rows))
            )
            Version.objects.bulk_create(version(one, drawn) for one in made)
        with acting():
            actions.retag(*made)
            for one in made:
                actions.refresh(one, now=NOW)


def pieces(drawn: random.Random, rows: int) -> Any:
    """Yield (language, title, description) from the shipped corpus."""
    from uzina_recipes import corpora

    with lzma.open(corpora.folder("debian-docs") / "documents.jsonl.xz", "rt") as file:
        documents = [json.loads(line) for line in file]
    documents = [one for one in documents if len(one["text"]) > 2_000]
    for _ in range(rows):
        one = drawn.choice(documents)
        at = drawn.randrange(len(one["text"]) - 1_500)
        words = one["text"][at : at + drawn.randrange(300, 1_400)].split()
        yield one["language"], " ".join(words[1:8])[:190] or "Data", " ".join(words[8:]) or "Data"


def rare(drawn: random.Random, values: Sequence[Any]) -> Any:
    """Return one of the values, the first far more often than the last."""
    return values[min(int(drawn.expovariate(5.0 / len(values))), len(values) - 1)]


def dataset(
    at: int,
    text: tuple[str, str, str],
    drawn: random.Random,
    themes: Sequence[str],
    licences: Sequence[Any],
    holders: Sequence[Any],
) -> Any:
    """Return one published dataset, not saved."""
    from uzina.catalogue import rules
    from uzina.catalogue.models import Dataset

    language, title, description = text
    moment = NOW - timedelta(minutes=37 * at)
    return Dataset(
        slug=f"data-{at}",
        title=title,
        description=description,
        licence=rare(drawn, licences),
        languages=" ".join(dict.fromkeys([language, rare(drawn, ["en", "ro", "de", "fr"])])),
        holder=rare(drawn, holders),
        state=rules.DatasetState.PUBLISHED,
        access_right=rules.AccessRight.RESTRICTED
        if drawn.random() < 0.05
        else rules.AccessRight.PUBLIC,
        themes=sorted({rare(drawn, themes) for _ in range(drawn.randrange(1, 4))}),
        keywords=[word for word in description.split()[:4] if len(word) > 3],
        places=["ROU"],
        frequency="ANNUAL",
        search_text="",
        made_at=moment,
        changed_at=moment,
        published_at=moment,
    )


def version(owner: Any, drawn: random.Random) -> Any:
    """Return its first version, of one to five files, not saved."""
    from uzina.catalogue import rules
    from uzina.catalogue.models import Version

    files = rules.manifest(
        {
            "path": f"part-{at}.{rare(drawn, FORMATS)}",
            "bytes": int(10 ** drawn.uniform(3, 11)),
            "sha256": f"{drawn.getrandbits(256):064x}",
        }
        for at in range(drawn.randrange(1, 6))
    )
    return Version(
        dataset=owner,
        number=1,
        digest=rules.digest(files),
        manifest=[vars(one) for one in files],
        bytes=sum(one.bytes for one in files),
        file_count=len(files),
        created_at=owner.made_at,
    )


# What is measured -------------------------------------------------------------------------------


def timed(work: Callable[[], Any], times: int) -> list[float]:
    """Return the milliseconds of each of so many goes, after one that is not counted."""
    work()
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append(1000 * (time.perf_counter() - began))
    return spent


def percentiles(spent: Sequence[float]) -> dict[str, float]:
    """Return median and 95th percentile."""
    ordered = sorted(spent)
    return {
        "p50_ms": round(statistics.median(ordered), 1),
        "p95_ms": round(ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)], 1),
    }


def searching(times: int) -> dict[str, Any]:
    """Return what the list costs, as a page and as a query."""
    from django.contrib.auth.models import AnonymousUser
    from django.core.wsgi import get_wsgi_application
    from django.db import connection
    from django.http import QueryDict
    from django.test.utils import CaptureQueriesContext

    from uzina.catalogue import queries, rules

    application = get_wsgi_application()
    pages, alone, each = [], [], {}
    statements = set()
    for asked in SEARCHES:
        given = QueryDict(asked)
        wanted = rules.wanted(
            given.get("q", ""),
            {kind: given.getlist(kind) for kind in rules.FACETS},
            given.get("sort", ""),
        )

        def find(wanted: Any = wanted, cursor: str = "") -> Any:
            return queries.search(wanted, seen_by=AnonymousUser(), limit=20, cursor=cursor)

        found = find()
        mine = timed(find, times)
        alone += mine
        if found.total > 5_000:
            alone += timed(lambda find=find: find(cursor="5000-0"), times)
        path = f"/datasets/?{asked}"
        whole = timed(lambda path=path: ask(application, path), times)
        pages += whole
        with CaptureQueriesContext(connection) as captured:
            ask(application, path)
        statements.add(len(captured))
        each[asked or "(all)"] = {
            "found": found.total,
            "search_ms": round(statistics.median(mine), 1),
            "page_ms": round(statistics.median(whole), 1),
            "sql": len(captured),
        }
    return {
        "search": percentiles(alone),
        "page": percentiles(pages),
        "sql": sorted(statements),
        "each": each,
    }


def exporting(times: int) -> dict[str, Any]:
    """Return what a harvester costs, beside rdflib with the same triples."""
    import rdflib
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from uzina.catalogue import queries
    from uzina.catalogue.rules import feeds
    from uzina.catalogue.rules.rdf import written

    base = "https://portal.example"

    def dump() -> int:
        return sum(len(piece) for piece in queries.catalog_dump(name="Bench", base=base))

    def page(ending: str) -> bytes:
        found = queries.catalog_page(feeds.wish({}))
        ntriples = queries.catalog_ntriples(found, name="Bench", ending=ending, base=base)
        return written(ntriples, ending)

    began = time.perf_counter()
    size = dump()
    dump_s = time.perf_counter() - began
    with CaptureQueriesContext(connection) as captured:
        page("ttl")
    ntriples = queries.catalog_ntriples(
        queries.catalog_page(feeds.wish({})), name="Bench", ending="ttl", base=base
    )
    graph = rdflib.Graph().parse(data=ntriples, format="nt")
    return {
        "dump_s": round(dump_s, 2),
        "dump_mb": round(size / 1e6, 1),
        "export_page_sql": len(captured),
        "export_page_triples": len(graph),
        "export_page_ms": {
            ending: round(statistics.median(timed(lambda ending=ending: page(ending), times)), 1)
            for ending in ("ttl", "jsonld", "rdf")
        },
        "write_ms": round(statistics.median(timed(lambda: written(ntriples, "ttl"), times)), 1),
        "rdflib_write_ms": round(
            statistics.median(timed(lambda: graph.serialize(format="turtle"), 2)), 1
        ),
    }


def validating(times: int) -> dict[str, Any]:
    """Return what one validation against the shapes of DCAT-AP costs, beside pyshacl."""
    import pyshacl
    import rdflib

    from uzina.catalogue.models import Fragment
    from uzina.catalogue.rules import shapes
    from uzina.catalogue.rules.rdf import placed, written

    wanted = shapes.shapes(next(iter(shapes.origin())))
    one = placed(Fragment.objects.order_by("pk").first().ntriples, "https://portal.example")
    data = rdflib.Graph().parse(data=written(one, "ttl"), format="turtle")
    rules = rdflib.Graph().parse(data=wanted, format="nt")
    spent = timed(lambda: pyshacl.validate(data, shacl_graph=rules), min(times, 3))
    return {"pyshacl_ms": round(statistics.median(spent), 1)}


def limits(times: int) -> dict[str, float]:
    """Return the least a database does: twenty rows by an index; and its own count of tags."""
    from django.db import connection, transaction

    from uzina.catalogue.models import Dataset, SearchEntry

    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE tag (dataset bigint, kind text, value text)")
        rows = [
            (pk, *tag.split(":", 1))
            for pk, tags in SearchEntry.objects.values_list("pk", "tags")
            for tag in tags.split()
        ]
        with transaction.atomic():
            cursor.executemany("INSERT INTO tag VALUES (%s, %s, %s)", rows)
        cursor.execute("CREATE INDEX tag_by_kind ON tag (kind, value, dataset)")
        cursor.execute("CREATE INDEX tag_by_dataset ON tag (dataset)")
        cursor.execute("ANALYZE")

        def group() -> None:
            cursor.execute(
                "SELECT kind, value, count(*) FROM tag WHERE dataset IN "
                "(SELECT id FROM catalogue_dataset WHERE state = 'published') GROUP BY kind, value"
            )
            cursor.fetchall()

        return {
            "select_20_ms": round(
                statistics.median(
                    timed(lambda: list(Dataset.objects.order_by("-pk").values_list("pk")[:20]), 50)
                ),
                2,
            ),
            "group_by_ms": round(statistics.median(timed(group, times)), 1),
        }


def ask(application: Callable[..., Any], path: str) -> int:
    """Send one GET through WSGI and return the length of its body; anything but 200 stops."""
    place, _mark, query = path.partition("?")
    seen: list[str] = []
    body = application(
        {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": place,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1:8000",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        },
        lambda status, _headers: seen.append(status),
    )
    size = sum(len(piece) for piece in body)
    body.close()
    if not seen[0].startswith("200"):
        msg = f"{path} answered {seen[0]}"
        raise RuntimeError(msg)
    return size


def table(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    first = found["sqlite"]
    lines = [
        "# Catalogue",
        "",
        (
            f"{first['datasets']:,} datasets, made as the head of `benchmarks/catalogue.py` says; "
            f"one process of Python {platform.python_version()}, milliseconds as the clock on the "
            "wall counts them, other work on the machine included."
        ),
        "",
        "| | " + " | ".join(f"{TITLES[one]} {found[one]['version']}" for one in DATABASES) + " |",
        "|---|---|---|",
    ]
    figures: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("Page of the list, p50", lambda one: f"{one['page']['p50_ms']} ms"),
        ("Page of the list, p95", lambda one: f"{one['page']['p95_ms']} ms"),
        ("Search and counts alone, p50", lambda one: f"{one['search']['p50_ms']} ms"),
        ("Search and counts alone, p95", lambda one: f"{one['search']['p95_ms']} ms"),
        (
            "SQL statements of a page",
            lambda one: " to ".join(map(str, sorted({one["sql"][0], one["sql"][-1]}))),
        ),
        ("Limit: 20 rows by an index", lambda one: f"{one['limits']['select_20_ms']} ms"),
        (
            "Peer: tags counted by GROUP BY, nothing chosen",
            lambda one: f"{one['limits']['group_by_ms']} ms",
        ),
        ("Export of the whole catalogue", lambda one: f"{one['dump_s']} s, {one['dump_mb']} MB"),
        ("Export of 100 datasets as Turtle", lambda one: f"{one['export_page_ms']['ttl']} ms"),
        ("… as JSON-LD", lambda one: f"{one['export_page_ms']['jsonld']} ms"),
        ("… as RDF/XML", lambda one: f"{one['export_page_ms']['rdf']} ms"),
        ("SQL statements of that", lambda one: str(one["export_page_sql"])),
        ("Writing its triples as Turtle", lambda one: f"{one['write_ms']} ms"),
        ("Peer: rdflib writing the same triples", lambda one: f"{one['rdflib_write_ms']} ms"),
        ("One dataset against the shapes, pyshacl", lambda one: f"{one['pyshacl_ms']} ms"),
        ("Filling, CPU a dataset", lambda one: f"{one['fill_cpu_ms_each']} ms"),
    ]
    lines += [
        f"| {name} | " + " | ".join(show(found[one]) for one in DATABASES) + " |"
        for name, show in figures
    ]
    lines += [
        "",
        "| Search | Found | " + " | ".join(f"Page, {TITLES[one]}" for one in DATABASES) + " |",
        "|---|---|---|---|",
    ]
    for asked, row in first["each"].items():
        cells = " | ".join(f"{found[one]['each'][asked]['page_ms']} ms" for one in DATABASES)
        lines.append(f"| `{asked}` | {row['found']:,} | {cells} |")
    return "\n".join(lines) + "\n\nMade by `benchmarks/catalogue.py`.\n"


if __name__ == "__main__":
    main()
