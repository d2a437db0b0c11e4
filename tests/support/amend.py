"""Adds to a process written as text what the text language has no words for: mappings, loops, further scopes, any XML."""

from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

from lxml import etree

from tests.support.bpmn import NAMESPACES, bpmn

_BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"


class Model:
    """A process that is amended, element by element, before it is deployed."""

    def __init__(self, text: str, process_id: str = "p") -> None:
        self._root = etree.fromstring(bpmn(text, process_id))

    @property
    def content(self) -> bytes:
        """The BPMN XML."""
        return etree.tostring(self._root)

    def _element(self, element_id: str) -> etree._Element:
        return next(element for element in self._root.iter() if element.get("id") == element_id)

    def extend(self, element_id: str, xml: str) -> "Model":
        """Add extension elements (`zeebe:…`)."""
        element = self._element(element_id)
        extensions = element.find(f"{_BPMN}extensionElements")
        if extensions is None:
            extensions = etree.Element(f"{_BPMN}extensionElements")
            element.insert(0, extensions)
        extensions.extend(_parsed(xml))
        return self

    def put(self, element_id: str, xml: str) -> "Model":
        """Add BPMN elements inside of an element (or of the process, by its id)."""
        self._element(element_id).extend(_parsed(xml))
        return self

    def root(self, xml: str) -> "Model":
        """Add root elements (messages, errors, …)."""
        for number, element in enumerate(_parsed(xml)):
            self._root.insert(number, element)
        return self

    def set(self, element_id: str, **attributes: str) -> "Model":
        """Set attributes of an element."""
        for name, value in attributes.items():
            self._element(element_id).set(name, value)
        return self

    def drop(self, element_id: str, tag: str) -> "Model":
        """Remove the elements with that local name inside of an element."""
        for found in list(self._element(element_id).iterdescendants(f"{{*}}{tag}")):
            parent = found.getparent()
            assert parent is not None
            parent.remove(found)
        return self

    def map(
        self, element_id: str, inputs: dict[str, str] | None = None, outputs: dict[str, str] | None = None
    ) -> "Model":
        """Add input and output mappings, target: source (as written, with its leading `=`)."""
        lines = [
            f"<zeebe:{kind} source={quoteattr(source)} target={quoteattr(target)}/>"
            for kind, mappings in (("input", inputs), ("output", outputs))
            for target, source in (mappings or {}).items()
        ]
        return self.extend(element_id, f"<zeebe:ioMapping>{''.join(lines)}</zeebe:ioMapping>")

    def each(
        self,
        element_id: str,
        items: str = "=items",
        loop: Mapping[str, str] | None = None,
        *,
        condition: str = "",
        sequential: bool = False,
    ) -> "Model":
        """Make an activity multi-instance; `loop`: further attributes of `zeebe:loopCharacteristics`."""
        named = {"inputCollection": items, **(loop or {})}
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in named.items())
        inside = (
            f'<completionCondition xsi:type="tFormalExpression">{condition}</completionCondition>' if condition else ""
        )
        return self.put(
            element_id,
            f'<multiInstanceLoopCharacteristics isSequential="{str(sequential).lower()}"><extensionElements>'
            f"<zeebe:loopCharacteristics{attributes}/></extensionElements>{inside}</multiInstanceLoopCharacteristics>",
        )

    def handler(self, text: str, *, inside: str = "p", name: str = "handler", interrupting: bool = True) -> "Model":
        """Add an event sub-process; its text begins with its start event (`on message m name -> …`)."""
        other = etree.fromstring(bpmn(text, name))
        process = next(iter(other.iter(f"{_BPMN}process")))
        for root in reversed([child for child in other if child is not process]):
            if all(root.get("id") != child.get("id") for child in self._root):
                self._root.insert(0, root)
        process.tag = f"{_BPMN}subProcess"
        del process.attrib["isExecutable"]
        process.set("triggeredByEvent", "true")
        start = next(iter(process.iter(f"{_BPMN}startEvent")))
        start.set("isInterrupting", str(interrupting).lower())
        self._element(inside).append(process)
        return self


def _parsed(xml: str) -> list[etree._Element]:
    return list(etree.fromstring(f"<all {NAMESPACES}>{xml}</all>"))
