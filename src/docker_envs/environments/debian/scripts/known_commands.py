"""Commands of maintainer scripts that change nothing in a new image, by what there is to say about them.

The table in `docs/debian.md` lists them; a test holds the two together.
"""

from __future__ import annotations

#: They compute, print, or look: nothing but their output and status, which are not known.
FILTERS = frozenset((
    "awk", "basename", "cmp", "cut", "date", "debconf-show", "df", "diff", "dirname", "dpkg-vendor", "egrep", "expr",
    "fgrep", "file", "find", "gawk", "getopt", "grep", "head", "hostname", "ischroot", "locale", "logname",
    "lsb_release", "mawk", "mountpoint", "paperconf", "pgrep", "pidof", "printf", "ps", "rev", "sed", "seq", "sha256sum", "sort", "sshd", "sshd.session-split",
    "systemd-detect-virt", "tail", "tempfile", "tput", "tr", "tty", "ucfq", "uniq", "wc", "whoami",
))  # fmt: skip

#: Options with which a filter writes files or runs commands after all.
FILTER_ACTIONS = {
    "sed": ("-i", "--in-place"),
    "find": ("-delete", "-exec", "-execdir", "-ok"),
}

#: They mean services, hardware, terminals or security labels, none of which an image has when it is made.
SERVICES = frozenset((
    "aa-enabled", "aa-status", "apparmor_parser", "chcon", "dbus-send", "deb-systemd-helper", "deb-systemd-invoke", "initctl",
    "invoke-rc.d", "kill", "killall", "logger", "modprobe", "nscd", "policy-rc.d", "restorecon", "runit-helper", "service", "sleep",
    "start-stop-daemon", "sysctl", "systemctl", "telinit", "udevadm", "update-rc.d", "wall",
))  # fmt: skip

#: They do something only in an upgrade or a removal, or for a dialogue that nobody sees.
INSTALLATION = frozenset((
    "apt-config", "apt-key", "cd", "clean-up-unmanaged-libraries", "debconf-communicate", "dpkg-maintscript-helper",
    "dpkg-preconfigure", "dpkg-reconfigure", "dpkg-trigger", "trap", "ulimit", "update-binfmts", "update-menus",
    "update-passwd", "wait",
))  # fmt: skip

#: They compile Python modules: images have no bytecode that was not shipped.
BYTECODE = frozenset((
    "py3clean", "py3compile", "py_compile.py", "pyclean", "pycompile", "pypy3clean", "pypy3compile",
))  # fmt: skip

#: They make caches that programs do without, or make when they first want them.
CACHES = frozenset((
    "appstreamcli", "fc-cache", "gdk-pixbuf-query-loaders", "gio-querymodules", "glib-compile-schemas",
    "gtk-query-immodules-3.0", "gtk-update-icon-cache", "gtk-update-icon-cache-3.0", "iconvconfig", "install-info",
    "journalctl", "mandb", "mkfontdir", "pg_updatedicts",
    "update-catalog", "update-desktop-database", "update-fonts-alias", "update-fonts-dir", "update-fonts-scale", "update-gsfontmap",
    "update-icon-caches", "update-info-dir", "update-mime", "update-mime-database", "update-perl-sax-parsers",
    "update-xmlcatalog",
))  # fmt: skip


#: They make what must differ between machines: keys of hosts, certificates of their own, ids.
MACHINE = frozenset((
    "dbus-uuidgen", "make-ssl-cert", "ssh-keygen", "systemd-machine-id-setup",
))  # fmt: skip


def is_filter(name: str, words: list[str | None]) -> bool:
    """Whether a command only looks, with these arguments."""
    if name not in FILTERS:
        return False
    actions = FILTER_ACTIONS.get(name, ())
    return not any(word is None or word.startswith(action) for word in words for action in actions)
