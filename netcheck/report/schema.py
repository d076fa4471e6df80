"""The JSON Schema of the report, published as docs/report.schema.json.

Made from the model, so the two cannot disagree, plus the constraints of the contract that
types cannot say.  ``python -m netcheck.report.schema`` prints it.

It describes what may be relied on, and so accepts what a later netcheck may add to
``netcheck.report/1``: further keys, and observations of further probes.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from netcheck.report.model import SCHEMA, Report

_PORT = {"minimum": 1, "maximum": 65535}
_COUNT = {"minimum": 0}
_DURATION = {"minimum": 0}
_SHARE = {"minimum": 0, "maximum": 1}

# model -> key -> what the contract says beyond the type
_CONSTRAINTS: dict[str, dict[str, dict[str, Any]]] = {
    "Report": {
        "started_at": {
            "format": "date-time",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$",
        },
        "duration_s": _DURATION,
    },
    "Server": {"rtt_ms": _DURATION},
    "Feature": {"capacity": _COUNT},
    "Port": {
        "port": _PORT,
        "local_port": _PORT,
        "remote_port": _PORT,
        "rtt_ms": _DURATION,
        "attempts": _COUNT,
    },
    "Nat": {
        "binding_lifetime_s": _DURATION,
        "binding_lifetime_min_s": _DURATION,
        "layers": _COUNT,
        "path_mtu": _COUNT,
    },
    "PathHop": {"ttl": _COUNT, "rtt_ms": _DURATION},
    "Dynamic": {
        "sampled": _COUNT,
        "open": _COUNT,
        "edges_within": _COUNT,
        "fraction": _SHARE,
        "ci95": {"items": {"type": "number", **_SHARE}, "minItems": 2, "maxItems": 2},
        "open_ranges": {
            "items": {
                "type": "array",
                "items": {"type": "integer", **_PORT},
                "minItems": 2,
                "maxItems": 2,
            }
        },
    },
    "Stream": {
        "sent": _COUNT,
        "received": _COUNT,
        "loss": _SHARE,
        "jitter_ms": _DURATION,
        "reordered": _COUNT,
        "duplicates": _COUNT,
        "rtt_ms": _DURATION,
        "mos": {"minimum": 1, "maximum": 5},
    },
    "PlacedMedium": {"sent": _COUNT, "received": _COUNT, "reports": _COUNT},
    "Finding": {"article": {"pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"}},
}

# Keys with a default in the model, which the contract nevertheless promises.
_PROMISED = {
    "Report": (
        "schema",
        "features",
        "ports",
        "dynamic_udp",
        "dynamic_tcp",
        "nat",
        "media",
        "editors",
        "findings",
        "observations",
    ),
    "Feature": ("findings", "capacity"),
    "Port": ("local_port", "rtt_ms", "attempts", "reached_server"),
    "Server": ("addresses", "rtt_ms"),
    "Finding": ("parameters",),
    "Editor": ("sent", "received", "pinhole", "reason"),
}


def schema() -> dict[str, Any]:
    """The schema, JSON Schema draft 2020-12."""
    made = msgspec.json.schema(Report)
    definitions = made["$defs"]
    for name, keys in _CONSTRAINTS.items():
        for key, constraint in keys.items():
            definitions[name]["properties"][key].update(constraint)
    for name, promised in _PROMISED.items():
        definitions[name]["required"] = [
            *promised,
            *(key for key in definitions[name]["required"] if key not in promised),
        ]
    _admit_further_probes(definitions["Report"]["properties"]["observations"]["items"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "netcheck report",
        **made,
    }


def _admit_further_probes(observation: dict[str, Any]) -> None:
    known = sorted(observation.pop("discriminator")["mapping"])
    observation["anyOf"].append(
        {
            "title": "An observation of a probe that this version does not know",
            "type": "object",
            "properties": {
                "probe": {"type": "string", "not": {"enum": known}},
                "id": {"type": "string"},
                "at_s": {"type": "number"},
                "took_s": {"type": "number"},
            },
            "required": ["probe", "id", "at_s", "took_s"],
        }
    )


def text() -> str:
    """The schema as the file that is published."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
