"""The control connection, client side: finding a way to the server, then talking to it."""
