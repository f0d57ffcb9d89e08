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
    path("calls/<slug:slug>/leaderboard/", views.leaderboard, name="leaderboard"),
    path("calls/<slug:slug>/challenge/", views.challenge, name="challenge"),
    path("calls/<slug:slug>/challenge/reveal/", views.challenge_reveal, name="challenge_reveal"),
    path("calls/<slug:slug>/challenge/release/", views.challenge_release, name="challenge_release"),
    path("applications/<str:code>/entries/", views.entries, name="entries"),
    path("entries/<str:code>/choose/", views.entry_choose, name="entry_choose"),
    path("calls/<slug:slug>/interests/", views.interests, name="interests"),
    path("calls/<slug:slug>/interests/<str:code>/", views.interest, name="interest"),
    path("calls/<slug:slug>/members/", views.members, name="members"),
    path("calls/<slug:slug>/members.csv", views.members_csv, name="members_csv"),
]
