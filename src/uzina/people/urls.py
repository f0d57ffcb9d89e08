"""Addresses of the pages of people."""

from django.urls import path

from uzina.people import views

app_name = "people"

urlpatterns = [
    path("sign-in/", views.sign_in, name="sign_in"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path("register/", views.register, name="register"),
    path("organisations/new/", views.organisation_new, name="organisation_new"),
    path("organisations/<str:code>/", views.organisation, name="organisation"),
    path("organisations/<str:code>/change/", views.organisation_change, name="organisation_change"),
    path("account/", views.account, name="account"),
    path("account/tokens/new/", views.token_new, name="token_new"),
    path("account/tokens/<str:code>/revoke/", views.token_revoke, name="token_revoke"),
    path("account/sign-out-everywhere/", views.sign_out_everywhere, name="sign_out_everywhere"),
]
