"""What an element sees of the XML: its own part, tags inside of it, and the root elements that it refers to."""

from domain.bpmn.part import Tag
from domain.bpmn.problems import InvalidModel, Problems, shorten
from domain.bpmn.xml import BPMN, ZEEBE, Xml, bpmn_children, line_of, local_name
from domain.feel import Expression, FeelSyntaxError, compile_expression
from domain.model import Value

RESERVED_HEADER_PREFIX = "io.camunda.zeebe:"

ID_LENGTH_MAX = 255
"""Characters of an id; ids are keys in tables and topics."""

EXPRESSIONS_CHARACTERS_MAX = 250_000
"""Characters of all expressions of one resource; the dearest ones take 7 µs a character to compile."""


class XmlTag:
    """One XML element inside a part."""

    __slots__ = ("_xml",)

    def __init__(self, xml: Xml) -> None:
        self._xml = xml

    @property
    def line(self) -> int:
        """Line in the resource."""
        return line_of(self._xml)

    def get(self, attribute: str, default: str = "") -> str:
        """Return an attribute (local name), or the default if it is absent."""
        return self._xml.get(attribute, default)

    def has(self, attribute: str) -> bool:
        """Say whether the attribute is there at all."""
        return attribute in self._xml.attrib

    def text(self) -> str:
        """Return the text inside, stripped."""
        return text_of(self._xml)

    def part(self, document: "Document") -> "XmlPart":
        """Return the element as a part, in whose name problems can be noted (root elements)."""
        return XmlPart(document, self._xml, self.get("id"))

    def children(self, name: str) -> list[Tag]:
        """Return the children with that local name: direct ones, and those in `extensionElements`."""
        found: list[Tag] = [XmlTag(child) for child in self._xml if local_name(child) == name]
        extensions = self._xml.find(f"{BPMN}extensionElements")
        if extensions is not None:
            found += [XmlTag(child) for child in extensions if local_name(child) == name]
        return found


class Document:
    """One resource while it is read: its root elements by id, and its problems."""

    def __init__(self, root: Xml) -> None:
        self.problems = Problems()
        self.roots: dict[str, tuple[str, Xml]] = {}
        """Root elements other than processes (messages, errors …): id -> (name without namespace, element)."""
        self._ids: set[str] = set()
        self._starting: set[tuple[str, str]] = set()
        self._expression_characters = 0
        self._ambiguous: set[str] = set()
        for name, child in bpmn_children(root):
            element_id = child.get("id")
            if element_id and name != "process":
                if element_id in self.roots:
                    self._ambiguous.add(element_id)
                self.roots[element_id] = (name, child)

    def claim(self, element_id: str, xml: Xml) -> bool:
        """Note that the id is used; say whether it can be: there, short enough, and not used before."""
        line = line_of(xml)
        if not element_id:
            self.problems.add("", line, f"expected the {local_name(xml)} to have an id, but it has none")
            return False
        if len(element_id) > ID_LENGTH_MAX:
            self.problems.add(
                element_id, line, f"expected an id of at most {ID_LENGTH_MAX} characters, but found {len(element_id)}"
            )
            return False
        if element_id in self._ids:
            self.problems.add(element_id, line, "expected ids to be unique, but this one is used before")
            return False
        self._ids.add(element_id)
        return True

    def expect_to_compile(self, source: str) -> None:
        """Count the characters of an expression. Raise `InvalidModel` if the resource has too many of them."""
        self._expression_characters += len(source)
        if self._expression_characters > EXPRESSIONS_CHARACTERS_MAX:
            raise InvalidModel.of(
                f"expected at most {EXPRESSIONS_CHARACTERS_MAX} characters of expressions, but found more; split the model"
            )

    def starts(self, message_id: str, name: str, process_id: str) -> bool:
        """Note that a start event refers to the message; say whether it can: no other one does, nor has one of this process its name."""
        keys = {("", message_id), (process_id, name)}
        known = bool(keys & self._starting)
        self._starting |= keys
        return not known

    def root(self, element_id: str, name: str) -> XmlTag | None:
        """Return the root element `name` with that id, or None. A prefix, as in `tns:id`, may stand before it."""
        local_id = element_id if element_id in self.roots else element_id.rpartition(":")[2]
        found = self.roots.get(local_id)
        if found is None or found[0] != name:
            return None
        if local_id in self._ambiguous:
            self.problems.add(local_id, line_of(found[1]), "expected ids to be unique, but this one is used before")
        return XmlTag(found[1])


