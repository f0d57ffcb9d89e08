"""Addresses of allocations."""

from django.urls import path

from uzina.ledger import views

app_name = "ledger"

urlpatterns = [
    path("allocations/", views.allocations, name="allocations"),
    path("allocations/<str:code>/", views.statement, name="statement"),
    path("allocations/<str:code>/statement.csv", views.statement_csv, name="statement_csv"),
    path("allocations/<str:code>/<slug:verb>/", views.correct, name="correct"),
]
