"""Under which address other machines reach this process."""

import socket
from collections.abc import Sequence
from ipaddress import ip_address


def reachable(host: str, servers: Sequence[str]) -> str:
    """Return `host`, on which the process listens; if that stands for all addresses, the one that faces the servers (host:port)."""
    if not _every(host):
        return host
    for server in servers:
        name, _, port = server.rpartition(":")
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(name, int(port), type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind, protocol) as facing:
                facing.connect(address)  # a datagram socket: nothing is sent
                found: str = facing.getsockname()[0]
                return found
        except OSError:
            continue
    return socket.gethostname()


def _every(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return not host
