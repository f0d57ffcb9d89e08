"""Addresses of the pages of runs and models, from the root of the site."""

from django.urls import path, register_converter
from django.urls.converters import IntConverter

from uzina.training import views


class VersionConverter(IntConverter):
    """A version number: positive and small enough for a column."""

    regex = "[1-9][0-9]{0,8}"


register_converter(VersionConverter, "model_version")

VERSION = "models/<slug:slug>/<model_version:number>/"

app_name = "training"
urlpatterns = [
    path("runs/", views.run_list, name="runs"),
    path("runs/new/", views.run_new, name="run_new"),
    path("runs/<str:code>/", views.run, name="run"),
    path("runs/<str:code>/stop/", views.run_stop, name="run_stop"),
    path("runs/<str:code>/resume/", views.run_resume, name="run_resume"),
    path("models/", views.model_list, name="models"),
    path("models/<slug:slug>/", views.model, name="model"),
    path(VERSION, views.version, name="version"),
    path(
        "models/<slug:slug>/<model_version:number>.<ending:ending>",
        views.mldcat_file,
        name="mldcat",
    ),
    path(f"{VERSION}card/", views.card_page, name="card"),
    path(f"{VERSION}card.md", views.card_file, name="card_file"),
    path(f"{VERSION}documentation-form/", views.documentation_form, name="form"),
    path(f"{VERSION}documentation-form/<slug:field>/", views.answer, name="answer"),
    path(f"{VERSION}lineage/", views.lineage_page, name="lineage"),
    path(f"{VERSION}record.json", views.lineage_file, name="lineage_file"),
    path(f"{VERSION}files/<path:path>", views.download, name="download"),
    path(f"{VERSION}release/", views.release, name="release"),
    path(f"{VERSION}retire/", views.retire, name="retire"),
]
