"""Why there was no check, as sentences that say what to do: offline, wrong certificate."""

from __future__ import annotations

from PySide6.QtCore import QT_TRANSLATE_NOOP

from netcheck.gui.models.table import one_line
from netcheck.gui.words import translate
from netcheck.report.model import Report
from probes.observation import Control, LocalFacts
from probes.wire.link import Link

_SHOWN = "it shows "
"""How a control attempt's detail says which certificate was there (probes.control.dial)."""

_DISTRUSTED = {
    "it has expired": QT_TRANSLATE_NOOP(
        "Trouble",
        "%1 cannot prove who it is: its certificate has expired. See that this computer has the"
        " right date and time; if it has, tell whoever runs the server.",
    ),
    "it is not valid yet": QT_TRANSLATE_NOOP(
        "Trouble",
        "%1 cannot prove who it is: its certificate is not valid yet. See that this computer has"
        " the right date and time; if it has, tell whoever runs the server.",
    ),
    "it is for another name": QT_TRANSLATE_NOOP(
        "Trouble",
        "%1 cannot prove who it is: its certificate is for another name. Compare the name with the"
        " one that you were given, letter by letter.",
    ),
}
"""Likewise, what is wrong with a certificate."""


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
        return translate(
            "Trouble",
            "This computer is offline: it has no network connection. Plug in the cable or join"
            " a Wi-Fi network, then check again.",
        )
    return ""


def _wrong_certificate(host: str, detail: str, link: Link | None) -> str:
    name = one_line(host, 80)
    shown = detail.removeprefix(_SHOWN) if detail.startswith(_SHOWN) else ""
    if link is None or not link.fingerprint:
        if detail in _DISTRUSTED:
            return translate("Trouble", _DISTRUSTED[detail]).replace("%1", name)
        return translate(
            "Trouble",
            "%1 cannot prove who it is: no authority that this computer trusts vouches for its"
            " certificate. Ask whoever runs it for the whole link, which begins with netcheck://"
            " and ends in the fingerprint, and paste it.",
        ).replace("%1", name)
    return (
        translate(
            "Trouble",
            "%1 shows another certificate than your link names, so nothing was sent to it."
            "\nFingerprint in your link: %2\nFingerprint that it shows: %3\nSomebody on the way may"
            " pretend to be the server, or it was set up anew. Ask whoever gave you the link, by"
            " phone for example, and paste the new one if there is one.",
        )
        .replace("%1", name)
        .replace("%2", grouped(link.fingerprint))
        .replace("%3", grouped(shown) if shown else translate("Trouble", "unknown"))
    )


def grouped(fingerprint: str) -> str:
    """In groups of four, as one reads it out on the phone."""
    plain = one_line(fingerprint, 64)
    return " ".join(plain[i : i + 4] for i in range(0, len(plain), 4))
