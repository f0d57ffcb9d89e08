"""What the official shapes find, as a steward reads it: our field, and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass

from uzina.catalogue.rules.rdf import PREFIXES
from uzina.catalogue.rules.shapes import Finding
from uzina.core.text import _


@dataclass(frozen=True)
class Advice:
    """One sentence for a steward.

    field       of the form, "" where nobody can answer it there
    is_mistake  the shapes require it; otherwise they recommend it
    """

    field: str
    message: str
    is_mistake: bool


FIELDS = {
    "dct:title": ("title", _("Give the data a title.")),
    "dct:description": ("description", _("Describe the data.")),
    "dcat:theme": ("themes", _("Say what the data are about: choose a theme.")),
    "dcat:keyword": ("keywords", _("Add a few keywords, so that the data are found.")),
    "dcat:contactPoint": ("contact_email", _("Name whom to ask about the data.")),
    "dct:spatial": ("places", _("Say which countries the data speak of.")),
    "dct:temporal": ("begins_on", _("Say which days the data speak of.")),
    "dct:language": ("languages", _("Say in which languages the data are.")),
    "dct:accrualPeriodicity": ("frequency", _("Say how often the data change.")),
    "dct:accessRights": ("access_right", _("Say who may use the data.")),
    "dct:license": ("licence", _("Choose a licence.")),
    "dct:publisher": ("holder", _("Name who holds the data.")),
    "dct:creator": ("creators", _("Name who made the data.")),
    "foaf:name": ("creators", _("Give everybody who made the data a name.")),
    "dcat:landingPage": ("landing_url", _("Give the address of the data's own page.")),
    "adms:identifier": ("identifier", _("The identifier cannot be used.")),
    "dcat:distribution": ("files", _("Add a version with files.")),
}
"""By the property that the shapes miss: the field of ours it is made from, and the sentence."""

OTHER = _(
    "The record does not fit DCAT-AP in {path}. Tell the operator: this is not yours to mend."
)


def advice(findings: Iterable[Finding], *, dataset: str) -> list[Advice]:
    """Return what to tell a steward, mistakes first, each sentence once.

    dataset  the dataset's node. Recommendations about other nodes, such as where a country lies,
             are nothing a steward could follow and are left out; mistakes never are.
    """
    found: dict[Advice, None] = {}
    for one in findings:
        path = _short(one.path)
        field, message = FIELDS.get(path, ("", ""))
        if not one.is_mistake and (one.focus != dataset or not message or _is_ours(one)):
            continue
        found[Advice(field, message or OTHER.format(path=path or one.shape), one.is_mistake)] = None
    return sorted(found, key=lambda one: not one.is_mistake)


def _is_ours(finding: Finding) -> bool:
    """Tell whether a recommendation is about how we write, not about what was answered: that
    publishers are bodies of the Union's own list.
    """
    return finding.component == "NodeConstraintComponent"


def _short(iri: str) -> str:
    for prefix, base in PREFIXES.items():
        if iri.startswith(base):
            return f"{prefix}:{iri[len(base) :]}"
    return iri
