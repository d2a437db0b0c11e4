"""Every setting of the engine, each also an environment variable `PROCESSION_…`. It knows what may be set, not what follows."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.keys import PARTITIONS_MAX

PREFIX: Final = "PROCESSION_"
TOPIC_CHARACTERS_MAX: Final = 249
"""Characters of the longest name that Kafka gives to a topic."""


class Settings(BaseSettings):
    """What a person may set. A value given on the command line goes before the environment, the environment before the default."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address on which the API listens; 0.0.0.0 for every network of this machine."""
    port: int = Field(8080, ge=0, le=65535)
    """Port of the API; 0 takes a free one and says which."""
    data_dir: Path = Path("procession-data")
    """Folder of the PostgreSQL that comes with the engine; not used when database_url is set. One engine at a time holds it."""
    database_url: SecretStr | None = None
    """A PostgreSQL 15 or later that is there already, as postgresql://user:password@host:port/database."""
    partitions: int = Field(4, ge=1, le=PARTITIONS_MAX)
    """Units of order and ownership, each with one writer. Counts when a database is first used; later it must stay the same."""
    clock: Literal["system", "controlled"] = "system"
    """controlled lets PUT /v2/clock set the engine's time, for tests of processes; system refuses that."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines that are written."""
    log_format: Literal["console", "json"] = "console"
    """console for people, json for machines, one object a line."""
    api_token: SecretStr | None = None
    """What callers of the API must show, as bearer token or as the password of basic authentication, whose user name then stands
    in the records as who wanted it. Not set, everybody who reaches the port may do everything."""
    allow_anonymous: bool = False
    """Lets the API listen on other addresses than this machine's own without an api_token."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins, separated by commas, from which a browser may call the API, as https://console.example.org; * for all."""
    request_bytes_max: int = Field(4 * 1024 * 1024, ge=1024)
    """Bytes of the largest request body that the API reads."""
    link_port: int = Field(0, ge=0, le=65535)
    """With Kafka: port on the address `host` at which the other engine processes of the database hand over their callers' commands;
    0 takes a free one. Where they do not reach it, these commands go through Kafka, and take longer."""
    kafka: bool = False
    """Commands and events go through Kafka: the distributed mode. Without kafka_bootstrap_servers a local broker is started."""
    kafka_bootstrap_servers: Annotated[tuple[str, ...], NoDecode] = ()
    """Brokers that are there already, as host:port, separated by commas; naming them turns Kafka on."""
    kafka_topic_prefix: str = Field("procession", pattern=r"^[a-zA-Z0-9._-]{1,200}$")
    """What the names of the topics begin with: engines of one database share it, others must not. Also the consumer group's name."""
    kafka_instance_id: str | None = Field(None, pattern=r"^[a-zA-Z0-9._-]{1,200}$")
    """A name of this process that it has again after a restart, as its pod's: then a quick restart moves no partitions."""
    kafka_session_seconds: float = Field(6.0, ge=1, le=300)
    """Partitions of a process that is silent for so long go to others. Brokers allow 6 or more unless told otherwise."""
    kafka_job_types: Annotated[tuple[str, ...], NoDecode] = ()
    """Types, separated by commas, whose jobs go to topics, for workers that are plain consumers; the same for every process."""
    kafka_job_timeout_seconds: float = Field(300.0, ge=1, le=24 * 3600)
    """How long a worker has from when its job is written to the topic; then the job is written again."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How brokers are spoken to."""
    kafka_tls_ca_file: Path | None = None
    """PEM file of the authorities that signed the brokers' certificates; the system's own authorities when not set."""
    kafka_tls_certificate_file: Path | None = None
    """PEM file of the certificate that the engine shows to brokers which ask for one."""
    kafka_tls_key_file: Path | None = None
    """PEM file of the key of that certificate."""
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How the engine proves who it is, with one of the SASL protocols."""
    kafka_sasl_username: str | None = None
    """The engine's user name at the brokers."""
    kafka_sasl_password: SecretStr | None = None
    """The engine's password at the brokers."""
    insight_sla_file: Path | None = None
    """JSON file of how long processes and elements may take, for `procession insight`; without it no limit is breached."""
    insight_port: int = Field(9108, ge=0, le=65535)
    """Port of the page for Prometheus that `procession insight` serves on the address `host`; 0 takes a free one and says which."""

    @property
    def distributed(self) -> bool:
        """Whether the engine runs in the distributed mode."""
        return self.kafka or bool(self.kafka_bootstrap_servers)

    @field_validator("cors_origins", "kafka_bootstrap_servers", "kafka_job_types", mode="before")
    @classmethod
    def _separate(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("kafka_job_types")
    @classmethod
    def _nameable(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """A topic is named after each type."""
        prefix = info.data.get("kafka_topic_prefix", "")
        room = TOPIC_CHARACTERS_MAX - len(f"{prefix}.jobs.")
        for job_type in value:
            if not re.fullmatch(r"[a-zA-Z0-9._-]+", job_type) or len(job_type) > room:
                raise ValueError(
                    f"expected job types of 1 to {room} of the characters a-z, A-Z, 0-9, '.', '_' and '-', as a topic is named "
                    f"after each; {job_type!r} cannot be one"
                )
        return tuple(dict.fromkeys(value))


@dataclass(frozen=True)
class Described:
    """One setting, in text, with secrets hidden."""

    name: str
    variable: str
    value: str
    default: str
    meaning: str


class BadSettings(Exception):  # noqa: N818  # reads as the fact that they are
    """Some setting has a value that it cannot have; one sentence for each."""


def load(given: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings of this process; `given` are those of the command line, None where it says nothing.

    Raises BadSettings.
    """
    try:
        return Settings(**{name: value for name, value in (given or {}).items() if value is not None})
    except ValidationError as error:
        raise BadSettings(
            "; ".join(
                f"{PREFIX}{'.'.join(map(str, wrong['loc'])).upper()}: {wrong['msg']}, but it is {wrong['input']!r}"
                for wrong in error.errors()
            )
        ) from error


def describe(settings: Settings) -> Iterator[Described]:
    """Every setting in the order of the class."""
    for name, field in Settings.model_fields.items():
        assert field.description is not None, f"{name} has no meaning"
        value, default = _text(getattr(settings, name)), _text(field.default)
        yield Described(name, f"{PREFIX}{name.upper()}", value, default, field.description)


def unknown(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Variables with our prefix that no setting reads: misspelt, most likely."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in environment if name.upper().startswith(PREFIX) and name.upper() not in known)


def _text(value: object) -> str:
    match value:
        case None | ():
            return ""
        case tuple():
            return ",".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType]  # any tuple prints
        case bool():
            return str(value).lower()
        case _:
            return str(value)  # a SecretStr prints as asterisks
