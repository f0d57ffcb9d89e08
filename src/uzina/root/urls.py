"""Every address of the portal."""

from django.urls import include, path
from django.views.i18n import set_language

from uzina.root import views
from uzina.root.api import api

handler400 = "uzina.root.views.bad_request"
handler403 = "uzina.root.views.forbidden"
handler404 = "uzina.root.views.not_found"
handler500 = "uzina.root.views.server_error"

pages = [
    path("", views.home, name="home"),
    path("projects/", views.projects, name="projects"),
    path("projects/<str:code>/", views.project, name="project"),
    path("promises/", views.promises, name="promises"),
    path("promises/<int:promise_id>/retry/", views.promise_retry, name="promise_retry"),
    path("log/", views.log, name="log"),
    path("accessibility/", views.accessibility, name="accessibility"),
    path("appearance/", views.appearance, name="appearance"),
]

urlpatterns = [
    path("", include((pages, "root"))),
    path("", include("uzina.people.urls")),
    path("", include("uzina.ledger.urls")),
    path("", include("uzina.sizing.urls")),
    path("", include("uzina.calls.urls")),
    path("", include("uzina.catalogue.urls")),
    path("", include("uzina.compute.urls")),
    path("", include("uzina.training.urls")),
    path("", include("uzina.programme.urls")),
    path("language/", set_language, name="set_language"),
    path("api/v1/", api.urls),
]
