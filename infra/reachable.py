"""Under which address other machines reach this process."""

import socket
from collections.abc import Sequence
from ipaddress import ip_address

from aiokafka.conn import collect_hosts


def reachable(host: str, servers: Sequence[str]) -> str:
    """Return `host`, on which the process listens; if that stands for all addresses, the one that faces the Kafka servers."""
    if not _every(host):
        return host
    # All addresses of IPv6 are those of IPv4, too; not the other way round.
    listening = socket.AF_UNSPEC if ":" in host else socket.AF_INET
    for name, port, _ in collect_hosts(list(servers), randomize=False):
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(name, port, listening, socket.SOCK_DGRAM)[0]
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
