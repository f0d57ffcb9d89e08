"""Addresses of the pages of programme."""

from django.urls import path

from uzina.programme import views

app_name = "programme"

urlpatterns = [
    path("reports/", views.reports, name="reports"),
    path("reports/<str:code>/<slug:kind>/", views.report, name="report"),
    path("reports/<str:code>/<slug:kind>/save/", views.report_save, name="report_save"),
    path("reports/<str:code>/<slug:kind>/submit/", views.report_submit, name="report_submit"),
    path("reports/<str:code>/<slug:kind>/decide/", views.report_decide, name="report_decide"),
    path("reports/<str:code>/<slug:kind>/report.pdf", views.report_pdf, name="report_pdf"),
    path("reports/<str:code>/<slug:kind>/report.json", views.report_json, name="report_json"),
    path("projects/<str:code>/use/", views.project_use, name="use"),
    path("projects/<str:code>/use/<int:check>/", views.use_answer, name="use_answer"),
]
