"""Addresses of the catalogue's pages, from the root of the site."""

from django.urls import path, register_converter
from django.urls.converters import IntConverter

from uzina.catalogue import views


class NumberConverter(IntConverter):
    """A version number: positive and small enough for a column."""

    regex = "[1-9][0-9]{0,8}"


register_converter(NumberConverter, "number")

app_name = "catalogue"
urlpatterns = [
    path("datasets/", views.datasets, name="datasets"),
    path("datasets/<slug:slug>/", views.dataset, name="dataset"),
    path("datasets/<slug:slug>/publish/", views.publish, name="publish"),
    path("datasets/<slug:slug>/withdraw/", views.withdraw, name="withdraw"),
    path("datasets/<slug:slug>/<number:number>/files/<path:path>", views.download, name="download"),
]
