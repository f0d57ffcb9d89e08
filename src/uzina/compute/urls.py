"""Addresses of the pages of jobs."""

from django.urls import path

from uzina.compute import views

app_name = "compute"

urlpatterns = [
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/new/", views.job_new, name="job_new"),
    path("sessions/new/", views.session_new, name="session_new"),
    path("jobs/<str:code>/open/", views.session_open, name="session_open"),
    path("jobs/<str:code>/", views.job, name="job"),
    path("jobs/<str:code>/live/", views.live, name="live"),
    path("jobs/<str:code>/log/", views.log, name="log"),
    path("jobs/<str:code>/cancel/", views.cancel, name="cancel"),
]
