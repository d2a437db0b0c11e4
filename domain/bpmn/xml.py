"""Bytes into an XML tree: bounded, without entities, files or network. Knows nothing of processes.

The bytes are decoded here and not by the parser, so that no encoding hides a document type from the look at the prolog.
"""

import re
from collections.abc import Iterator
from typing import TypeAlias, cast

from lxml import etree

from domain.bpmn.problems import InvalidModel, shorten

Xml: TypeAlias = etree._Element  # noqa: SLF001 - lxml has no public name for the type of an element

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
ZEEBE = "{http://camunda.org/schema/zeebe/1.0}"

MODEL_BYTES_MAX = 8 * 1024 * 1024
"""A model of 10,000 elements with its diagram has about 5 MB."""

MODEL_TAGS_MAX = 250_000
"""Start and end tags, the diagram's among them; 10,000 elements with their diagram have about 150,000."""

ATTRIBUTES_MAX = 250_000
"""Attributes and namespace declarations of the whole model."""

ENCODINGS = {
    "utf-8": "utf-8",
    "utf-16": "utf-16",
    "us-ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
}
"""Encodings that are taken, by their name in the XML declaration."""

_UTF16_STARTS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\x00": "utf-16-le", b"\x00<": "utf-16-be"}
_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_PROLOG = re.compile(r"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_DECLARATION = re.compile(r"<\?xml\s.*?\?>", re.DOTALL)


def parse(content: bytes) -> Xml:
    """Return the root of the document. Raise `InvalidModel` if it is no XML, too large, or has a document type."""
    if len(content) > MODEL_BYTES_MAX:
        raise InvalidModel.of(f"expected at most {MODEL_BYTES_MAX} bytes, but found {len(content)}")
    text = _decode(content)
    _refuse_excess(text)
    start = _PROLOG.match(text)
    if text[start.end() if start else 0 :][:9].upper() == "<!DOCTYPE":
        raise InvalidModel.of("expected no document type (DOCTYPE), but found one; they are refused")
    root = _parse(text)
    if cast("object | None", root.getroottree().docinfo.internalDTD) is not None:  # lxml-stubs leave None out
        raise InvalidModel.of("expected no document type (DOCTYPE), but found one; they are refused")
    return root


def local_name(element: Xml) -> str:
    """Return the name without namespace if it is a BPMN or zeebe element, else ""."""
    tag = element.tag
    if tag.startswith(BPMN):
        return tag[len(BPMN) :]
    return tag[len(ZEEBE) :] if tag.startswith(ZEEBE) else ""


def bpmn_children(element: Xml) -> Iterator[tuple[str, Xml]]:
    """Yield the BPMN children, each with its name without namespace, in document order."""
    for child in element:
        tag = child.tag
        if tag.startswith(BPMN):
            yield tag[len(BPMN) :], child


def line_of(element: Xml) -> int:
    """Return the line on which the element begins, from 1; 0 if it is not known."""
    line = cast("int | None", element.sourceline)  # lxml-stubs leave the type out
    return line or 0


def _decode(content: bytes) -> str:
    encoding = _UTF16_STARTS.get(content[:2])
    if encoding is None:
        declared = _DECLARED.match(content.removeprefix(b"\xef\xbb\xbf"))
        written = declared[1].decode().lower() if declared else "utf-8"
        encoding = ENCODINGS.get(written)
        if encoding is None or encoding == "utf-16":
            raise InvalidModel.of(f"expected the encoding to be one of {', '.join(ENCODINGS)}, but found {written}")
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidModel.of(
            f"expected text in the encoding {encoding}, but the byte at {error.start} is none: {error.reason}"
        ) from None


def _refuse_excess(text: str) -> None:
    tags = text.count("<")
    if tags > MODEL_TAGS_MAX:
        raise InvalidModel.of(f"expected at most {MODEL_TAGS_MAX} tags, but found {tags}; split the model")
    attributes = text.count("=")
    if attributes > ATTRIBUTES_MAX:
        raise InvalidModel.of(f"expected at most {ATTRIBUTES_MAX} attributes, but found {attributes}; split the model")


def _parse(text: str) -> Xml:
    # The declaration names an encoding that the text no longer has; its line breaks keep the line numbers right.
    text = (
        _DECLARATION.sub(lambda found: "\n" * found[0].count("\n"), text, count=1) if text.startswith("<?xml") else text
    )
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        reason = shorten(error.msg or "it is no XML", 300)
        raise InvalidModel.of(f"expected well-formed XML, but found: {reason}", error.lineno or 0) from None
    except (ValueError, UnicodeError) as error:
        raise InvalidModel.of(f"expected well-formed XML, but found: {shorten(str(error), 300)}") from None
