r"""Callback URLs that cannot be guessed or forged: ``https://host/…/<key id>/<intent id>/<token>``. Pure.

The vendor does not sign callbacks, so the URL itself must prove that we issued it. The intent id is 128 random bits,
in hex; the token is base64url(HMAC-SHA256(key, b"cb1\0" + intent id)), without padding. The URL contains nothing about
the task, because it is made before the task exists.
"""

import hashlib
import hmac
import re
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, NoReturn, cast
from urllib.parse import unquote, urlsplit

from apimodels_async._secret import Secret
from apimodels_async._urls import check_endpoint, exposed_host

INTENT_BYTES: Final = 16
"""Random bytes of an intent id."""
SHORTEST_SECRET: Final = 16
"""Minimum bytes of a key."""

_KEY_ID = r"[A-Za-z0-9_~.-]{0,63}[A-Za-z0-9_~-]"  # a segment of dots alone would be resolved away
_INTENT = r"[0-9a-f]{32}"
_TOKEN = r"[A-Za-z0-9_-]{43}"  # noqa: S105  (what one looks like)
_EXAMPLE = "https://example.com/callbacks"
_NO_KEY = Secret(b"\0" * 32)
"""Used for an unknown key id, so that checking it takes as long as checking a wrong token."""


class Match(NamedTuple):
    """What the path of a request matches.

    Attributes:
        plain: whether the path is that of the public URL itself.
        intent_id: of an authentic callback URL; ``None`` if the path is another one or the token is forged.
    """

    plain: bool
    intent_id: str | None


class CallbackSigner:
    """Makes and verifies callback URLs. It keeps no state: URLs stay valid for as long as their key is known.

    To rotate keys, first add the new key everywhere, with ``signing_key=`` still the old one. Then sign with the new
    one. Remove the old one when the last URL made with it can no longer be called: after the longest task plus the
    30 minutes for which the server retries.

    Args:
        public_url: where the server reaches the receiver: http(s), without credentials, query and fragment. Doubled
            slashes in its path are made single ones.
        secrets: keys by their ids, at least 16 bytes each. A key id is part of the URL: letters, digits, ``-._~``.
        signing_key: the id of the key to sign with; the last one in `secrets` by default. All of them verify.

    Raises:
        ValueError: an invalid URL, key id or key.
        TypeError: a key that is neither text nor bytes.
    """

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer holds signing keys: make one in each process, and do not copy it")

    def __init__(self, public_url: str, secrets: Mapping[str, str | bytes], *, signing_key: str | None = None) -> None:
        hidden = _hidden(secrets)
        del secrets  # tracebacks show arguments
        _check_secrets(hidden)
        self._secrets: dict[str, Secret[bytes]] = {id_: cast("Secret[bytes]", key) for id_, key in hidden.items()}
        if signing_key is not None and signing_key not in self._secrets:
            raise ValueError(f"signing_key={signing_key!r} is none of {sorted(self._secrets)}")
        self.signing_key: str = next(reversed(self._secrets)) if signing_key is None else signing_key
        self.public_url: str = _checked_public_url(public_url)
        self._public_path = unquote(urlsplit(self.public_url).path)

    def __repr__(self) -> str:
        if "public_url" not in vars(self):  # its constructor failed, and a traceback shows it
            return object.__repr__(self)
        return f"CallbackSigner({self.public_url!r}, keys={list(self._secrets)}, signing_key={self.signing_key!r})"

    def url(self, intent_id: str) -> str:
        """Return the authenticated URL for an intent.

        Args:
            intent_id: 32 lowercase hex digits, as `new_intent_id` returns them.

        Raises:
            ValueError: `intent_id` has another form.
        """
        if not re.fullmatch(_INTENT, intent_id):
            raise ValueError("intent_id: give 32 lowercase hex digits, such as new_intent_id() makes")
        token = _token(self._secrets[self.signing_key], intent_id)
        return f"{self.public_url}/{self.signing_key}/{intent_id}/{token}"

    def verify(self, url: str) -> str | None:
        """Return the intent id of an authentic callback URL or of its path; ``None`` for any other URL."""
        try:
            path = unquote(urlsplit(url).path)
        except ValueError:
            path = ""
        return self.place(path, "").intent_id

    def place(self, path: str, root_path: str) -> Match:
        """Match the path of a request.

        Args:
            path: of the request.
            root_path: the prefix under which the receiver is mounted. A proxy may have removed it from `path`.
        """
        root = root_path.rstrip("/")
        heads = {"", root, self._public_path, root + self._public_path}
        head, key_id, intent_id, token = ["", "", "", *path.rsplit("/", 3)][-4:]
        # Every check runs for every path, so that the time does not depend on what is wrong with it.
        expected = _token(self._secrets.get(key_id, _NO_KEY), intent_id)
        same = hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace"))
        known = (key_id in self._secrets) & (head in heads) & bool(re.fullmatch(_INTENT, intent_id))
        return Match(path.rstrip("/") in heads, intent_id if same & known else None)


