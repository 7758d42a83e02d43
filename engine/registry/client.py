"""Owns a conversation with one repository: authorisation, redirects, retries; blocking, in workers.

What has been learnt (who, how, which tokens) is a value, ``Session``, that goes from worker to worker.
Sources: OCI distribution-spec, and the Docker registry's token authentication (docs/spec/auth).
"""

from __future__ import annotations

import base64
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import RegistryError
from engine.registry import retry
from engine.registry.challenge import Challenge, challenges, explained
from engine.registry.connection import Connections, Response, origin, shown, split
from engine.registry.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TOKEN_LIMIT = 1 << 20
_REDIRECTS = 5
_MARGIN_SECONDS = 10
_SHORTEST_SECONDS = 60
_CLIENT = "tuidock"


class Token(msgspec.Struct):
    """A bearer token, until ``expires`` (seconds since the epoch)."""

    token: str
    expires: float

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Token(expires={self.expires})"


class Session(msgspec.Struct):
    """How to speak to one registry about one repository."""

    base: str
    """``https://host``"""
    repository: str
    insecure: bool = False
    credentials: Credentials = Credentials()
    environ: dict[str, str] = {}
    challenge: Challenge | None = None
    tokens: dict[str, Token] = {}
    """By scope."""

    def __repr__(self) -> str:
        """Without secrets."""
        return f"Session({self.base!r}, {self.repository!r})"


class TokenAnswer(msgspec.Struct):
    """What a token server gives; ``refresh_token`` is an identity token."""

    token: str | None = None
    access_token: str | None = None
    refresh_token: str | None = None
    expires_in: float | None = None

    def __repr__(self) -> str:
        """Without the secrets."""
        return "TokenAnswer()"


