from django.urls import path

from . import views

urlpatterns = [
    path("api/v1/push/key/", views.KeyView.as_view(), name="push_key"),
    path("api/v1/push/subscriptions/", views.SubscriptionsView.as_view(), name="push_subscriptions"),
]
