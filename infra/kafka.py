"""Which Kafka the engine speaks to: the brokers that the settings name, or a local one that is held for as long as it is needed."""

import logging
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from infra.local_kafka import LocalKafka
from infra.settings import Settings
from streams.topics import Cluster, Topics


def topics_of(settings: Settings) -> Topics:
    """Return the names of the topics."""
    return Topics(settings.kafka_topic_prefix)


@asynccontextmanager
async def cluster_of(settings: Settings) -> AsyncGenerator[Cluster]:
    """The cluster that the settings name, else a local one. Raise `LocalKafkaError`."""
    logging.getLogger("aiokafka").setLevel(logging.WARNING)  # it would tell each step of each rebalance
    if settings.kafka_bootstrap_servers:
        yield Cluster(settings.kafka_bootstrap_servers, _security(settings))
        return
    folder = settings.data_dir / "kafka"
    running = LocalKafka.running(folder)
    if running is not None:
        yield Cluster(running)
        return
    kafka = await LocalKafka.start(folder, watched=True)
    try:
        yield Cluster(kafka.bootstrap_servers)
    finally:
        await kafka.stop()


def _security(settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {"security_protocol": settings.kafka_security_protocol}
    if "SSL" in settings.kafka_security_protocol:
        context = ssl.create_default_context(cafile=settings.kafka_tls_ca_file)
        if settings.kafka_tls_certificate_file is not None:
            context.load_cert_chain(settings.kafka_tls_certificate_file, settings.kafka_tls_key_file)
        options["ssl_context"] = context
    if "SASL" in settings.kafka_security_protocol:
        password = settings.kafka_sasl_password
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": password.get_secret_value() if password else None,
        }
    return options
