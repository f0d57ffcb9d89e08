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
    path("clusters/reconciliation/", views.reconciliation, name="reconciliation"),
    path(
        "clusters/reconciliation/repair/",
        views.reconciliation_repair,
        name="reconciliation_repair",
    ),
    path("clusters/users/", views.site_users, name="site_users"),
    path("clusters/use/", views.cluster_use, name="cluster_use"),
    path("projects/<str:code>/history/", views.unused, name="unused"),
    path("projects/<str:code>/usage/", views.usage, name="usage"),
    path("projects/<str:code>/usage.csv", views.usage_csv, name="usage_csv"),
    path("usage/nobody/", views.usage_of_nobody, name="usage_of_nobody"),
    path("usage/sweep/", views.usage_sweep, name="usage_sweep"),
    path("tariffs/", views.tariffs, name="tariffs"),
    path("tariffs/new/", views.tariff_new, name="tariff_new"),
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/new/", views.job_new, name="job_new"),
    path("sessions/new/", views.session_new, name="session_new"),
    path("jobs/<str:code>/open/", views.session_open, name="session_open"),
    path("jobs/<str:code>/", views.job, name="job"),
    path("jobs/<str:code>/live/", views.live, name="live"),
    path("jobs/<str:code>/log/", views.log, name="log"),
    path("jobs/<str:code>/cancel/", views.cancel, name="cancel"),
    path("jobs/<str:code>/files/<path:path>", views.job_file, name="job_file"),
    path("jobs/<str:code>/rerun/", views.rerun, name="rerun"),
]
