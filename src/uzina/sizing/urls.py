"""Address of the estimator."""

from django.urls import path

from uzina.sizing import views

app_name = "sizing"

urlpatterns = [path("estimate/", views.estimate, name="estimate")]
