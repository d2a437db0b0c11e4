"""Call activity: another process runs as a child instance, and this element waits for it."""

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from domain import events as e
from domain.elements.element import Element
from domain.feel import to_json
from domain.keys import make_key
from domain.model import ProcessModel, Value
from domain.problem import Problem
from domain.results import Facts
from domain.waits import text

if TYPE_CHECKING:
    from domain.bpmn.part import Part
    from domain.model import Node
    from domain.walk import At

CALLED_ELEMENT_ERROR = "CALLED_ELEMENT_ERROR"

CALL_DEPTH_MAX = 1_000
"""Instances that call each other. A process that calls itself for ever stops there, with an incident."""


class CalledElement(msgspec.Struct, frozen=True):
    """Which process is called, and which variables travel."""

    process_id: Value
    version_tag: Value | None
    by_deployment: bool
    """Bound to the version that was deployed together with the caller."""
    all_to_child: bool
    all_to_parent: bool


class CallActivity(Element):
    """Calls a process."""

    type: ClassVar[str] = "CALL_ACTIVITY"
    waits: ClassVar[bool] = True

    def read(self, part: "Part", node: "Node") -> Any:
        called = part.extension("calledElement")
        process_id = "" if called is None else called.get("processId")
        if called is None or not process_id:
            part.problem("expected a zeebe:calledElement with a processId, but found none")
            return None
        binding = called.get("bindingType", "latest")
        version_tag = None
        if binding == "versionTag":
            version_tag = part.value(called.get("versionTag"), "the version tag")
            if not version_tag:
                part.problem("a call activity with binding versionTag needs a versionTag")
        elif binding not in ("latest", "deployment"):
            part.problem(f"expected the binding to be latest, deployment or versionTag, but found '{binding}'")
        return CalledElement(
            process_id=part.value(process_id, "the called process id"),
            version_tag=version_tag,
            by_deployment=binding == "deployment",
            all_to_child=called.get("propagateAllParentVariables", "true") != "false",
            all_to_parent=called.get("propagateAllChildVariables", "true") != "false",
        )

    def enter(self, at: "At") -> Facts:
        config: CalledElement = at.node.config
        if at.state.depth >= CALL_DEPTH_MAX:
            raise Problem(
                CALLED_ELEMENT_ERROR,
                f"expected processes to call each other at most {CALL_DEPTH_MAX} deep, but found more",
            )
        model = _called(at, config)
        visible = _handed_on(at) if config.all_to_child else dict(at.instance.variables)
        yield e.ChildCalled(
            element_key=at.key,
            child_key=make_key(at.context.partition, at.context.next_number()),
            definition_key=model.key,
            root_key=at.state.root_key,
            parent_key=at.state.key,
            variables=to_json(visible),  # a copy: an output collection around the call is written in place
            business_id=at.state.business_id,
            tags=at.state.tags,
            depth=at.state.depth + 1,
        )

    def propagate(self, at: "At", variables: dict[str, Any]) -> dict[str, Any]:
        return variables if at.node.config.all_to_parent else {}


def _handed_on(at: "At") -> dict[str, Any]:
    """Return the variables that are visible here, but for what multi-instance bodies around are still gathering.

    It would come back with the child, and overwrite the results that were gathered meanwhile.
    """
    handed: dict[str, Any] = {}
    for element in reversed(list(at.state.ancestors(at.key))):
        handed.update(element.variables)
        loop = at.walk.model.nodes[element.element].loop
        if element.body is not None and loop is not None and loop.output_collection is not None:
            handed.pop(loop.output_collection, None)
    return handed


def _called(at: "At", config: CalledElement) -> ProcessModel:
    process_id = text(at.evaluate(config.process_id, "the called process id"), "the called process id")
    definitions = at.context.definitions
    if config.by_deployment:
        model, version = definitions.bound_process(process_id, at.state.definition_key), " together with its caller"
    elif config.version_tag is None:
        model, version = definitions.latest(process_id), ""
    else:
        tag = text(at.evaluate(config.version_tag, "the version tag"), "the version tag")
        model, version = definitions.tagged(process_id, tag), f" with version tag '{tag}'"
    if model is None:
        raise Problem(CALLED_ELEMENT_ERROR, f"expected process '{process_id}' to be deployed{version}, but it is not")
    if model.root.start is None:
        raise Problem(
            CALLED_ELEMENT_ERROR, f"expected process '{process_id}' to have a none start event, but it has none"
        )
    return model
