from __future__ import annotations

import pytest

from probes.editors.dcom import DIALOGUES as DCOM
from probes.editors.rpc import DIALOGUES as RPC
from tests.probes.editors.loopback import served
from tests.probes.editors.talk import talk
from tests.probes.wire.dce import impacket

INTERFACES = {
    ("E1AF8308-5D1F-11C9-91A4-08002B14A0FA", "3.0"),
    ("AFA8BD80-7D8A-11C9-BEF4-08002B102989", "1.0"),
    ("99FCFEC4-5260-101B-BBCB-00AA0021347A", "0.0"),
    ("4D9F4AB8-7D1C-11CF-861E-0020AF6E7C57", "0.0"),
}


def test_either_serves_the_clients_of_both() -> None:
    assert RPC[0].server is DCOM[0].server
    assert RPC[0].read is DCOM[0].read
    kinds = [RPC[0].read(message).kind for d in (*RPC, *DCOM) for message in talk(d)[0]]
    assert kinds == ["bind", "ept_map", "bind", "RemoteActivation"]


def test_a_foreign_client_lists_the_interfaces_and_finds_them() -> None:
    with served(RPC[0], []) as at, impacket.connected(at) as dce:
        dce.bind(impacket.mgmt.MSRPC_UUID_MGMT)
        vector = impacket.mgmt.hinq_if_ids(dce)["if_id_vector"]
        data = [one["Data"].getData() for one in vector["if_id"]]
        found = {impacket.uuid.bin_to_uuidtup(one) for one in data}
        assert found == INTERFACES
        for interface in found:
            dce.alter_ctx(impacket.uuid.uuidtup_to_bin(interface))


def test_a_foreign_client_asks_how_the_server_is() -> None:
    with served(RPC[0], []) as at, impacket.connected(at) as dce:
        dce.bind(impacket.mgmt.MSRPC_UUID_MGMT)
        stats = impacket.mgmt.hinq_stats(dce, 9)
        assert (stats["count"], list(stats["statistics"]), stats["status"]) == (4, [0] * 4, 0)
        assert impacket.mgmt.his_server_listening(dce)["status"] == 0
        for refused in (impacket.mgmt.hstop_server_listening, impacket.mgmt.hinq_princ_name):
            with pytest.raises(impacket.DCERPCException, match="rpc_s_access_denied"):
                refused(dce)


def test_a_foreign_client_tries_what_is_not_here() -> None:
    with served(RPC[0], []) as at, impacket.connected(at) as dce:
        dce.bind(impacket.epm.MSRPC_UUID_PORTMAP)
        dce.call(99, b"")
        with pytest.raises(impacket.DCERPCException, match="nca_s_op_rng_error"):
            dce.recv()
    with (
        served(RPC[0], []) as at,
        impacket.connected(at) as dce,
        pytest.raises(impacket.DCERPCException, match="abstract_syntax_not_supported"),
    ):
        dce.bind(impacket.dcomrt.IID_IRemoteSCMActivator)


def test_a_foreign_client_hides_its_bind_among_others() -> None:
    with served(RPC[0], []) as at, impacket.connected(at) as dce:
        dce.bind(impacket.mgmt.MSRPC_UUID_MGMT, bogus_binds=5)
        assert impacket.mgmt.hinq_if_ids(dce)["status"] == 0


def test_a_foreign_client_wants_to_authenticate() -> None:
    with served(RPC[0], []) as at, impacket.connected(at) as dce:
        dce.set_credentials("user", "password")
        dce.set_auth_level(impacket.rpcrt.RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
        with pytest.raises(impacket.DCERPCException, match="Authentication type not recognized"):
            dce.bind(impacket.epm.MSRPC_UUID_PORTMAP)
