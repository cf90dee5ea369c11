"""A throwaway Dovecot on loopback for any number of accounts: a real IMAP server for the campaigns and the tests."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from leadpilot.trust.sent import MailStore

PROGRAM = Path("/usr/sbin/dovecot")
PATIENCE = 20.0  # seconds to start
_CONFIG = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
listen = 127.0.0.1
protocols = imap lmtp
{tls}
disable_plaintext_auth = no
auth_mechanisms = plain login
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
first_valid_uid = 1
mail_max_userip_connections = 100
mail_location = maildir:{home}/mail/%u
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {home}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%u
}}
namespace inbox {{
  inbox = yes
  mailbox {sent} {{
    auto = subscribe
    {special}
  }}
}}
service imap-login {{
  chroot =
  service_count = 0
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


def is_installed() -> bool:
    """Whether this machine has Dovecot."""
    return PROGRAM.exists()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Dovecot:
    """`with Dovecot({"ada@firm.example": "secret"}) as imap`; works as root and as anyone else.

    `sent` names the folder of sent mail and `special` marks it as such (RFC 6154); `certificate` is (file, key).
    """

    def __init__(
        self,
        users: dict[str, str],
        *,
        sent: str = "Sent",
        special: bool = True,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self.users, self.host = users, "127.0.0.1"
        self._sent, self._special, self._certificate = sent, special, certificate

    def __enter__(self) -> Self:
        # Unix sockets have short names only, so not under the campaign's own long folder.
        self.home = Path(tempfile.mkdtemp(prefix="dc"))
        self.port, self.lmtp_port, tls_port = (_free_port() for _ in range(3))
        self.tls_port = tls_port if self._certificate else 0
        self._write_config()
        command = [str(PROGRAM), "-F", "-c", str(self.home / "conf")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait()
        return self

    @property
    def store(self) -> MailStore:
        """Where mail is put so that this server serves it."""
        return MailStore(self.home / "mail", self._owner.pw_uid, self._owner.pw_gid)

    def _write_config(self) -> None:
        is_root = os.getuid() == 0
        me = pwd.getpwuid(os.getuid())
        self._owner = pwd.getpwnam("mail") if is_root else me
        for name in ("run", "state", "mail"):
            (self.home / name).mkdir()
        if is_root:
            self.home.chmod(0o755)
            shutil.chown(self.home / "mail", self._owner.pw_uid, self._owner.pw_gid)
        lines = [f"{name}:{{PLAIN}}{password}::::::\n" for name, password in self.users.items()]
        (self.home / "users").write_text("".join(lines))
        tls = "ssl = no"
        if self._certificate:
            tls = "ssl = yes\nssl_cert = <{}\nssl_key = <{}".format(*self._certificate)
        config = _CONFIG.format(
            home=self.home,
            internal="dovecot" if is_root else me.pw_name,
            group="dovecot" if is_root else grp.getgrgid(me.pw_gid).gr_name,
            login="dovenull" if is_root else me.pw_name,
            uid=self._owner.pw_uid,
            gid=self._owner.pw_gid,
            port=self.port,
            tls_port=self.tls_port,
            lmtp=self.lmtp_port,
            tls=tls,
            sent=self._sent,
            special="special_use = \\Sent" if self._special else "",
        )
        (self.home / "conf").write_text(config)

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection((self.host, self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        log = self.home / "log"
        said = log.read_text() if log.exists() else "Dovecot did not start"
        self.__exit__(None, None, None)
        raise RuntimeError(said)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)
