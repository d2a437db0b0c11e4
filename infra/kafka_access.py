"""How brokers that are there already are spoken to: TLS and SASL as the settings say, and why a broker does not let us in.

aiokafka keeps the reason to itself: of a wrong password and of a broker that is not there it says the same.
"""

import ssl
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from infra.engine_lock import EngineCannotStart
from infra.settings import Settings
from streams.topics import REQUEST_MS_MAX, Cluster

REASON_CHARACTERS_MAX: Final = 300


class NoAccess(EngineCannotStart):
    """No broker lets us in, or the settings do not say how to ask; the sentence says what was expected and found."""


def security(settings: Settings) -> dict[str, Any]:
    """Return the options of every client. Raise `NoAccess` if a file cannot be used or a name is missing."""
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {"security_protocol": protocol}
    if "SSL" in protocol:
        options["ssl_context"] = _context(settings)
    if "SASL" in protocol:
        password = settings.kafka_sasl_password
        if settings.kafka_sasl_username is None or password is None:
            raise NoAccess(
                f"expected PROCESSION_KAFKA_SASL_USERNAME and PROCESSION_KAFKA_SASL_PASSWORD to be set with {protocol}, "
                "but one of them is not"
            )
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": password.get_secret_value(),
        }
    return options


def _context(settings: Settings) -> ssl.SSLContext:
    authorities, certificate, key = (
        settings.kafka_tls_ca_file,
        settings.kafka_tls_certificate_file,
        settings.kafka_tls_key_file,
    )
    try:
        context = ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise NoAccess(
            f"expected certificates of authorities in PROCESSION_KAFKA_TLS_CA_FILE, {authorities}, but: {error}"
        ) from error
    if certificate is None:
        return context
    try:
        # Without a password no question is asked at the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:
        raise NoAccess(
            f"expected a certificate in PROCESSION_KAFKA_TLS_CERTIFICATE_FILE, {certificate}, and its key, without a password, "
            f"in PROCESSION_KAFKA_TLS_KEY_FILE, {key or 'the same file'}, but: {error}"
        ) from error
    return context


async def check_access(cluster: Cluster) -> None:
    """Return if one of the brokers lets us in. Raise `NoAccess`."""
    reasons: list[str] = []
    for host, port, _ in collect_hosts(list(cluster.bootstrap_servers), randomize=False):
        try:
            connection = await create_conn(host, port, request_timeout_ms=REQUEST_MS_MAX, **cluster.security)
        except (OSError, KafkaError, TimeoutError) as error:
            reasons.append(f"{host}:{port}: {_reason(error, cluster.security)}")
        else:
            connection.close()
            return
    raise NoAccess(f"expected Kafka, but {'; '.join(reasons)}")


def _reason(error: Exception, options: Mapping[str, Any]) -> str:
    protocol = options.get("security_protocol", "PLAINTEXT")
    text = (str(error) or type(error).__name__)[:REASON_CHARACTERS_MAX]
    match error:
        case ssl.SSLCertVerificationError():
            return f"expected a certificate for this name by an authority in PROCESSION_KAFKA_TLS_CA_FILE, but {error.verify_message}"
        case SaslAuthenticationFailed():
            return (
                f"expected user {options['sasl_plain_username']!r} with this password to be let in by "
                f"{options['sasl_mechanism']}, but found: {text}"
            )
        case UnsupportedSaslMechanismError():
            return f"expected the mechanism {options['sasl_mechanism']}, but the broker does not offer it"
        case ssl.SSLError() if "CERTIFICATE_REQUIRED" in text or "certificate required" in text:
            return "the broker asks for a certificate; PROCESSION_KAFKA_TLS_CERTIFICATE_FILE names ours"
        case ssl.SSLError():
            return f"expected a listener that speaks {protocol}, but found: {text}"
        case KafkaConnectionError() if "SSL" in protocol:
            return (
                f"the broker closed the connection after TLS had begun ({text}): it may want another certificate of us than "
                "that in PROCESSION_KAFKA_TLS_CERTIFICATE_FILE"
            )
        case KafkaConnectionError():
            return f"the broker closed the connection ({text}): its listener may not speak {protocol}"
        case _:
            return text
