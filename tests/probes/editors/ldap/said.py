"""What clients of LDAP say, and what another decoder reads in it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from probes.editors.contract import Step
from probes.editors.ldap import messages as ldap
from probes.wire import ber

# What the clients of OpenLDAP 2.5.13 say first, as captured.
LDAPADD = bytes.fromhex("300c020101600702010304008000")
START_TLS = bytes.fromhex("301d02010177188016312e332e362e312e342e312e313436362e3230303337")
ROOT_DSE = bytes.fromhex(
    "303e020101633904000a01000a0100020100020100010100870b6f626a656374636c617373"
    "30190417737570706f727465645341534c4d656368616e69736d73"
)
LDAPADD_ADD = bytes.fromhex(
    "308180020102687b0435633d2d2c6f3d4d6963726f736f66742c636e3d75406578616d706c652e6f72672c"
    "6f626a656374436c6173733d7274506572736f6e304230150402636e310f040d75406578616d706c652e6f"
    "72673018040a73697061646472657373310a04083338363433393034300f040573706f72743106040431373230"
)
FOREIGN = [LDAPADD, START_TLS, ROOT_DSE, LDAPADD_ADD]

DECODE: Any = import_module("pyasn1.codec.ber.decoder").decode
ENCODE: Any = import_module("pyasn1.codec.ber.encoder").encode
TYPES: Any = import_module("pyasn1_modules.rfc2251")


def understood(data: bytes) -> Any:
    """A message as a decoder reads it that we did not write."""
    message, left = DECODE(data, asn1Spec=TYPES.LDAPMessage())
    assert left == b""
    return message


def request(operation: bytes, number: int = 7) -> bytes:
    return ldap.message(ber.integer(number), operation)


def add(name: bytes, *told: tuple[bytes, list[bytes]]) -> bytes:
    return request(ber.tlv(ldap.ADD_REQUEST, ber.octets(name), ldap.attributes(told)))


def search(
    base: bytes, scope: int, wanted: bytes, *asked: bytes, types_only: bool = False
) -> bytes:
    return request(
        ber.tlv(
            ldap.SEARCH_REQUEST,
            ber.octets(base),
            ber.integer(scope, ber.ENUMERATED),
            ber.integer(0, ber.ENUMERATED),
            ber.integer(0),
            ber.integer(0),
            b"\x01\x01\xff" if types_only else b"\x01\x01\x00",
            wanted,
            ber.tlv(ber.SEQUENCE, *map(ber.octets, asked)),
        )
    )


def equal(name: bytes, value: bytes) -> bytes:
    return ber.tlv(ldap.FILTER_EQUAL, ber.octets(name), ber.octets(value))


def bind(version: int, credentials: bytes) -> bytes:
    return request(ber.tlv(0x60, ber.integer(version), ber.octets(b""), credentials))


ANYTHING = ber.tlv(ldap.FILTER_PRESENT, b"objectClass")
NOTHING = equal(b"cn", b"nobody")


def results(step: Step) -> list[tuple[str, int]]:
    """Each answer and its result code, as another decoder reads them."""
    found = []
    for data in step.send:
        operation = understood(data)["protocolOp"]
        component = operation.getComponent()
        code = int(component["resultCode"]) if "resultCode" in component else -1
        found.append((operation.getName(), code))
    return found
