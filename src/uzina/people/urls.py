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
    path("account/messages/", views.my_messages, name="my_messages"),
    path("account/messages/wishes/", views.wishes, name="wishes"),
    path("account/messages/<str:code>/", views.my_message, name="my_message"),
    path("messages/", views.outbox, name="outbox"),
    path("messages/release/", views.release_batch, name="release_batch"),
    path("messages/templates/", views.templates, name="message_templates"),
    path("messages/unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
    path("messages/<str:code>/", views.message, name="message"),
    path("messages/<str:code>/release/", views.message_release, name="message_release"),
    path("messages/<str:code>/send-again/", views.message_send_again, name="message_send_again"),
    path("account/sign-out-everywhere/", views.sign_out_everywhere, name="sign_out_everywhere"),
]
