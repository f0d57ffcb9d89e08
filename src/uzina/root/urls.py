"""Every address of the portal."""

from django.urls import include, path
from django.views.i18n import set_language

from uzina.root.api import api

pages = []

urlpatterns = [
    path("", include((pages, "root"))),
    path("language/", set_language, name="set_language"),
    path("api/v1/", api.urls),
]
