"""What the reader of decision models asks of an XML tree. Knows no meaning of any element."""

from collections.abc import Iterator

from domain.bpmn.problems import InvalidModel
from domain.bpmn.xml import ZEEBE, Xml, parse

_DMN_NAMESPACES = ("http://www.omg.org/spec/DMN/", "https://www.omg.org/spec/DMN/")


def definitions(content: bytes) -> Xml:
    """Return the root of a decision model. Raise `InvalidModel` if it is none."""
    root = parse(content)
    if not root.tag.startswith("{") or local(root) != "definitions" or not root.tag[1:].startswith(_DMN_NAMESPACES):
        raise InvalidModel.of(f"expected DMN definitions, but found {root.tag[:100]}")
    return root


def local(element: Xml) -> str:
    """Return the name without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: Xml, *names: str) -> Iterator[Xml]:
    """Yield the children of the element's own namespace that have one of the names; without names, all of them."""
    space = element.tag[: element.tag.rfind("}") + 1]
    for child in element:
        if child.tag.startswith(space) and (not names or child.tag[len(space) :] in names):
            yield child


def child(element: Xml, *names: str) -> Xml | None:
    """Return the first of `children`."""
    return next(children(element, *names), None)


def text_in(element: Xml | None) -> str:
    """Return the content of the `text` inside, without blanks around it; "" if there is none."""
    found = None if element is None else child(element, "text")
    return "" if found is None else _content(found)


def written(element: Xml, name: str) -> str:
    """Return an attribute, or the text of the child of that name; "" if there is neither."""
    found = element.get(name)
    if found is None:
        inner = child(element, name)
        found = "" if inner is None else _content(inner)
    return found.strip()


def _content(element: Xml) -> str:
    # Comments are not in the tree, so that nothing else can part the text.
    return (element.text or "").strip()


def version_tag(element: Xml) -> str | None:
    """Return the `zeebe:versionTag` of a decision."""
    extensions = child(element, "extensionElements")
    found = None if extensions is None else extensions.find(f"{ZEEBE}versionTag")
    return None if found is None else found.get("value") or None
