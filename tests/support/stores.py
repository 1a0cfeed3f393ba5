"""Stores for pictures: moto's S3 server, and the memory file system of fsspec."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from unittest import mock
from uuid import uuid4


def files_of(url: str) -> Any:
    """The file system of fsspec for a URL."""
    return import_module("fsspec.core").url_to_fs(url)[0]


def content(url: str) -> bytes:
    """What lies at a URL."""
    data: bytes = files_of(url).cat_file(url)
    return data


def names_at(url: str) -> list[str]:
    """The names of everything below a URL, as the store has them now."""
    files = files_of(url)
    files.invalidate_cache()
    return sorted(each.rpartition("/")[2] for each in files.find(url))


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """A server that speaks S3, on this machine; gives the environment with which AWS's libraries find it."""
    server = import_module("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.get_host_and_port()[1]}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    finally:
        server.stop()


@contextmanager
def bucket(environment: dict[str, str]) -> Iterator[str]:
    """The URL of a new bucket."""
    name = f"pictures-{uuid4().hex}"
    with mock.patch.dict(os.environ, environment):
        files_of("s3://").mkdir(name)
        yield f"s3://{name}"
