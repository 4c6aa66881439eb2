"""``memotions space``: the app on this machine, in the browser.

Nothing heavy is imported before the command runs.
"""

from __future__ import annotations

import argparse
import errno
import importlib.util
import os
import socket
import sys
from typing import Any

from .errors import InputError, require

_HOST = "127.0.0.1"
_PORTS = range(7860, 7960)  # where gradio looks, too
_EVERYWHERE = frozenset({"0.0.0.0", "::"})


def add_parser(commands: Any) -> None:
    """Add the command to the parser of ``memotions``."""
    parser = commands.add_parser(
        "space",
        help="open the mood journal in the browser",
        description="Start the mood journal on this machine and open it in the browser. It does "
        "everything without a network and without an account; Gemini is used where it is "
        "configured (see memotions doctor).",
        epilog="GRADIO_SERVER_NAME and GRADIO_SERVER_PORT are used where --host and --port are "
        "not given.",
    )
    parser.add_argument(
        "--host",
        metavar="H",
        help=f"address to listen at ({_HOST}); 0.0.0.0 lets other machines in",
    )
    parser.add_argument(
        "--port", type=_port, metavar="N", help=f"port (the first free one from {_PORTS.start})"
    )
    browser = parser.add_mutually_exclusive_group()
    browser.add_argument(
        "--open", dest="browser", action="store_true", help="open the browser, come what may"
    )
    browser.add_argument(
        "--no-browser", dest="browser", action="store_false", help="open no browser"
    )
    parser.set_defaults(run=run, browser=None)


def run(args: argparse.Namespace) -> int:
    """Run ``memotions space`` until Ctrl-C; returns the exit code."""
    for module in ("gradio", "mcp", "limits"):
        if importlib.util.find_spec(module) is None:  # importing them is left to the app
            require(module, "space")
    from .demo.app import launch

    host = (args.host or os.environ.get("GRADIO_SERVER_NAME", "").strip() or _HOST).strip("[]")
    port = _choose_port(host, args.port or _port_of_environment())
    print(f"Memotions starts at {_address(host, port)} (stop it with Ctrl-C)", flush=True)
    open_browser = _has_browser() if args.browser is None else args.browser
    launch(host=_in_address(host), port=port, open_browser=open_browser)
    return 0


def _port(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and 0 < int(value[:6]) < 65_536):
        raise argparse.ArgumentTypeError(f"{value!r:.20} is no port; expected 1 to 65535")
    return int(value)


def _port_of_environment() -> int | None:
    value = os.environ.get("GRADIO_SERVER_PORT", "").strip()
    try:
        return _port(value) if value else None
    except argparse.ArgumentTypeError as error:
        raise InputError(f"GRADIO_SERVER_PORT: {error}") from None


def _choose_port(host: str, wanted: int | None) -> int:
    """Return the wanted port, or the first free one.

    Raises:
        InputError: it is in use, or cannot be listened at.
    """
    for port in _PORTS if wanted is None else (wanted,):
        try:
            _bind(host, port)
        except (OSError, UnicodeError) as error:  # the second where a name is no name at all
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                continue
            reason = getattr(error, "strerror", None) or "this is no name of a machine"
            raise InputError(f"cannot listen at {host!r:.80}, port {port} ({reason})") from None
        return port
    if wanted is None:
        raise InputError(f"every port from {_PORTS.start} to {_PORTS.stop - 1} is in use")
    raise InputError(f"port {wanted} is in use; name another one, or leave --port out")


def _bind(host: str, port: int) -> None:
    """Take a port and let it go again.

    Raises:
        OSError: that cannot be done.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        if os.name == "posix":  # a port that was in use a moment ago is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _address(host: str, port: int) -> str:
    return f"http://{'localhost' if host in _EVERYWHERE else _in_address(host)}:{port}"


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host  # IPv6


def _has_browser() -> bool:
    """Tell whether somebody sits at this terminal, with a screen to show a page on."""
    has_display = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return has_display and sys.stdout.isatty()
