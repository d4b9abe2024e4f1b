from django.urls import path

from .consumers import JobConsumer

urlpatterns = [path("ws/jobs/<uuid:job_id>/", JobConsumer.as_asgi())]