class Client:
    """The requests of one worker in a ``session``, which it teaches."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.retry_after = ""
        """What the last refusal said of when to come again."""
        self._connections = Connections(session.environ)

    def close(self) -> None:
        """Close its connections."""
        self._connections.close()

    def ping(self) -> None:
        """Learn how the registry wants to be asked; RegistryError if it is none."""
        response = self._patiently("GET", f"{self.session.base}/v2/", {}, None, attempts=2)
        if response.status not in {200, 401}:
            raise _refused(response, self.session)
        response.refusal()
        self.session.challenge = _known(response)

    def check(self) -> None:
        """Ask the registry itself with our credentials; RegistryError if it does not take them."""
        response = self._patiently("GET", f"{self.session.base}/v2/", self._authorisation(()), None)
        if response.status >= 400:  # noqa: PLR2004 - HTTP's
            raise _refused(response, self.session)
        response.refusal()

    def document(
        self, path: str, headers: Mapping[str, str] | None = None, *, limit: int
    ) -> tuple[Response, bytes]:
        """The answer to a GET and all of its body; what breaks in the middle is asked for again."""
        return _complete(lambda: self.send("GET", path, headers), limit)

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        action: str = "pull",
        source: str = "",
    ) -> Response:
        """One request to the repository, authorised for ``action``; what is refused is raised.

        ``path`` is below ``/v2/NAME/``, or a whole URL (of an upload, of a next page). ``body`` is bytes, or
        gives them anew each time that it is iterated. ``source`` is another repository that is to be read.
        Another host, be it by redirect, never hears our secrets.
        """
        self.retry_after = ""
        url = self._address(path)
        own, other = f"repository:{self.session.repository}:{action}", f"repository:{source}:pull"
        scopes = (own, other) if source else (own,)
        ours = origin(url) == origin(self.session.base)
        for again in (False, True):
            authorised = self._authorisation(scopes) if ours else {}
            response = self._patiently(method, url, {**(headers or {}), **authorised}, body)
            if response.status != 401 or again or not ours:  # noqa: PLR2004 - HTTP's
                break
            response.refusal()
            self.session.challenge = _known(response) or self.session.challenge
            self.session.tokens.pop(" ".join(scopes), None)
        self.retry_after = response.headers.get("Retry-After", "")
        if response.status >= 400:  # noqa: PLR2004 - HTTP's
            raise _refused(response, self.session)
        return response

    def _address(self, path: str) -> str:
        """The URL of ``path``; a registry behind a proxy that ends TLS may name itself without it."""
        base = self.session.base
        if "://" not in path:
            return f"{base}/v2/{self.session.repository}/{path}"
        parts, own = split(path), split(base)
        if parts.netloc == own.netloc and (parts.scheme, own.scheme) == ("http", "https"):
            return parts._replace(scheme="https").geturl()
        self._require_no_descent(base, path)
        return path

    # -- patience ----------------------------------------------------------------------------------
    def _patiently(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Any,
        attempts: int = retry.ATTEMPTS,
        *,
        secret: bool = False,
    ) -> Response:
        """The answer, whatever it is, after as many attempts as it needs.

        A PATCH is sent once: who sends it asks what has come of it.
        """
        attempt, once = 0, method == "PATCH"
        while True:
            attempt += 1
            try:
                response = self._redirected(method, url, headers, body, secret=secret)
                if once or not retry.is_temporary(response.status):
                    return response
                wait = retry.pause(attempt, attempts, response.headers.get("Retry-After", ""))
                if wait is None:
                    return response
                response.refusal()
            except RegistryError as error:
                wait = retry.pause(attempt, attempts)
                if once or not error.temporary or wait is None:
                    raise
            time.sleep(wait)

    def _redirected(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, *, secret: bool
    ) -> Response:
        """Follow redirects; ``secret``: the body is one, and goes nowhere else."""
        asked = url
        for _ in range(_REDIRECTS):
            same = origin(url) == origin(asked)
            if secret and not same:
                reason = f"{shown(asked)}: it leads elsewhere, where no secret is sent"
                raise RegistryError(reason, code="REDIRECT", temporary=False)
            sent = headers if same else _without_secrets(headers)
            insecure = self.session.insecure and _host(url) == _host(self.session.base)
            response = self._connections.request(method, url, sent, body, insecure=insecure)
            to = response.headers.get("Location")
            if response.status not in {301, 302, 303, 307, 308} or not to:
                return response
            response.refusal()
            following = _joined(url, to)
            self._require_no_descent(url, following)
            url = following
        raise RegistryError(f"{shown(asked)}: too many redirects", code="REDIRECT", temporary=False)

    def _require_no_descent(self, url: str, following: str) -> None:
        """What was asked for over TLS does not come without, but from where that is allowed."""
        if (split(url).scheme, split(following).scheme) == ("https", "http") and not self.session.insecure:
            reason = f"{shown(url)}: it leads to {shown(following)}, which is not encrypted"
            raise RegistryError(reason, code="REDIRECT", temporary=False)

    # -- authorisation -----------------------------------------------------------------------------
    def _authorisation(self, scopes: tuple[str, ...]) -> dict[str, str]:
        challenge, credentials = self.session.challenge, self.session.credentials
        if credentials.registry_token:
            return {"Authorization": f"Bearer {credentials.registry_token}"}
        if challenge is None:
            return {}
        if challenge.scheme == "basic":
            return _basic(credentials) if credentials.username else {}
        key = " ".join(scopes)
        token = self.session.tokens.get(key)
        if token is None or token.expires < time.time():
            token = self.session.tokens[key] = self._fetch_token(challenge, scopes)
        return {"Authorization": f"Bearer {token.token}"}

    def _fetch_token(self, challenge: Challenge, scopes: tuple[str, ...]) -> Token:
        answer = self.ask_token(challenge, scopes)
        lifetime = max(answer.expires_in or _SHORTEST_SECONDS, _SHORTEST_SECONDS)
        token = answer.token or answer.access_token or ""
        return Token(token, time.time() + lifetime - _MARGIN_SECONDS)

    def ask_token(
        self, challenge: Challenge, scopes: tuple[str, ...], *, offline: bool = False
    ) -> TokenAnswer:
        """Ask the token server that ``challenge`` names; ``offline``: for an identity token as well."""
        realm = challenge.parameters.get("realm", "")
        try:
            split(realm)
        except RegistryError:
            reason = f"{self.session.base}: a challenge without a realm"
            raise RegistryError(reason, code="CHALLENGE", temporary=False) from None
        self._require_no_descent(self.session.base, realm)
        wanted = [("service", challenge.parameters.get("service", "")), *(("scope", one) for one in scopes)]
        wanted = [(key, value) for key, value in wanted if value]

        def ask() -> Response:
            if self.session.credentials.identity_token:
                response = self._refreshed(realm, wanted)
            else:
                response = self._granted(realm, wanted, offline=offline)
            if response.status >= 400:  # noqa: PLR2004 - HTTP's
                raise _refused(response, self.session)
            return response

        _, content = _complete(ask, _TOKEN_LIMIT)
        try:
            answer = msgspec.json.decode(content, type=TokenAnswer, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError):
            answer = TokenAnswer()
        token = answer.token or answer.access_token or ""
        if not token.isascii() or not token.isprintable() or not token or " " in token:
            raise RegistryError(f"{_host(realm)}: no token in its answer", code="TOKEN", temporary=False)
        return answer

    def _granted(self, realm: str, wanted: list[tuple[str, str]], *, offline: bool) -> Response:
        credentials = self.session.credentials
        if offline:
            wanted = [*wanted, ("offline_token", "true"), ("client_id", _CLIENT)]
        if credentials.username:
            wanted = [*wanted, ("account", credentials.username)]
        joined = "&" if "?" in realm else "?"
        headers = _basic(credentials) if credentials.username else {}
        return self._patiently("GET", realm + joined + urllib.parse.urlencode(wanted), headers, None)

    def _refreshed(self, realm: str, wanted: list[tuple[str, str]]) -> Response:
        # One parameter for all scopes here (docs/spec/auth/oauth), unlike in a query.
        scopes = " ".join(value for key, value in wanted if key == "scope")
        form = {
            **dict(wanted),
            **({"scope": scopes} if scopes else {}),
            "grant_type": "refresh_token",
            "client_id": _CLIENT,
            "refresh_token": self.session.credentials.identity_token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urllib.parse.urlencode(form).encode()
        return self._patiently("POST", realm, headers, body, secret=True)


def _complete(ask: Callable[[], Response], limit: int) -> tuple[Response, bytes]:
    """What ``ask`` answers and all of its body; asked again where that breaks off."""
    attempt = 0
    while True:
        attempt += 1
        response = ask()
        try:
            return response, response.read(limit)
        except RegistryError as error:
            wait = retry.pause(attempt)
            if not error.temporary or wait is None:
                raise
        time.sleep(wait)


def _basic(credentials: Credentials) -> dict[str, str]:
    pair = f"{credentials.username}:{credentials.password}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc.rpartition("@")[2]


def _known(response: Response) -> Challenge | None:
    """The first challenge of ``response`` that we can answer."""
    found = challenges(response.headers.get_all("WWW-Authenticate") or ())
    return next((challenge for challenge in found if challenge.scheme in {"bearer", "basic"}), None)


def _joined(url: str, to: str) -> str:
    try:
        return urllib.parse.urljoin(url, to)
    except ValueError:
        reason = f"{shown(url)}: it leads to what is no address"
        raise RegistryError(reason, code="REDIRECT", temporary=False) from None


def _without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() != "authorization"}


def _refused(response: Response, session: Session) -> RegistryError:
    code, words = explained(response.status, response.reason, response.refusal())
    host, status = _host(session.base), response.status
    if status in {401, 403}:
        return RegistryError(
            f"{host}: access to {session.repository or 'it'} denied: {words}",
            code=code if code != str(status) else "DENIED",
            temporary=False,
            remedy=f"the repository does not exist, or log in: tuidock login {host}",
        )
    if status == 429:  # noqa: PLR2004 - HTTP's
        return RegistryError(
            f"{host}: too many requests: {words}",
            code="TOOMANYREQUESTS",
            temporary=True,
            remedy="wait, or log in",
        )
    return RegistryError(f"{host}: {words}", code=code, temporary=retry.is_temporary(status))
