"""A real broker that lets in only those who show who they are: SASL over TLS, and certificates on both sides."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiokafka import AIOKafkaProducer
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from pydantic import SecretStr

from infra.kafka import cluster_of
from infra.local_kafka import LocalKafka
from infra.settings import load
from streams.topics import Topics
from tests.kafka.test_distributed import PARTITIONS, process, topic_equals_table, until

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(500)]

PROGRAM = [sys.executable, "-P", "-c", "from infra.cli import main; main()"]
PASSWORD = "correct horse"


@dataclass
class Guarded:
    """A broker behind two doors."""

    ports: dict[str, int]
    folder: Path

    def settings(self, protocol: str, **more: str) -> dict[str, str]:
        """Return the settings of one who may come in by a door."""
        given = {
            "kafka_bootstrap_servers": f"127.0.0.1:{self.ports[protocol]}",
            "kafka_security_protocol": protocol,
            "kafka_tls_ca_file": str(self.folder / "ca.pem"),
        }
        if protocol == "SSL":
            given["kafka_tls_certificate_file"] = str(self.folder / "client.pem")
            given["kafka_tls_key_file"] = str(self.folder / "client.key")
        else:
            given |= {"kafka_sasl_username": "engine", "kafka_sasl_password": PASSWORD}
        return {**given, **more}


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    authority, stranger = trustme.CA(), trustme.CA()
    broker, client = authority.issue_cert("127.0.0.1"), authority.issue_cert("engine.example.org")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    stranger.cert_pem.write_to_path(folder / "stranger.pem")
    client.private_key_pem.write_to_path(folder / "client.key")
    client.cert_chain_pems[0].write_to_path(folder / "client.pem")
    # Java reads keys as PKCS #8 only.
    key = load_pem_private_key(broker.private_key_pem.bytes(), None)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "broker.pem").write_bytes(text + b"".join(each.bytes() for each in broker.cert_chain_pems))
    mutual, sasl = free_ports(2)
    ports: dict[str, int] = {"SSL": mutual, "SASL_SSL": sasl}
    login = "org.apache.kafka.common.security"
    settings = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.ssl.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": (
            f'{login}.plain.PlainLoginModule required user_engine="{PASSWORD}";'
        ),
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
    }
    with asyncio.Runner() as runner:
        kafka = runner.run(
            LocalKafka.start(folder / "kafka", settings=settings, doors=ports, users={"engine": PASSWORD})
        )
        try:
            yield Guarded(ports, folder)
        finally:
            runner.run(kafka.stop())


DOORS = [("SASL_SSL", "SCRAM-SHA-512"), ("SASL_SSL", "PLAIN"), ("SSL", "SCRAM-SHA-512")]


@pytest.mark.parametrize(("protocol", "mechanism"), DOORS, ids=["SCRAM", "PLAIN", "certificates on both sides"])
async def test_an_engine_works_behind_every_door(
    database_url: str, guarded: Guarded, topics: Topics, protocol: str, mechanism: str
) -> None:
    given: dict[str, Any] = {
        **guarded.settings(protocol, kafka_sasl_mechanism=mechanism),
        "kafka_topic_prefix": f"{topics.prefix}-{mechanism}-{protocol}",
        "database_url": SecretStr(database_url),
        "partitions": PARTITIONS,
    }
    names = Topics(given["kafka_topic_prefix"])
    async with cluster_of(load(given)) as cluster:
        async with process(database_url, cluster, names) as one:
            await one.deploy("o start -> O end")
            command = {"type": "create-instance", "id": "order", "process_id": "p"}
            async with AIOKafkaProducer(**cluster.options) as producer:
                await producer.send_and_wait(names.commands, json.dumps(command).encode())

            async def done() -> bool:
                return len(await one.search("process-instances", state="COMPLETED")) == 1

            await until(done)
        assert await topic_equals_table(database_url, cluster, names) > 0


def procession(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {f"PROCESSION_{name.upper()}": value for name, value in settings.items()}
    return subprocess.run(
        [*PROGRAM, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


STRANGERS = [
    (
        "SASL_SSL",
        {"kafka_sasl_password": "battery staple"},
        "expected user 'engine' with this password to be let in by SCRAM-SHA-512, but found: ",
    ),
    (
        "SASL_SSL",
        {"kafka_sasl_mechanism": "PLAIN", "kafka_sasl_username": "nobody"},
        "expected user 'nobody' with this password to be let in by PLAIN, but found: ",
    ),
    (
        "SASL_SSL",
        {"kafka_sasl_mechanism": "SCRAM-SHA-256"},
        "expected the mechanism SCRAM-SHA-256, but the broker does not offer it",
    ),
    (
        "SASL_SSL",
        {"kafka_tls_ca_file": "{folder}/stranger.pem"},
        "expected a certificate for this name by an authority in PROCESSION_KAFKA_TLS_CA_FILE, but ",
    ),
    ("SSL", {"kafka_tls_ca_file": "{folder}/nothing.pem"}, "expected certificates of authorities in PROCESSION_KAFKA_"),
    (
        "SSL",
        {"kafka_tls_key_file": "{folder}/ca.pem"},
        "expected a certificate in PROCESSION_KAFKA_TLS_CERTIFICATE_FILE",
    ),
    ("SASL_SSL", {"kafka_security_protocol": "PLAINTEXT"}, "the broker closed the connection"),
]


@pytest.mark.parametrize(
    ("protocol", "wrong", "sentence"),
    STRANGERS,
    ids=["password", "user", "mechanism", "authority", "no authority", "key", "protocol"],
)
def test_a_stranger_is_told_in_a_sentence_why_no_broker_lets_it_in(
    guarded: Guarded, protocol: str, wrong: dict[str, str], sentence: str
) -> None:
    given = guarded.settings(
        protocol, **{name: value.replace("{folder}", str(guarded.folder)) for name, value in wrong.items()}
    )
    ended = procession("topics", "describe", **given)

    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_engine_without_access_ends_with_that_sentence_too(database_url: str, guarded: Guarded) -> None:
    given = guarded.settings("SASL_SSL", kafka_sasl_password="battery staple", database_url=database_url)
    without = guarded.settings("SSL", database_url=database_url)
    for name in ("kafka_tls_certificate_file", "kafka_tls_key_file"):
        del without[name]
    ended, bare = procession("up", "--port", "0", **given), procession("up", "--port", "0", **without)

    assert (ended.returncode, bare.returncode) == (1, 1)
    assert "expected user 'engine' with this password to be let in by SCRAM-SHA-512, but found: " in ended.stderr
    assert "PROCESSION_KAFKA_TLS_CERTIFICATE_FILE" in bare.stderr
    assert "Traceback" not in ended.stderr + bare.stderr
