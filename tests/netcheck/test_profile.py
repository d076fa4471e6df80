"""Profiles: the built-in ones hold the facts, a user's own is read, a wrong one refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck import profile
from netcheck.profile import Profile, ProfileError, Requirement

BUILT_IN = {entry.id: entry for entry in profile.built_in()}

OWN = """\
id = "chat-box"
title = "Chat box"
summary = "Talk"

[[features]]
id = "talk"
title = "Talk"
facts = ["X1"]

[[features.requires]]
probe = "outbound-tcp"
ports = [5222, "6000-6002", "7000"]
at-least = 2
capacity = true

[[features.requires]]
probe = "outbound-tcp"
ports = [5223]
local-port = 5224
decides = false

[[features.requires]]
probe = "call"
protocol = "sip"
means = "a call"
"""


def needs(name: str, feature: str) -> dict[str, Requirement]:
    (found,) = (f for f in BUILT_IN[name].features if f.id == feature)
    return {r.probe: r for r in found.requires}


def ports(name: str, feature: str, probe: str) -> tuple[int, ...]:
    return needs(name, feature)[probe].port_numbers


# The facts


def test_the_built_in_profiles_are_those_of_the_articles() -> None:
    assert list(BUILT_IN) == ["msn-messenger", "netmeeting"]
    features = {name: [f.id for f in entry.features] for name, entry in BUILT_IN.items()}
    assert features == {
        "msn-messenger": ["messaging", "send-files", "receive-files", "voice"],
        "netmeeting": [
            "directory", "data-sharing", "call-out", "audio", "video", "receive-calls",
        ],
    }  # fmt: skip


def test_every_fact_that_concerns_a_feature_is_claimed_by_one() -> None:
    """M6 is a remedy; M7 and M8 are about NAT editors, which are no feature."""
    claimed = {fact for entry in BUILT_IN.values() for f in entry.features for fact in f.facts}
    assert claimed == {f"M{n}" for n in range(1, 6)} | {f"N{n}" for n in range(1, 9)}
    for name, letter in (("msn-messenger", "M"), ("netmeeting", "N")):
        for feature in BUILT_IN[name].features:
            assert feature.facts
            assert all(fact.startswith(letter) for fact in feature.facts)


def test_m1_messaging_goes_out_to_1863() -> None:
    assert ports("msn-messenger", "messaging", "outbound-tcp") == (1863,)


def test_m2_files_travel_on_all_ten_ports_in_both_directions() -> None:
    transfer = tuple(range(6891, 6901))
    assert ports("msn-messenger", "receive-files", "outbound-tcp") == transfer
    assert ports("msn-messenger", "send-files", "inbound-tcp") == transfer


def test_m3_one_port_is_enough_for_one_transfer_and_ten_are_counted() -> None:
    for feature, probe in (("receive-files", "outbound-tcp"), ("send-files", "inbound-tcp")):
        needed = needs("msn-messenger", feature)[probe]
        assert (needed.at_least, needed.capacity) == (1, True)


def test_m4_voice_needs_tcp_from_6901_and_udp_on_either_side() -> None:
    needed = needs("msn-messenger", "voice")
    assert needed["outbound-tcp"].local_port == 6901
    assert needed["udp"].port_numbers == (6901,)


def test_m5_what_an_invitation_names_decides_files_and_voice_but_not_messaging() -> None:
    assert needs("msn-messenger", "send-files")["embedded-address"].decides
    assert needs("msn-messenger", "voice")["embedded-address"].decides
    assert list(needs("msn-messenger", "messaging")) == ["outbound-tcp"]


def test_n1_either_directory_will_do() -> None:
    needed = needs("netmeeting", "directory")["outbound-tcp"]
    assert (needed.port_numbers, needed.at_least) == ((389, 522), 1)


def test_n2_data_sharing_goes_out_to_1503() -> None:
    assert ports("netmeeting", "data-sharing", "outbound-tcp") == (1503,)
    assert not needs("netmeeting", "data-sharing")["inbound-tcp"].decides


def test_n3_n4_n5_calls_audio_and_video() -> None:
    assert ports("netmeeting", "call-out", "outbound-tcp") == (1720,)
    assert ports("netmeeting", "audio", "outbound-tcp") == (1720, 1731)
    assert ports("netmeeting", "video", "outbound-tcp") == (1720,)
    assert needs("netmeeting", "call-out")["call"].decides
    assert needs("netmeeting", "audio")["media"].protocol == "rtp-audio"
    assert needs("netmeeting", "video")["media"].protocol == "rtp-video"


def test_n6_outbound_is_the_articles_list() -> None:
    out = {
        port
        for f in BUILT_IN["netmeeting"].features
        for r in f.requires
        if r.probe == "outbound-tcp"
        for port in r.port_numbers
    }
    assert out == {522, 389, 1503, 1720, 1731}


def test_n8_calls_come_in_on_1720() -> None:
    assert ports("netmeeting", "receive-calls", "inbound-tcp") == (1720,)


def test_what_cannot_be_tested_yet_says_what_it_is() -> None:
    for entry in BUILT_IN.values():
        for feature in entry.features:
            for needed in feature.requires:
                assert needed.probe in ("outbound-tcp", "inbound-tcp", "udp") or needed.means


# A user's own


def test_a_profile_of_ones_own() -> None:
    own = profile.parse(OWN, "own.toml")
    (talk,) = own.features
    first, second, third = talk.requires
    assert first.port_numbers == (5222, 6000, 6001, 6002, 7000)
    assert (first.at_least, first.capacity, first.decides) == (2, True, True)
    assert (second.port_numbers, second.local_port, second.decides) == ((5223,), 5224, False)
    assert (third.probe, third.means) == ("call", "a call")


def test_a_port_that_is_named_twice_is_one_port() -> None:
    own = profile.parse(OWN.replace('5222, "6000-6002"', '6001, "6000-6002", 6002'), "own.toml")
    assert own.features[0].requires[0].port_numbers == (6001, 6000, 6002, 7000)


def test_a_profile_is_found_by_its_id_or_its_file(tmp_path: Path) -> None:
    assert profile.find("netmeeting") == BUILT_IN["netmeeting"]
    file = tmp_path / "own.toml"
    file.write_text(OWN, encoding="utf-8")
    assert profile.find(str(file)) == profile.read(file) == profile.parse(OWN, "own.toml")


def test_a_file_with_windows_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_bytes(OWN.replace("\n", "\r\n").encode())
    assert profile.read(file) == profile.parse(OWN, "own.toml")


# A wrong one


def one_sentence(error: ProfileError) -> str:
    text = str(error)
    assert text.isprintable(), text
    assert text.endswith(".")
    assert "`" not in text
    assert "Traceback" not in text
    return text


# (what to replace in OWN, by what, where it says the fault is, what it says of it)
WRONG = {
    "broken": ('title = "Chat box"', "title = ", "line 2", "not TOML"),
    "unclosed": ('id = "chat-box"', 'id = "chat-box', "line 1", "not TOML"),
    "key-twice": ('id = "chat-box"', 'id = "a"\nid = "b"', "line 2", "not TOML"),
    "unknown-key": ('id = "talk"', 'colour = 1\nid = "talk"', "features[0]", "'colour'"),
    "unknown-key-at-top": ("summary =", "sumary =", "the profile itself", "'sumary'"),
    "underscore": ("at-least", "at_least", "features[0].requires[0]", "'at_least'"),
    "hostile-key": ('id = "talk"', '"a\\u001b\\nb" = 1\nid = "talk"', "features[0]", "'a??b'"),
    "missing-title": ('title = "Chat box"\n', "", "the profile itself", "lacks 'title'"),
    "missing-probe": ('probe = "call"\n', "", "requires[2]", "lacks 'probe'"),
    "ports-no-list": ("[5223]", "5223", "requires[1].ports", "a list"),
    "port-fraction": ("5223]", "5223.5]", "requires[1].ports[0]", "whole number"),
    "port-boolean": ("5223]", "true]", "requires[1].ports[0]", "whole number"),
    "port-0": ("5223]", "0]", "requires[1].ports[0]", ">= 1"),
    "port-70000": ("5223]", "70000]", "requires[1].ports[0]", "<= 65535"),
    "port-negative": ("5223]", "-1]", "requires[1].ports[0]", ">= 1"),
    "port-word": ('"7000"', '"a-b"', "(talk).requires[0].ports", "'a-b' is not a port"),
    "port-empty": ('"7000"', '""', "(talk).requires[0].ports", "'' is not a port"),
    "port-other-digits": ('"7000"', '"７０００"', "(talk).requires[0].ports", "is not a port"),
    "range-open": ('"7000"', '"7000-"', "(talk).requires[0].ports", "is not a port"),
    "range-of-three": ('"7000"', '"1-2-3"', "(talk).requires[0].ports", "is not a port"),
    "range-reversed": ('"7000"', '"7001-7000"', "requires[0].ports", "lower end first"),
    "range-too-high": ('"7000"', '"65535-65536"', "requires[0].ports", "within 1 to 65535"),
    "range-from-0": ('"7000"', '"0-3"', "requires[0].ports", "within 1 to 65535"),
    "range-too-long": ('"7000"', '"7000-7064"', "requires[0].ports", "more than 64 ports"),
    "ports-too-many": (
        '"6000-6002", "7000"', '"6000-6063"', "requires[0]", "more than 64 ports for outbound-tcp",
    ),
    "no-ports": ("[5223]", "[]", "requires[1].ports", "at least one port"),
    "unknown-probe": ('"call"', '"telepathy"', "requires[2].probe", "'telepathy'"),
    "at-least-too-large": ("at-least = 2", "at-least = 6", "requires[0].at-least", "6 is more"),
    "at-least-0": ("at-least = 2", "at-least = 0", "requires[0].at-least", ">= 1"),
    "at-least-text": ("at-least = 2", 'at-least = "2"', "requires[0].at", "whole number"),
    "local-port-of-many": (
        "[5223]", "[5223, 5225]", "requires[1].local-port", "with a single port",
    ),
    "local-port-inbound": (
        'probe = "outbound-tcp"\nports = [5223]', 'probe = "inbound-tcp"\nports = [5223]',
        "requires[1].local-port", "only for outbound-tcp",
    ),
    "udp-of-many": (
        'probe = "outbound-tcp"\nports = [5223]\nlocal-port = 5224',
        'probe = "udp"\nports = [1, 2]', "requires[1].ports", "one requirement for each",
    ),
    "bad-id": ('"chat-box"', '"Chat box"', "id", "lower-case letters, digits and hyphens"),
    "empty-id": ('"chat-box"', '""', "id", "lower-case letters"),
    "id-too-long": ('"chat-box"', f'"{"x" * 41}"', "id", "40 at most"),
    "id-with-line-end": ('"chat-box"', '"chat\\n"', "id", "lower-case letters"),
    "empty-title": ('"Chat box"', '""', "title", "text"),
    "title-no-text": ('"Chat box"', "5", "title", "text, not a whole number"),
    "decides-nothing": (
        OWN[OWN.index("[[features.requires]]") :],
        '[[features.requires]]\nprobe = "call"\ndecides = false\n', "features[0] (talk)", "decides",
    ),
    "requires-nothing": (
        OWN[OWN.index("[[features.requires]]") :], "requires = []", "features[0].requires", "list",
    ),
    "requires-no-list": (
        OWN[OWN.index("[[features.requires]]") :], "requires = 5", "features[0].requires", "a list",
    ),
    "no-features": (OWN[OWN.index("[[features]]") :], "features = []", "features", "list"),
    "number-too-long": ("5222", "1" * 5000, "own.toml", "too long"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_profile_is_refused_with_file_place_and_reason(name: str, tmp_path: Path) -> None:
    old, new, place, reason = WRONG[name]
    assert old in OWN
    file = tmp_path / "own.toml"
    file.write_text(OWN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ProfileError) as refused:
        profile.find(str(file))
    text = one_sentence(refused.value)
    assert text.startswith(str(file))
    assert place in text
    assert reason in text


def test_a_feature_id_may_not_be_used_twice() -> None:
    again = OWN[OWN.index("[[features]]") :]
    with pytest.raises(ProfileError, match=r"features\[1\] \(talk\): the id is used twice"):
        profile.parse(OWN + again, "own.toml")


def test_ports_are_counted_over_the_whole_profile() -> None:
    def feature(name: str, low: int, high: int) -> str:
        need = f'[[features.requires]]\nprobe = "inbound-tcp"\nports = ["{low}-{high}"]\n'
        return f'[[features]]\nid = "{name}"\ntitle = "T"\n{need}'

    start = 'id = "p"\ntitle = "P"\n'
    assert profile.parse(start + feature("a", 1000, 1063) + feature("b", 1000, 1063), "p.toml")
    with pytest.raises(ProfileError, match=r"features\[1\] \(b\).*more than 64 ports"):
        profile.parse(start + feature("a", 1000, 1063) + feature("b", 1064, 1064), "p.toml")


def test_udp_ports_take_two_calls_each() -> None:
    start = 'id = "p"\ntitle = "P"\n[[features]]\nid = "a"\ntitle = "T"\n'
    need = "[[features.requires]]\nprobe = 'udp'\nports = [{}]\n"
    most = start + "".join(need.format(port) for port in range(1000, 1032))
    assert profile.parse(most, "p.toml")
    more = "[[features]]\nid = 'b'\ntitle = 'T'\n" + need.format(1032)
    with pytest.raises(ProfileError, match="more than 32 ports for udp"):
        profile.parse(most + more, "p.toml")


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 5000, "a = " + "{a = " * 5000, "x" + ".x" * 5000 + " = 1"],
    ids=["lists", "tables", "keys"],
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(ProfileError) as refused:
        profile.parse(text, "deep.toml")
    assert one_sentence(refused.value).startswith("deep.toml: ")


def test_what_is_no_text_is_refused_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_bytes(b'id = "a"\ntitle = "\xff"\n')
    with pytest.raises(ProfileError) as refused:
        profile.read(file)
    assert one_sentence(refused.value) == f"{file}, line 2: this is not UTF-8 text."


def test_a_folder_a_missing_file_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    huge = tmp_path / "huge.toml"
    huge.write_text("#" * 300_000)
    for path, reason in (
        (tmp_path, "directory"),
        (tmp_path / "none.toml", "There is no profile file"),
        (tmp_path / "no" / "folder.toml", "There is no profile file"),
        (huge / "below.toml", "cannot be read"),
        (huge, "larger than 256 kB"),
        (tmp_path / "a\0b.toml", "is not a file name"),
    ):
        with pytest.raises(ProfileError) as refused:
            profile.read(path)
        assert reason in one_sentence(refused.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("netmeting", "did you mean netmeeting?"),
        ("skype-for-cats", "there are msn-messenger and netmeeting."),
        ("", "there are msn-messenger and netmeeting."),
        ("\x1b[2J", "there are"),
    ],
)
def test_an_unknown_name_is_refused_with_a_hint(name: str, hint: str) -> None:
    with pytest.raises(ProfileError) as refused:
        profile.find(name)
    assert str(refused.value).isprintable()
    assert hint in str(refused.value)


def read_or_refused(text: str) -> None:
    try:
        found = profile.parse(text, "own.toml")
    except ProfileError as error:
        one_sentence(error)
    else:
        assert isinstance(found, Profile)
        assert found.features
        for feature in found.features:
            for needed in feature.requires:
                assert all(0 < port < 65536 for port in needed.port_numbers)


@given(st.text())
def test_any_text_is_a_profile_or_refused(text: str) -> None:
    read_or_refused(text)


@given(st.integers(0, len(OWN)), st.integers(0, 12), st.text(max_size=12))
def test_any_change_of_a_profile_is_read_or_refused(at: int, gone: int, new: str) -> None:
    read_or_refused(OWN[:at] + new + OWN[at + gone :])


_KEYS = st.sampled_from(["id", "title", "features", "requires", "ports", "probe", "at-least", "x"])
_LEAVES = (
    st.integers() | st.booleans() | st.text(max_size=8) | st.floats(allow_nan=False)
) | st.sampled_from(["udp", "outbound-tcp", "6891-6900"])
_VALUES = st.recursive(
    _LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(_KEYS, v, max_size=3)
)


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case str():
            return (
                '"'
                + "".join(f"\\U{ord(c):08x}" for c in value if not "\ud800" <= c < "\ue000")
                + '"'
            )
    return repr(value)


@given(st.dictionaries(_KEYS, _VALUES, min_size=1))
def test_any_toml_is_a_profile_or_refused(table: dict[str, object]) -> None:
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())
    tomllib.loads(text)
    read_or_refused(text)
