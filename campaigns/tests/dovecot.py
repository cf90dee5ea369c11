"""A real IMAP server for tests: Dovecot on loopback, in a directory of its own, gone when the test ends."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

PROGRAM = "/usr/sbin/dovecot"
_CONFIG = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
listen = 127.0.0.1
protocols = imap lmtp
ssl = {ssl}
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
first_valid_uid = 1
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
    return Path(PROGRAM).exists()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Dovecot:
    """`with Dovecot() as server`: one account, `user` and `password`; works as root and as anyone else."""

    def __init__(
        self, *, sent: str = "Sent", special: bool = True, cert: Path | None = None, key: Path | None = None
    ):
        self.user, self.password, self.host = "alex@northbeam.example", "secret", "127.0.0.1"
        self._sent, self._special, self._cert, self._key = sent, special, cert, key

    def __enter__(self) -> Self:
        # Unix sockets have short names only, so not under pytest's own long directories.
        self.home = Path(tempfile.mkdtemp(prefix="dc"))
        self.port, self.tls_port, self._lmtp = _free_port(), _free_port() if self._cert else 0, _free_port()
        self._write_config()
        self._process = subprocess.Popen(
            [PROGRAM, "-F", "-c", str(self.home / "conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._wait()
        return self

    def _write_config(self) -> None:
        is_root = os.getuid() == 0
        me = pwd.getpwuid(os.getuid())
        owner = pwd.getpwnam("mail") if is_root else me
        for name in ("run", "state", "mail"):
            (self.home / name).mkdir()
        if is_root:
            self.home.chmod(0o755)
            shutil.chown(self.home / "mail", owner.pw_uid, owner.pw_gid)
        (self.home / "users").write_text(f"{self.user}:{{PLAIN}}{self.password}::::::\n")
        own_group = grp.getgrgid(me.pw_gid).gr_name
        config = _CONFIG.format(
            home=self.home,
            ssl="yes" if self._cert else "no",
            cert=self._cert or "",
            key=self._key or "",
            internal="dovecot" if is_root else me.pw_name,
            group="dovecot" if is_root else own_group,
            login="dovenull" if is_root else me.pw_name,
            uid=owner.pw_uid,
            gid=owner.pw_gid,
            port=self.port,
            tls_port=self.tls_port,
            lmtp=self._lmtp,
            sent=self._sent,
            special="special_use = \\Sent" if self._special else "",
        )
        if not self._cert:
            config = "\n".join(
                line for line in config.splitlines() if not line.startswith(("ssl_cert", "ssl_key"))
            )
        (self.home / "conf").write_text(config)

    def _wait(self) -> None:
        until = time.monotonic() + 15
        while time.monotonic() < until:
            try:
                socket.create_connection((self.host, self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.05)
        log = self.home / "log"
        raise RuntimeError(log.read_text() if log.exists() else "Dovecot did not start")

    @property
    def maildir(self) -> Path:
        """Where the account's INBOX lies."""
        return self.home / "mail" / self.user

    def deliver(self, mail: bytes) -> None:
        """Hand a mail in by LMTP, as a mail server would."""
        with smtplib.LMTP(self.host, self._lmtp) as lmtp:
            lmtp.sendmail("sender@firm.example", [self.user], mail)

    def number_anew(self) -> None:
        """Change UIDVALIDITY and all UIDs, as a restored or moved mailbox does."""
        for name in ("dovecot-uidlist", "dovecot.index", "dovecot.index.log", "dovecot.index.cache"):
            (self.maildir / name).unlink(missing_ok=True)
        uidvalidity = self.maildir / "dovecot-uidvalidity"
        for path in [uidvalidity, *self.maildir.glob("dovecot-uidvalidity.*")]:
            path.unlink(missing_ok=True)
        time.sleep(1.1)  # UIDVALIDITY is a time in seconds

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()
        shutil.rmtree(self.home, ignore_errors=True)
