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
from engine.registry.connection import Connections, Response
from engine.registry.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN_LIMIT = 1 << 20
_REDIRECTS = 5
_MARGIN_SECONDS = 10
_SHORTEST_SECONDS = 60
_CLIENT = "tuidock"


class Token(msgspec.Struct):
    """A bearer token, until ``expires`` (seconds since the epoch)."""

    token: str
    expires: float


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

    token: str = ""
    access_token: str = ""
    refresh_token: str = ""
    expires_in: float = 0


class Client:
    """The requests of one worker in a ``session``, which it teaches."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._connections = Connections(session.environ)

    def close(self) -> None:
        """Close its connections."""
        self._connections.close()

    def ping(self) -> None:
        """Learn how the registry wants to be asked; RegistryError if it is none."""
        response = self._patiently("GET", f"{self.session.base}/v2/", {}, None, attempts=2)
        found = challenges(response.headers.get_all("WWW-Authenticate") or ())
        if response.status not in {200, 401}:
            raise _refused(response, self.session)
        response.read(_TOKEN_LIMIT)
        known = (challenge for challenge in found if challenge.scheme in {"bearer", "basic"})
        self.session.challenge = next(known, None)

    def check(self) -> None:
        """Ask the registry itself with our credentials; RegistryError if it does not take them."""
        response = self._patiently("GET", f"{self.session.base}/v2/", self._authorisation(""), None)
        if response.status >= 400:  # noqa: PLR2004 - HTTP's
            raise _refused(response, self.session)
        response.refusal()

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        action: str = "pull",
    ) -> Response:
        """One request to the repository, authorised for ``action``; what is refused is raised.

        ``path`` is below ``/v2/NAME/``, or a whole URL (of an upload). A redirect to another host is followed
        without our secrets.
        """
        url = path if "://" in path else f"{self.session.base}/v2/{self.session.repository}/{path}"
        scope = f"repository:{self.session.repository}:{action}"
        for again in (False, True):
            response = self._patiently(method, url, {**(headers or {}), **self._authorisation(scope)}, body)
            if response.status != 401 or again:  # noqa: PLR2004 - HTTP's
                break
            response.refusal()
            found = challenges(response.headers.get_all("WWW-Authenticate") or ())
            known = (challenge for challenge in found if challenge.scheme in {"bearer", "basic"})
            self.session.challenge = next(known, self.session.challenge)
            self.session.tokens.pop(scope, None)
        if response.status >= 400:  # noqa: PLR2004 - HTTP's
            raise _refused(response, self.session)
        return response

    # -- patience ----------------------------------------------------------------------------------
    def _patiently(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, attempts: int = retry.ATTEMPTS
    ) -> Response:
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._redirected(method, url, headers, body)
                if not retry.is_temporary(response.status):
                    return response
                wait = retry.pause(attempt, attempts, response.headers.get("Retry-After", ""))
                if wait is None or not _repeatable(body):
                    return response
                response.refusal()
            except RegistryError as error:
                wait = retry.pause(attempt, attempts)
                if not error.temporary or wait is None or not _repeatable(body):
                    raise
            time.sleep(wait)

    def _redirected(self, method: str, url: str, headers: Mapping[str, str], body: Any) -> Response:
        asked = url
        for _ in range(_REDIRECTS):
            sent = headers if _host(url) == _host(asked) else _without_secrets(headers)
            insecure = self.session.insecure and _host(url) == _host(self.session.base)
            response = self._connections.request(method, url, sent, body, insecure=insecure)
            to = response.headers.get("Location")
            if response.status not in {301, 302, 303, 307, 308} or not to:
                return response
            response.refusal()
            url = urllib.parse.urljoin(url, to)
        raise RegistryError(f"{asked}: it leads to itself", code="REDIRECT", temporary=False)

    # -- authorisation -----------------------------------------------------------------------------
    def _authorisation(self, scope: str) -> dict[str, str]:
        challenge, credentials = self.session.challenge, self.session.credentials
        if challenge is None:
            return {}
        if challenge.scheme == "basic":
            return _basic(credentials) if credentials.username else {}
        token = self.session.tokens.get(scope)
        if token is None or token.expires < time.time():
            token = self.session.tokens[scope] = self._fetch_token(challenge, scope)
        return {"Authorization": f"Bearer {token.token}"}

    def _fetch_token(self, challenge: Challenge, scope: str) -> Token:
        answer = self.ask_token(challenge, scope)
        lifetime = max(answer.expires_in or _SHORTEST_SECONDS, _SHORTEST_SECONDS)
        return Token(answer.token or answer.access_token, time.time() + lifetime - _MARGIN_SECONDS)

    def ask_token(self, challenge: Challenge, scope: str, *, offline: bool = False) -> TokenAnswer:
        """Ask the token server that ``challenge`` names; ``offline``: for an identity token as well."""
        realm = challenge.parameters.get("realm", "")
        if urllib.parse.urlsplit(realm).scheme not in {"http", "https"}:
            reason = f"{self.session.base}: a challenge without a realm"
            raise RegistryError(reason, code="CHALLENGE", temporary=False)
        wanted = {"service": challenge.parameters.get("service", ""), "scope": scope}
        wanted = {key: value for key, value in wanted.items() if value}
        if self.session.credentials.identity_token:
            response = self._refreshed(realm, wanted)
        else:
            response = self._granted(realm, wanted, offline=offline)
        if response.status >= 400:  # noqa: PLR2004 - HTTP's
            raise _refused(response, self.session)
        try:
            answer = msgspec.json.decode(response.read(_TOKEN_LIMIT), type=TokenAnswer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            answer = TokenAnswer()
        if not (answer.token or answer.access_token):
            raise RegistryError(f"{_host(realm)}: no token in its answer", code="TOKEN", temporary=False)
        return answer

    def _granted(self, realm: str, wanted: dict[str, str], *, offline: bool) -> Response:
        credentials = self.session.credentials
        if offline:
            wanted = {**wanted, "offline_token": "true", "client_id": _CLIENT}
        if credentials.username:
            wanted = {**wanted, "account": credentials.username}
        joined = "&" if "?" in realm else "?"
        headers = _basic(credentials) if credentials.username else {}
        return self._patiently("GET", realm + joined + urllib.parse.urlencode(wanted), headers, None)

    def _refreshed(self, realm: str, wanted: dict[str, str]) -> Response:
        form = {
            **wanted,
            "grant_type": "refresh_token",
            "client_id": _CLIENT,
            "refresh_token": self.session.credentials.identity_token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._patiently("POST", realm, headers, urllib.parse.urlencode(form).encode())


def _basic(credentials: Credentials) -> dict[str, str]:
    pair = f"{credentials.username}:{credentials.password}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc


def _without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() != "authorization"}


def _repeatable(body: Any) -> bool:
    return body is None or isinstance(body, bytes)


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
