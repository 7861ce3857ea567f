"""The options of the section [service].

The sections [keystone_authtoken], [oslo_policy] and [oslo_limit] are read, and checked for mistakes, only where
Keystone is used, so that `auth` or `limits` alone turns it on and off.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from oslo_config import cfg

from imgstore import config, distribution, errors
from imgstore.service.log import JSON, LEVELS, TEXT

SECTION = "service"

KEYSTONE, NOAUTH = "keystone", "noauth"
COPY_THREADS = 2
INI_FILE = "configuration"
NONE, ALL = "none", "all"
FOREIGN = ("keystone_authtoken", "oslo_policy", "oslo_limit")

OPTIONS: Sequence[cfg.Opt] = (
    cfg.HostAddressOpt(
        "listen",
        default="127.0.0.1",
        help="Address to listen on. With auth = noauth the service believes which project callers say they are "
        "(X-Project-Id): listen on trusted networks only.",
    ),
    cfg.PortOpt("port", default=9292, help="Port to listen on; 0: a free one, which is printed."),
    cfg.BoolOpt(
        "share_port",
        default=False,
        help="Whether other processes of the service, of the same user, may listen on the same port. The kernel gives "
        "each new connection to one of them (SO_REUSEPORT).",
    ),
    cfg.IntOpt(
        "backlog",
        default=128,
        min=1,
        max=65535,
        help="Connections that may wait to be accepted. The kernel caps it (net.core.somaxconn).",
    ),
    cfg.StrOpt(
        "tls_certificate",
        help="File with the server's certificate and its chain (PEM). Set it together with tls_key to serve https and "
        "nothing else. Unset: http. Read at the start, and again at SIGHUP.",
    ),
    cfg.StrOpt("tls_key", help="File with the private key of tls_certificate (PEM), without a passphrase."),
    cfg.StrOpt(
        "tls_ciphers",
        help="Ciphers for TLS 1.2, as OpenSSL names them. Unset: those of Python. TLS 1.2 is the oldest version taken.",
    ),
    cfg.URIOpt(
        "public_endpoint",
        schemes=["http", "https"],
        help="URL at which clients find the service where a proxy stands before it, as in https://images.example.org "
        "or https://cloud.example.org/image. Links and Location headers begin with it. Unset: what the request "
        "says.",
    ),
    cfg.StrOpt(
        "auth",
        default=NOAUTH,
        choices=[
            (NOAUTH, "callers say which project they are, without proof"),
            (KEYSTONE, "callers have tokens of Keystone, see [keystone_authtoken]; needs the extra 'keystone'"),
        ],
        help="How the service knows its callers.",
    ),
    cfg.StrOpt(
        "limits",
        default=INI_FILE,
        choices=[
            (INI_FILE, "from this file: project_quota, project_images and project_uploads of [imgstore]"),
            (KEYSTONE, "the unified limits of Keystone, see [oslo_limit]; needs the extra 'keystone'"),
        ],
        help="Where the limits of projects come from. The limits of a project in one store, and the capacities of "
        "stores, always come from this file.",
    ),
    cfg.FloatOpt(
        "limits_age",
        default=60,
        min=0,
        max=86400,
        help="Seconds for which the service uses a limit of Keystone before it asks again.",
    ),
    cfg.StrOpt(
        "database",
        secret=True,
        help="Where the catalog is: the path of an SQLite file, created with mode 0600 where it is missing, for the "
        "processes of one machine; or the URL of a database that several machines share, "
        "postgresql://user:password@host/name or mysql://user:password@host/name (with the extra 'postgresql' "
        "or 'mysql'), which 'imgstore db upgrade' prepares. Unset: imgstore.sqlite in the directory given by "
        "--data-dir.",
    ),
    cfg.IntOpt(
        "upload_lease",
        default=60,
        min=1,
        max=86400,
        help="Seconds after which an upload counts as dead if its process gives no sign of life. A process gives one "
        "three times in this time, whatever client and stores do. An image stays in saving for so long after its "
        "process died; a process that freezes, or is cut off from the database, for longer loses its uploads.",
    ),
    cfg.IntOpt(
        "recovery_interval",
        default=30,
        min=1,
        max=86400,
        help="Seconds, on average, between two searches for dead uploads, and for data of deleted images that a store "
        "could not remove. Every process of the service searches.",
    ),
    cfg.IntOpt(
        "threads",
        default=16,
        min=1,
        max=1024,
        help="Threads for uploads, downloads and deletions. Each holds one from its beginning to its end. Further "
        "requests wait, for body_timeout at most, and then get 503. Probes and requests that ask the catalog only have "
        "threads of their own.",
    ),
    cfg.IntOpt(
        "copy_threads",
        default=COPY_THREADS,
        min=1,
        max=1024,
        help="Copies of images to other stores at a time, on threads of their own; more copies wait. "
        "Copies into one store take half of the threads at most, if there are more than two stores.",
    ),
    cfg.FloatOpt(
        "body_timeout",
        default=60,
        min=0.1,
        max=86400,
        help="Seconds without a byte after which a client that stalls in the middle of a request gets 408, and a "
        "connection without a request is closed.",
    ),
    cfg.FloatOpt(
        "grace_period",
        default=30,
        min=0,
        max=86400,
        help="Seconds from SIGTERM or SIGINT to the end of the process, 3 at least. In time for it the requests that "
        "are still under way are cut, and their uploads undone.",
    ),
    cfg.StrOpt(
        "log_level",
        default="INFO",
        choices=LEVELS,
        help="What the log tells. Other packages tell their warnings and errors only. The options -q and -v of "
        "'imgstore serve' come first.",
    ),
    cfg.StrOpt("log_format", default=TEXT, choices=(TEXT, JSON), help="A line of text for each event, or one of JSON."),
    cfg.BoolOpt(
        "log_probes",
        default=True,
        help="Whether the access log tells of requests for /healthcheck and /metrics that went well.",
    ),
    cfg.FloatOpt(
        "health_interval",
        default=30,
        min=0.1,
        max=86400,
        help="Seconds between two checks of a store, and of the database. /healthcheck/ready and /healthcheck/stores "
        "tell what the last check found.",
    ),
    cfg.FloatOpt(
        "health_timeout",
        default=10,
        min=0.1,
        max=86400,
        help="Seconds after which a store, or the database, counts as down if its check has not ended. The start waits "
        "so long for all stores together.",
    ),
    cfg.StrOpt(
        "require_stores",
        default=NONE,
        choices=(NONE, ALL),
        help="Stores that must be up at the start. none: the service starts without those that are down, and takes "
        "them in when they come up. all: one that is down stops the start, with exit status 5. A mistake in the "
        "configuration of a store that answers stops it in either case.",
    ),
)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Every option, for oslo-config-generator."""
    return [(SECTION, list(OPTIONS))]


def load(files: Sequence[str]) -> cfg.ConfigOpts:
    """The service's configuration. Raises ConfigurationError."""
    conf = config.load(files, extra={SECTION: OPTIONS, **dict.fromkeys(FOREIGN, ())})
    others = foreign_sections(conf)
    return config.load(files, extra={SECTION: OPTIONS, **others}) if any(others.values()) else conf


def foreign_sections(conf: cfg.ConfigOpts) -> dict[str, Sequence[cfg.Opt]]:
    """The sections of Keystone, with options where they are used."""
    others: dict[str, Sequence[cfg.Opt]] = dict.fromkeys(FOREIGN, ())
    if conf[SECTION].auth == KEYSTONE:
        with _needing_keystone("auth"):
            from imgstore.service.auth.keystone import sections
        others |= sections(conf)
    if conf[SECTION].limits == KEYSTONE:
        with _needing_keystone("limits"):
            from imgstore.service.auth.unified_limits import options
        others["oslo_limit"] = options(conf)
    return others


@contextlib.contextmanager
def _needing_keystone(option: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise errors.ConfigurationError(
            f"is {KEYSTONE}, but the module '{error.name}' is missing.",
            section=SECTION,
            option=option,
            cure=distribution.install_extra("keystone"),
        ) from error
