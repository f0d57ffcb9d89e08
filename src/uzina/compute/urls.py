"""Addresses of the pages of jobs."""

from django.urls import path

from uzina.compute import views

app_name = "compute"

urlpatterns = [
    path("clusters/", views.clusters, name="clusters"),
    path("clusters/history/", views.cluster_history, name="cluster_history"),
    path("clusters/maintenance/", views.maintenances, name="maintenances"),
    path("clusters/maintenance/new/", views.maintenance_new, name="maintenance_new"),
    path(
        "clusters/maintenance/<str:code>/cancel/",
        views.maintenance_cancel,
        name="maintenance_cancel",
    ),
    path(
        "clusters/maintenance/<str:code>/change/",
        views.maintenance_change,
        name="maintenance_change",
    ),
    path("clusters/use/", views.cluster_use, name="cluster_use"),
    path("projects/<str:code>/history/", views.unused, name="unused"),
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/new/", views.job_new, name="job_new"),
    path("sessions/new/", views.session_new, name="session_new"),
    path("jobs/<str:code>/open/", views.session_open, name="session_open"),
    path("jobs/<str:code>/", views.job, name="job"),
    path("jobs/<str:code>/live/", views.live, name="live"),
    path("jobs/<str:code>/log/", views.log, name="log"),
    path("jobs/<str:code>/cancel/", views.cancel, name="cancel"),
]