def intent_id_of(randomness: bytes) -> str:
    """Return the intent id made from 16 random bytes."""
    if len(randomness) != INTENT_BYTES:
        raise ValueError(f"randomness: give {INTENT_BYTES} bytes")
    return randomness.hex()


def without_tokens(text: str) -> str:
    """Return a text, such as a log line, with the tokens of all callback URLs removed."""
    return re.sub(rf"(/{_INTENT}/){_TOKEN}", r"\1…", text)


def _token(key: Secret[bytes], intent_id: str) -> str:
    message = b"cb1\0" + intent_id.encode("utf-8", "replace")
    return urlsafe_b64encode(hmac.digest(key.reveal(), message, hashlib.sha256)).rstrip(b"=").decode()


def _hidden(secrets: object) -> dict[Any, Secret[bytes] | str]:
    """Wrap the keys in `Secret`; a value of a wrong type becomes its type's name. Never raises, so no traceback."""
    if not isinstance(secrets, Mapping):
        return {}
    found: dict[Any, Secret[bytes] | str] = {}
    for key_id, given in cast("Mapping[object, object]", secrets).items():
        if isinstance(given, str):
            found[key_id] = Secret(given.encode("utf-8", "surrogatepass"))
        elif isinstance(given, (bytes, bytearray)):
            found[key_id] = Secret(bytes(given))
        else:
            found[key_id] = type(given).__name__
    return found


def _check_secrets(secrets: Mapping[Any, Secret[bytes] | str]) -> None:
    if not secrets:
        raise ValueError('secrets: give a mapping of key ids to keys, such as {"k1": os.environ["CALLBACK_KEY"]}')
    for key_id, key in secrets.items():
        if not isinstance(key_id, str) or not re.fullmatch(_KEY_ID, key_id):
            raise ValueError("secrets: a key id stands in the URL: give 1 to 64 letters, digits, '-', '_', '.' or '~'")
        if isinstance(key, str):
            raise TypeError(f"secrets: the key {key_id!r} is a {key}: give text or bytes")
        if len(key.reveal()) < SHORTEST_SECRET:
            raise ValueError(
                f"secrets: the key {key_id!r} is shorter than {SHORTEST_SECRET} bytes: make one with "
                "secrets.token_urlsafe()"
            )


def _checked_public_url(url: object) -> str:
    if not isinstance(url, str):
        raise TypeError(f"public_url is a {type(url).__name__}: give an absolute http(s) URL, such as {_EXAMPLE}")
    parts = check_endpoint(url, "public_url", example=_EXAMPLE, credentials="its path will be what authenticates")
    if (host := exposed_host(parts)) is not None:
        warnings.warn(
            f"public_url is plain http to {host}: everyone who sees the traffic can repeat and invent callbacks",
            UserWarning,
            stacklevel=3,
        )
    # A doubled slash, which a settings file's slash at the end and a path make together, matches no mount.
    return parts._replace(path=re.sub(r"/{2,}", "/", parts.path).rstrip("/")).geturl()
