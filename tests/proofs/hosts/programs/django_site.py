"""A Django project in one file: a view that makes a picture, and one that asks the database."""

import asyncio
import threading
from functools import cache

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path
from told import awaited_picture, picture

from apimodels_async import AsyncImagesClient, ConfigurationError, ImagesClient

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3"}},
    ROOT_URLCONF=__name__,
    SECRET_KEY="a secret of this page alone",
)
django.setup()
one_at_a_time = threading.Lock()


@cache
def images() -> ImagesClient:
    """One client for each process, made when it is first needed."""
    return ImagesClient()


def database(_: HttpRequest) -> JsonResponse:
    """A query, which Django refuses where an event loop runs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return JsonResponse({"row": cursor.fetchone()[0]})


def make(request: HttpRequest) -> JsonResponse:
    """A picture by the blocking client, and the database afterwards."""
    try:
        files = picture(images(), request.GET["prompt"])
    except ConfigurationError as error:
        return JsonResponse({"refused": str(error)}, status=503)
    database(request)
    return JsonResponse({"files": [str(path.resolve()) for path in files]})


def make_awaited(request: HttpRequest) -> JsonResponse:
    """A picture by the async client, in the one event loop that this thread can have at a time."""

    async def main() -> list[str]:
        async with AsyncImagesClient() as client:
            return [str(path.resolve()) for path in await awaited_picture(client, request.GET["prompt"])]

    with one_at_a_time:
        return JsonResponse({"files": asyncio.run(main())})


urlpatterns = [path("database", database), path("make", make), path("make-awaited", make_awaited)]
application = get_wsgi_application()