class XmlPart:
    """An element's own part of the XML. Implements `domain.bpmn.part.Part`."""

    __slots__ = ("_document", "_extensions", "_id", "_xml")

    def __init__(self, document: Document, xml: Xml, element_id: str) -> None:
        self._document = document
        self._xml = xml
        self._id = element_id
        self._extensions = xml.find(f"{BPMN}extensionElements")

    @property
    def id(self) -> str:
        """The element's id; problems name it."""
        return self._id

    @property
    def document(self) -> Document:
        """The resource around the element."""
        return self._document

    def get(self, attribute: str, default: str = "") -> str:
        """Return an attribute of the BPMN element itself."""
        return self._xml.get(attribute, default)

    def children(self, name: str) -> list[Tag]:
        """Return direct BPMN children with that local name."""
        return [XmlTag(child) for child in self._xml.iterchildren(f"{BPMN}{name}")]

    def extension(self, name: str) -> Tag | None:
        """Return the only `zeebe:<name>` below `extensionElements`, or None."""
        found = [] if self._extensions is None else self._extensions.findall(f"{ZEEBE}{name}")
        if len(found) > 1:
            self.problem(f"expected at most one zeebe:{name}, but found {len(found)}")
        return XmlTag(found[0]) if found else None

    def reference(self, element_id: str, name: str) -> Tag | None:
        """Return the root element that an id refers to, or None; a reference that leads nowhere is a problem."""
        if not element_id:
            return None
        found = self._document.root(element_id, name)
        if found is None:
            self.problem(f"expected {name} '{shorten(element_id)}' to be in the model, but it is not")
        return found

    def headers(self) -> dict[str, str]:
        """Return the task headers; those without a key or a value are left out, reserved names are a problem."""
        headers = self.extension("taskHeaders")
        found: dict[str, str] = {}
        for header in headers.children("header") if headers is not None else ():
            key, value = header.get("key"), header.get("value")
            if key.startswith(RESERVED_HEADER_PREFIX):
                self.problem(
                    f"expected header keys without the reserved prefix {RESERVED_HEADER_PREFIX}, but found '{key}'"
                )
            if key and value:
                found[key] = value
        return found

    def value(self, text: str, what: str) -> Value:
        """Compile text that may be static or an expression."""
        return self.compile(text.lstrip()[1:], what) if text.lstrip().startswith("=") else text

    def expression(self, text: str, what: str) -> Expression:
        """Compile text that has to be an expression."""
        compiled = self.value(text, what)
        if isinstance(compiled, Expression):
            return compiled
        found = f"found '{shorten(text)}'" if text else "it is missing"
        self.problem(f"expected {what} to be an expression (with a leading =), but {found}")
        return NULL

    def compile(self, source: str, what: str) -> Expression:
        """Compile FEEL; a syntax error is a problem that names the place."""
        self._document.expect_to_compile(source)
        try:
            return compile_expression(source)
        except FeelSyntaxError as error:
            self.problem(
                f"expected {what} to be a FEEL expression, but '{shorten(source)}' is none:"
                f" {error.message} (line {error.line}, column {error.column} of the expression)"
            )
            return NULL

    def problem(self, reason: str) -> None:
        """Note why this model cannot run."""
        self._document.problems.add(self._id, line_of(self._xml), reason)


NULL = compile_expression("null")
"""Stands in for an expression that cannot be compiled, and for an absent source of an input."""


def text_of(xml: Xml) -> str:
    """Return all text inside, stripped."""
    return "".join(str(text) for text in xml.itertext()).strip()


def is_true(text: str | None, default: bool) -> bool:
    """Return an XML boolean."""
    return default if text is None or not text.strip() else text.strip() in ("true", "1")
