"""Why there was no check, as sentences that say what to do: offline, wrong certificate."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from netcheck.gui.models.table import one_line
from netcheck.report.model import Report
from probes.observation import Control, LocalFacts
from probes.wire.link import Link

_SHOWN = "it shows "
"""How a control attempt's detail says which certificate was there (probes.control.dial)."""


def sentence(report: Report, link: Link | None) -> str:
    """Empty where the server was reached.  ``link`` is what the user gave."""
    control = next((o for o in report.observations if isinstance(o, Control)), None)
    if control is None or report.server.reached or report.server.embedded:
        return ""
    for attempt in control.attempts:
        if attempt.outcome == "wrong-certificate":
            return _wrong_certificate(control.host, attempt.detail, link)
    local = next((o for o in report.observations if isinstance(o, LocalFacts)), None)
    if local is not None and not local.gateways and not local.addresses:
        return _tr(
            "This computer is offline: it has no network connection. Plug in the cable or join"
            " a Wi-Fi network, then check again."
        )
    return ""


def _wrong_certificate(host: str, detail: str, link: Link | None) -> str:
    name = one_line(host, 80)
    shown = detail.removeprefix(_SHOWN) if detail.startswith(_SHOWN) else ""
    if link is None or not link.fingerprint:
        return _tr(
            "%1 cannot prove who it is: no authority that this computer trusts vouches for its"
            " certificate. Ask whoever runs it for the whole link, which begins with netcheck://"
            " and ends in the fingerprint, and paste it."
        ).replace("%1", name)
    return (
        _tr(
            "%1 shows another certificate than your link names, so nothing was sent to it."
            "\nFingerprint in your link: %2\nFingerprint that it shows: %3\nSomebody on the way may"
            " pretend to be the server, or it was set up anew. Ask whoever gave you the link, by"
            " phone for example, and paste the new one if there is one."
        )
        .replace("%1", name)
        .replace("%2", grouped(link.fingerprint))
        .replace("%3", grouped(shown) if shown else _tr("unknown"))
    )


def grouped(fingerprint: str) -> str:
    """In groups of four, as one reads it out on the phone."""
    plain = one_line(fingerprint, 64)
    return " ".join(plain[i : i + 4] for i in range(0, len(plain), 4))


def _tr(text: str) -> str:
    return QCoreApplication.translate("Trouble", text)
