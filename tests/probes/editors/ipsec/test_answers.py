"""What the server chooses of what it is offered."""

from __future__ import annotations

import pytest

from probes.editors.contract import Own
from probes.editors.ipsec import GROUPS, ike, read
from probes.editors.ipsec import proposals as sa
from tests.probes.editors.ipsec.asked import answer, asking, extreme
from tests.probes.editors.talk import SERVER


@pytest.mark.parametrize("group", GROUPS)
def test_an_answer_has_the_group_of_the_key_exchange(group: int) -> None:
    for offered in ([group], [19, group], sorted(GROUPS), sorted(GROUPS, reverse=True)):
        [response] = answer(asking(*offered, key=(group, GROUPS[group])))
        assert read(response).faults == ()
        said = ike.read(response)
        [proposal] = sa.read(said.bodies(ike.SECURITY_ASSOCIATION)[0])[0]
        assert proposal.number == 7
        assert [(one.kind, one.number) for one in proposal.transforms] == [
            (1, 12),
            (2, 5),
            (3, 12),
            (4, group),
        ]
        assert said.bodies(ike.KEY_EXCHANGE)[0][:2] == group.to_bytes(2)


def floor_of_pi(bits: int) -> int:
    """2**bits times pi, by Machin's formula."""

    def arctangent(inverse: int) -> int:
        power = total = (1 << bits + 32) // inverse
        divisor, sign = 1, 1
        while power:
            power //= inverse * inverse
            divisor, sign = divisor + 2, -sign
            total += sign * (power // divisor)
        return total

    return 4 * (4 * arctangent(5) - arctangent(239)) >> 32


@pytest.mark.parametrize("server", [SERVER, extreme(0xFF, SERVER)])
@pytest.mark.parametrize(
    ("group", "added"), [(2, 129093), (5, 741804), (14, 124476), (15, 1690314), (16, 240904)]
)
def test_a_public_value_is_of_the_group_s_prime_order(group: int, added: int, server: Own) -> None:
    """The primes of RFC 2409 section 6.2 and RFC 3526, from what they are defined by."""
    bits = 8 * GROUPS[group]
    prime = (1 << bits) - (1 << bits - 64) - 1 + ((floor_of_pi(bits - 130) + added) << 64)
    order = prime >> 1
    assert pow(2, order, prime) == 1, "2 generates the subgroup"
    [response] = answer(asking(group), server)
    value = int.from_bytes(ike.read(response).bodies(ike.KEY_EXCHANGE)[0][4:])
    assert 1 < value < prime - 1
    assert pow(value, order, prime) == 1


@pytest.mark.parametrize(("nonce", "own"), [(16, 16), (31, 31), (32, 32), (256, 32)])
def test_a_short_nonce_is_answered_with_a_short_one(nonce: int, own: int) -> None:
    [response] = answer(asking(31, nonce=nonce))
    assert [len(body) for body in ike.read(response).bodies(ike.NONCE)] == [own]


@pytest.mark.parametrize(
    ("offered", "key", "wanted"),
    [
        ((19, 31), (19, 64), 31),
        ((19, 14, 31), (19, 64), 31),
        ((20, 14), (20, 96), 14),
        ((19, 2, 14), (19, 64), 14),
        ((31,), (14, 256), 31),
    ],
)
def test_another_group_is_asked_for(
    offered: tuple[int, ...], key: tuple[int, int], wanted: int
) -> None:
    [refusal] = answer(asking(*offered, key=key))
    said = ike.read(refusal)
    assert said.responder == bytes(8)
    assert said.payloads == ((ike.NOTIFY, b"\0\0\0\x11" + wanted.to_bytes(2)),)
    assert read(refusal).faults == ()


@pytest.mark.parametrize(
    "request_",
    [
        asking(19, key=(19, 64)),
        asking(31, protocol=3),
        asking(31, more=(sa.transform(6, 36),)),
    ],
    ids=["no group that is known", "not for IKE", "a type of transform that is not known"],
)
def test_no_proposal_is_chosen(request_: bytes) -> None:
    [refusal] = answer(request_)
    assert ike.read(refusal).payloads == ((ike.NOTIFY, b"\0\0\0\x0e"),)
