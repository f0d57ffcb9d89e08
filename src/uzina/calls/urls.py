"""Addresses of the pages of calls."""

from django.urls import path

from uzina.calls import views

app_name = "calls"

urlpatterns = [
    path("calls/", views.calls, name="calls"),
    path("calls/new/", views.call_new, name="call_new"),
    path("calls/<slug:slug>/", views.call, name="call"),
    path("calls/<slug:slug>/apply/", views.apply, name="apply"),
    path("calls/<slug:slug>/publish/", views.call_publish, name="call_publish"),
    path("calls/<slug:slug>/archive/", views.call_archive, name="call_archive"),
    path("qualify/", views.qualify, name="qualify"),
    path("applications/", views.applications, name="applications"),
    path("applications/<str:code>/", views.application, name="application"),
    path("applications/<str:code>/check/", views.check, name="check"),
    path("applications/<str:code>/withdraw/", views.withdraw, name="withdraw"),
    path("applications/<str:code>/sections/<slug:slug>/", views.section, name="section"),
    path("assessments/", views.assessments, name="assessments"),
    path("assessments/<str:code>/", views.assessment, name="assessment"),
    path("awards/<str:code>/", views.award, name="award"),
    path("awards/<str:code>/accept/", views.award_accept, name="award_accept"),
    path("awards/<str:code>/refuse/", views.award_refuse, name="award_refuse"),
]
