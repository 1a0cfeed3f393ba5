"""Which pictures an agent may give: URLs, and files in the folders that it was given."""

from collections.abc import Sequence
from pathlib import Path

from apimodels_async._wire.data_uris import is_data_uri

__all__ = ["checked_picture"]


def checked_picture(given: str, folders: Sequence[Path], argument: str) -> str | Path:
    """Return a picture as `GenerationRequest` takes it: a URL, a ``data:`` URI, or a file in one of `folders`.

    An agent may have been talked into sending any file of this machine to a server, so it names only files here.
    Symbolic links are followed before the folder is judged.

    Raises:
        ValueError: it is a file elsewhere, or there is no such file.
    """
    if given.lstrip()[:8].lower().startswith(("http://", "https://")) or is_data_uri(given):
        return given
    places = [folder.resolve() for folder in folders]
    candidates = [Path(given)] if Path(given).is_absolute() else [place / given for place in places]
    found = [path for path in (each.resolve() for each in candidates) if any(map(path.is_relative_to, places))]
    path = next((each for each in found if each.is_file()), None)
    if path is None:
        raise ValueError(
            f"{argument}: {given!r} is no file in {' or '.join(map(str, places))}: give a URL, or a file in there"
        )
    return path
