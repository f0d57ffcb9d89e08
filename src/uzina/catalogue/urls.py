"""Addresses of the catalogue's pages, from the root of the site."""

from django.urls import path, register_converter
from django.urls.converters import IntConverter, StringConverter

from uzina.catalogue import views
from uzina.catalogue.api import dataspace
from uzina.catalogue.views import feeds, oai, participants, sources, spaces, terms


class NumberConverter(IntConverter):
    """A version number: positive and small enough for a column."""

    regex = "[1-9][0-9]{0,8}"


class EndingConverter(StringConverter):
    """The syntax of a document."""

    regex = "ttl|jsonld|rdf"


class KindConverter(StringConverter):
    """The kind of a space."""

    regex = "scratch|project|dataset"


register_converter(NumberConverter, "number")
register_converter(KindConverter, "kind")
register_converter(EndingConverter, "ending")

app_name = "catalogue"
DSP = "dsp/2025-1/"
NEG = f"{DSP}negotiations/<str:pid>"
TRANSFER = f"{DSP}transfers/<str:pid>"
VERSION = "datasets/<slug:slug>/versions/<number:number>/"
PARTICIPANT = "catalogue/participants/<slug:code>/"
STORAGE = "projects/<str:code>/storage/"
SPACE = f"{STORAGE}<kind:kind>/"
urlpatterns = [
    path(STORAGE, spaces.storage, name="storage"),
    path(SPACE, spaces.folder, name="space"),
    path(f"{SPACE}trash/", spaces.trash_of, name="space_trash"),
    path(f"{SPACE}files/<path:path>", spaces.download_item, name="download_item"),
    path(f"{SPACE}put/", spaces.put_item, name="put_item"),
    path(f"{SPACE}delete/", spaces.trash_items, name="trash_items"),
    path(f"{SPACE}move/", spaces.move_item, name="move_item"),
    path(f"{SPACE}version/", spaces.make_version, name="make_version"),
    path(f"{SPACE}restore/", spaces.restore_items, name="restore_items"),
    path(f"{SPACE}empty-trash/", spaces.empty_trash, name="empty_trash"),
    path(f"{SPACE}trash-all/", spaces.trash_space, name="trash_space"),
    path(f"{SPACE}restore-all/", spaces.restore_space, name="restore_space"),
    path("datasets/", views.datasets, name="datasets"),
    path("catalog.<ending:ending>", feeds.catalog, name="catalog"),
    path("catalog/full.nt", feeds.full, name="full"),
    path("oai", oai.endpoint, name="oai"),
    path("sitemap.xml", feeds.sitemap, name="sitemap"),
    path("datasets/<slug:slug>.<ending:ending>", feeds.dataset_document, name="dataset_document"),
    path("datasets/<slug:slug>/croissant.json", feeds.croissant, name="croissant"),
    path("datasets/new/", views.register, name="register"),
    path("datasets/mine/", views.mine, name="mine"),
    path("datasets/<slug:slug>/edit/", views.record, name="record"),
    path("datasets/<slug:slug>/edit/<slug:section>/", views.record_section, name="record_section"),
    path("catalogue/sources/", sources.sources, name="sources"),
    path("catalogue/sources/new/", sources.new_source, name="new_source"),
    path("catalogue/sources/<slug:code>/", sources.source, name="source"),
    path("catalogue/sources/<slug:code>/harvest/", sources.harvest_source, name="harvest_source"),
    path("catalogue/sources/<slug:code>/pause/", sources.pause_source, name="pause_source"),
    path("catalogue/participants/", participants.participants, name="participants"),
    path("catalogue/participants/new/", participants.new_participant, name="new_participant"),
    path(f"{PARTICIPANT}stop/", participants.stop_participant, name="stop_participant"),
    path("datasets/<slug:slug>/", views.dataset, name="dataset"),
    path("datasets/<slug:slug>/access/", terms.ask, name="ask"),
    path("datasets/<slug:slug>/policy/", terms.policy, name="policy"),
    path("datasets/<slug:slug>/uses/", terms.uses, name="uses"),
    path("access/", terms.requests, name="requests"),
    path("access/<slug:code>/", terms.access_request, name="access_request"),
    path("access/<slug:code>/grant/", terms.grant, name="grant"),
    path("access/<slug:code>/refuse/", terms.refuse, name="refuse"),
    path("access/<slug:code>/revoke/", terms.revoke, name="revoke"),
    path("access/<slug:code>/withdraw/", terms.withdraw_request, name="withdraw_request"),
    path("access/<slug:code>/end/", terms.end, name="end"),
    path("files/<slug:slug>/<number:number>/<path:path>", views.file, name="file"),
    path("datasets/<slug:slug>/publish/", views.publish, name="publish"),
    path("datasets/<slug:slug>/withdraw/", views.withdraw, name="withdraw"),
    path(VERSION, views.version, name="version"),
    path(f"{VERSION}lineage/", views.lineage, name="lineage"),
    path(f"{VERSION}purge/", views.purge, name="purge"),
    path(f"{VERSION}cite.<str:form>", views.cite, name="cite"),
    path("doi/<path:identifier>", views.resolve, name="resolve"),
    path("datasets/<slug:slug>/<number:number>/files/<path:path>", views.download, name="download"),
    path(".well-known/dspace-version", dataspace.version, name="dspace_version"),
    path(f"{DSP}catalog/request", dataspace.catalog, name="dsp_catalog"),
    path(f"{DSP}catalog/datasets/<str:uid>", dataspace.dataset, name="dsp_dataset"),
    path(f"{DSP}negotiations/request", dataspace.negotiate, name="dsp_negotiate"),
    path(f"{NEG}", dataspace.negotiation, name="dsp_negotiation"),
    path(f"{NEG}/request", dataspace.negotiate_again, name="dsp_negotiate_again"),
    path(f"{NEG}/events", dataspace.negotiation_event, name="dsp_negotiation_event"),
    path(f"{NEG}/agreement/verification", dataspace.verification, name="dsp_verification"),
    path(f"{NEG}/termination", dataspace.negotiation_termination, name="dsp_termination"),
    path(f"{DSP}transfers/request", dataspace.request_transfer, name="dsp_transfer_request"),
    path(f"{TRANSFER}", dataspace.transfer, name="dsp_transfer"),
    path(f"{TRANSFER}/start", dataspace.transfer_start, name="dsp_start"),
    path(f"{TRANSFER}/suspension", dataspace.transfer_suspension, name="dsp_suspension"),
    path(f"{TRANSFER}/completion", dataspace.transfer_completion, name="dsp_completion"),
    path(f"{TRANSFER}/termination", dataspace.transfer_termination, name="dsp_transfer_end"),
    path(f"{DSP}data/<uuid:uid>", dataspace.data, name="dsp_data"),
    path(f"{DSP}data/<uuid:uid>/files/<path:path>", dataspace.data_file, name="dsp_file"),
]
