"""Edits of the XML that `tests.support.bpmn` writes, for what its text language has no words for."""

import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

from domain.results import Rejected
from tests.support.bpmn import bpmn
from tests.support.given import Run

Targets = Mapping[str, str]
"""Target variable -> source."""


def mapped(xml: bytes, element: str, *, inputs: Targets | None = None, outputs: Targets | None = None) -> bytes:
    """Add input and output mappings to an element."""
    lines = [
        f"<zeebe:{tag} source={quoteattr(source)} target={quoteattr(target)}/>"
        for tag, targets in (("input", inputs), ("output", outputs))
        for target, source in (targets or {}).items()
    ]
    return extended(xml, element, f"<zeebe:ioMapping>{''.join(lines)}</zeebe:ioMapping>")


def extended(xml: bytes, element: str, extension: str) -> bytes:
    """Put an extension into an element."""
    text = xml.decode()
    opening = re.search(rf'<\w+ id="{element}"[^>]*>', text)
    assert opening is not None, f"no element '{element}'"
    end = opening.end()
    rest = text[end:]
    if rest.startswith("<extensionElements>"):
        end += len("<extensionElements>")
        return (text[:end] + extension + text[end:]).encode()
    return (text[:end] + f"<extensionElements>{extension}</extensionElements>" + rest).encode()


def event_sub(xml: bytes, sub: str) -> bytes:
    """Make a sub-process an event sub-process."""
    return xml.replace(f'<subProcess id="{sub}"'.encode(), f'<subProcess id="{sub}" triggeredByEvent="true"'.encode())


def calm(xml: bytes, start: str) -> bytes:
    """Make the start event of an event sub-process one that does not interrupt."""
    return xml.replace(
        f'<startEvent id="{start}"'.encode(), f'<startEvent id="{start}" isInterrupting="false"'.encode()
    )


def dated(xml: bytes) -> bytes:
    """Make all durations and cycles dates."""
    return re.sub(rb"time(Duration|Cycle)\b", b"timeDate", xml)


def process(text: str, process_id: str = "p") -> bytes:
    """Return the XML of a process written as text."""
    return bpmn(text, process_id)


def told(run: Run) -> list[str]:
    """Return all facts since the beginning."""
    run.seen = 0
    return run.facts()


def refused(run: Run, code: str) -> str:
    """Claim that the last command was refused, and return the reason."""
    assert isinstance(run.answer, Rejected), f"expected a refusal, but found {run.answer}"
    assert run.answer.code == code, run.answer
    return run.answer.reason


def incidents(run: Run) -> list[tuple[str, str, str]]:
    """Return (element, type, message) of all incidents that were raised, in order."""
    found: list[Any] = [record.event for record in run.world.log if type(record.event).__name__ == "IncidentRaised"]
    return [(event.element, event.incident_type, event.message) for event in found]
