"""DCE RPC, as far as ``rpc`` and ``dcom`` need it: messages, and what is said on TCP port 135.

``pdu`` are the messages, ``ndr`` the parameters in them, ``ends`` a client and a server of any
interface.  ``endpoint_mapper``, ``management``, ``activation`` and ``object_exporter`` are
interfaces, ``object_reference`` is what two of them carry, and ``port_135`` has them all.
"""
