"""Real servers on loopback that a `dvc remote` can be: OpenSSH, and moto's S3. Each knows the commands by which its user would name it."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

from stages.common import children, guard
from stages.common.inference_server import free_port

READY_SECONDS = 120
ADD = "dvc remote add -d storage {url}"
VERIFY = "dvc remote modify storage verify true"


def wait(done: Callable[[], object], what: str, pause: float = 0.1) -> None:
    """Return when `done()` is true; fail the test with `what` after READY_SECONDS."""
    end = time.monotonic() + READY_SECONDS
    while not done():
        assert time.monotonic() < end, f"{what} after {READY_SECONDS} s"
        time.sleep(pause)


class Ssh:
    """An OpenSSH server with a host key, a user's key and a folder of its own, all below `home`; `store` is what DVC writes to."""

    kind = "ssh"

    def __init__(self, home: Path):
        self.home, self.port = home, free_port()
        self.store, self.key, self.stranger = home / "store", home / "key", home / "stranger"
        self.store.mkdir(parents=True, exist_ok=True)
        for key in (home / "host", self.key, self.stranger):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.name, "-f", key], check=True)
        shutil.copy(home / "key.pub", home / "authorized_keys")
        lines = [
            f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {home / 'host'}", f"AuthorizedKeysFile {home / 'authorized_keys'}", "UsePAM no",
            "StrictModes no", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PidFile none", "Subsystem sftp internal-sftp",
        ]  # fmt: skip
        (home / "sshd_config").write_text("\n".join(lines) + "\n")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where OpenSSH of Debian separates its privileges, made by its service file

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen]:
        """The server, until the block ends; the process is the guard above it."""
        command = [shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", str(self.home / "sshd_config")]
        log = self.home / "sshd.log"
        with open(log, "ab") as output, children.child(command, dict(os.environ), output) as process:
            started = log.stat().st_size
            wait(lambda: process.poll() is not None or b"Server listening" in log.read_bytes()[started:], "sshd does not listen")
            assert process.poll() is None, children.last_lines(log)
            yield process

    def commands(self, key: Path | None = None) -> list[str]:
        """What a user types, once a clone."""
        return [
            ADD.format(url=f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{self.store}"),
            VERIFY,
            *self.with_key(key or self.key),
        ]

    def with_key(self, key: Path) -> list[str]:
        return [f"dvc remote modify --local storage keyfile {key}"]

    def environment(self) -> dict[str, str]:
        """The credentials that come from the environment: none, the key is a file."""
        return {}

    def objects(self) -> dict[str, bytes]:
        """Content of each object by its hash, without the part that is still being written."""
        return {"".join(path.parts[-2:]): path.read_bytes() for path in (self.store / "files").rglob("*") if path.is_file() and path.suffix != ".tmp"}

    def put(self, name: str, content: bytes) -> None:
        """Another content under an object's name, as a bad disk or a cut copy leaves it."""
        (self.store / "files/md5" / name[:2] / name[2:]).write_bytes(content)


class S3:
    """moto's S3 server, which holds every request to the keys of one user; the bucket lies in its memory."""

    kind = "s3"
    BUCKET = "team"

    def __init__(self, home: Path):
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen]:
        # Three requests make the user; from the fourth on moto checks signatures and policies.
        environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "3"}
        command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(self.port)]
        log = self.home / "moto.log"
        with open(log, "wb") as output, children.child(command, environment, output) as process:
            wait(lambda: process.poll() is not None or b"Running on" in log.read_bytes(), "moto_server does not listen")
            assert process.poll() is None, children.last_lines(log)
            anybody = {"endpoint_url": self.url, "region_name": "us-east-1", "aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}
            iam = boto3.client("iam", **anybody)
            iam.create_user(UserName="team")
            key = iam.create_access_key(UserName="team")["AccessKey"]
            allowed = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
            iam.put_user_policy(UserName="team", PolicyName="s3", PolicyDocument=allowed)
            self.keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
            mine = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
            self.client = boto3.client("s3", **{**anybody, **mine})
            self.client.create_bucket(Bucket=self.BUCKET)
            yield process

    def commands(self) -> list[str]:
        return [ADD.format(url=f"s3://{self.BUCKET}/dramatis"), VERIFY, f"dvc remote modify storage endpointurl {self.url}"]

    def environment(self) -> dict[str, str]:
        return {**self.keys, "AWS_DEFAULT_REGION": "us-east-1"}

    def objects(self) -> dict[str, bytes]:
        listed = self.client.list_objects_v2(Bucket=self.BUCKET, Prefix="dramatis/files/").get("Contents", [])
        read = lambda key: self.client.get_object(Bucket=self.BUCKET, Key=key)["Body"].read()  # noqa: E731
        return {"".join(one["Key"].split("/")[-2:]): read(one["Key"]) for one in listed}

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.BUCKET, Key=f"dramatis/files/md5/{name[:2]}/{name[2:]}", Body=content)


class WebDav:
    """rclone's WebDAV server on a folder; the folder of the remote must be there, since DVC does not make it."""

    kind = "webdav"

    def __init__(self, home: Path):
        self.home, self.port = home, free_port()
        self.store = home / "store"
        (self.store / "team").mkdir(parents=True)

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen]:
        command = ["rclone", "serve", "webdav", str(self.store), "--addr", f"127.0.0.1:{self.port}", "--user", "team", "--pass", "word"]
        log = self.home / "rclone.log"
        with open(log, "wb") as output, children.child([*command, "--config", str(self.home / "rclone.conf")], dict(os.environ), output) as process:
            wait(lambda: process.poll() is not None or b"Serving on" in log.read_bytes() or b"started on" in log.read_bytes(), "rclone does not listen")
            assert process.poll() is None, children.last_lines(log)
            yield process

    def commands(self) -> list[str]:
        secrets = [f"dvc remote modify --local storage {name} {value}" for name, value in (("user", "team"), ("password", "word"))]
        return [ADD.format(url=f"webdav://127.0.0.1:{self.port}/team"), VERIFY, *secrets]

    def environment(self) -> dict[str, str]:
        return {}

    def objects(self) -> dict[str, bytes]:
        return {"".join(path.parts[-2:]): path.read_bytes() for path in (self.store / "team/files").rglob("*") if path.is_file()}


Server = Ssh | S3 | WebDav


def kill(server: subprocess.Popen) -> None:
    """kill -9 of a server and of every process that it has started; returns when the guard above it has seen that it is gone."""
    for pid in guard.descendants(server.pid):
        os.kill(pid, signal.SIGKILL)
    server.wait(READY_SECONDS)


@pytest.fixture(scope="session")
def ssh_remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ssh]:
    """An SSH server that runs for all tests; a test that breaks its server or its folder starts one of its own."""
    server = Ssh(tmp_path_factory.mktemp("ssh"))
    with server.running():
        yield server


@pytest.fixture(scope="session")
def s3_remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    server = S3(tmp_path_factory.mktemp("s3"))
    with server.running():
        yield server
