"""Which proxy leads to a URL: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not.

Spec: there is none; the rules are those of Go's golang.org/x/net/http/httpproxy, so of Docker and podman, and
`ALL_PROXY` is curl's.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.request
from urllib.parse import urlsplit

from docker_envs.transports.redirects import is_this_machine

_DEFAULT_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str) -> str | None:
    """The proxy's URL, or None; this machine is never reached through one.

    Where no variable is set, macOS is asked for its settings.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_this_machine(host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or is_excluded(host, parts.port or _DEFAULT_PORTS.get(parts.scheme), proxies.get("no", "")):
        return None
    if not urllib.request.getproxies_environment() and urllib.request.proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def is_excluded(host: str, port: int | None, no_proxy: str) -> bool:
    """Whether `NO_PROXY` names a host.

    Entries are `*` for all, networks (`10.0.0.0/8`), addresses, or names, which stand for all names below them too;
    with a dot in front (`.example.com`, `*.example.com`) for these only. Addresses and names may have a port.

    Args:
        host: Name or address without brackets.
        port: Where to.
        no_proxy: The variable's value; entries that say nothing are passed over.
    """
    host = host.lower().rstrip(".")
    return any(_matches(entry, host, port) for entry in re.split(r"[,\s]+", no_proxy.lower()) if entry)


def _matches(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, entry_port = (entry, "") if _address(entry) else _split_port(entry)
    if not name or (entry_port and entry_port != str(port)):
        return False
    if (literal := _address(name)) is not None:
        return literal == address
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _split_port(entry: str) -> tuple[str, str]:
    found = re.fullmatch(r"\[?([^\]]*?)\]?(?::(\d+))?", entry)
    return (found[1], found[2] or "") if found else ("", "")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
