"""The UPnP library, held on a short leash.  Only upnp.py imports this, when a gateway was found.

The library knows UPnP; where it connects, how often, and how much it reads is decided here.
"""

from __future__ import annotations

from collections.abc import Callable

from probes.control.quick_import import import_aiohttp

import_aiohttp()

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar  # noqa: E402
from async_upnp_client.client import UpnpRequester  # noqa: E402
from async_upnp_client.client_factory import UpnpFactory  # noqa: E402
from async_upnp_client.const import HttpRequest, HttpResponse  # noqa: E402
from async_upnp_client.profiles.igd import IgdDevice  # noqa: E402

BODY_MAX = 65536
"""Bytes of one answer.  Descriptions of real gateways have some thousand each."""

REQUESTS_MAX = 24
"""A gateway has one description, a handful of services with one each, and we call one action."""


class _Requester(UpnpRequester):
    """Connects where ``permitted`` raises no ValueError, and nowhere else."""

    def __init__(self, session: ClientSession, permitted: Callable[[str], None]) -> None:
        self._session = session
        self._permitted = permitted
        self._left = REQUESTS_MAX

    async def async_http_request(self, http_request: HttpRequest) -> HttpResponse:
        """Raises ValueError for what is not permitted, aiohttp.ClientError for the rest."""
        self._permitted(http_request.url)
        self._left -= 1
        if self._left < 0:
            raise ValueError("it asks for more requests than any gateway needs")
        async with self._session.request(
            http_request.method,
            http_request.url,
            headers=http_request.headers,
            data=http_request.body,
            allow_redirects=False,
        ) as response:
            body = bytearray()
            async for piece in response.content.iter_chunked(BODY_MAX):
                body += piece
                if len(body) > BODY_MAX:
                    raise ValueError("its description is far too long")
            return HttpResponse(response.status, response.headers, body.decode("utf-8", "replace"))


async def ask(location: str, permitted: Callable[[str], None]) -> str | None:
    """What GetExternalIPAddress says of the gateway described at ``location``.

    Raises whatever the gateway's answers provoke.
    """
    # What is asked of a device in the same house never goes through a proxy.
    async with ClientSession(
        timeout=ClientTimeout(total=None), cookie_jar=DummyCookieJar(), trust_env=False
    ) as session:
        # Not strict: faults in the descriptions of gateways are the rule.
        factory = UpnpFactory(_Requester(session, permitted), non_strict=True)
        device = await factory.async_create_device(location)
        return await IgdDevice(device, None).async_get_external_ip_address()
