"""Addresses of the catalogue's pages, from the root of the site."""

from django.urls import path, register_converter
from django.urls.converters import IntConverter, StringConverter

from uzina.catalogue import views
from uzina.catalogue.views import feeds


class NumberConverter(IntConverter):
    """A version number: positive and small enough for a column."""

    regex = "[1-9][0-9]{0,8}"


class EndingConverter(StringConverter):
    """The syntax of a document."""

    regex = "ttl|jsonld|rdf"


register_converter(NumberConverter, "number")
register_converter(EndingConverter, "ending")

app_name = "catalogue"
urlpatterns = [
    path("datasets/", views.datasets, name="datasets"),
    path("catalog.<ending:ending>", feeds.catalog, name="catalog"),
    path("catalog/full.nt", feeds.full, name="full"),
    path("sitemap.xml", feeds.sitemap, name="sitemap"),
    path("datasets/<slug:slug>.<ending:ending>", feeds.dataset_document, name="dataset_document"),
    path("datasets/<slug:slug>/croissant.json", feeds.croissant, name="croissant"),
    path("datasets/<slug:slug>/", views.dataset, name="dataset"),
    path("datasets/<slug:slug>/publish/", views.publish, name="publish"),
    path("datasets/<slug:slug>/withdraw/", views.withdraw, name="withdraw"),
    path("datasets/<slug:slug>/<number:number>/files/<path:path>", views.download, name="download"),
]
