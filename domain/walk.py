"""How tokens move. Facts drive the walk: each fact leads to what follows from it, until nothing follows.

Nothing here names an element kind. Facts wait in a queue, so that no model, however long or deep, makes it recurse. When a
fact's turn comes, what it speaks of may be gone (interrupted, terminated); then nothing follows from it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from domain import events as e
from domain import loops
from domain.errors import escalate, throw
from domain.feel import Moment
from domain.instance import ElementInstance, Instance, Visible
from domain.keys import LOCAL_MAX, make_key
from domain.model import Flow, Node, ProcessModel, Value
from domain.problem import Problem
from domain.results import Context, Facts
from domain.variables import evaluate, mapped, merge, why, write
from domain.waits import Wait, wait_for

KEYS_PER_REACTION_MAX = 4_000
"""A fact leads to fewer new keys than this, so that a block is left in time."""


class At:
    """Where an element stands while it answers: its node, its element instance and the walk around it."""

    __slots__ = ("key", "node", "walk")

    def __init__(self, walk: "Walk", key: int, node: Node) -> None:
        self.walk = walk
        self.key = key
        self.node = node

    @property
    def state(self) -> Instance:
        return self.walk.state

    @property
    def context(self) -> Context:
        return self.walk.context

    @property
    def instance(self) -> ElementInstance:
        """The element instance; for a join that is asked whether it is ready: the scope around it."""
        return self.walk.state.elements[self.key]

    @property
    def variables(self) -> Visible:
        """The variables that are visible here."""
        return self.walk.state.variables_at(self.key)

    def evaluate(self, value: Value, what: str) -> Any:
        """Evaluate an attribute here. What fails is a `Problem` that names `what`."""
        if isinstance(value, str):
            return value
        return self.walk.evaluate(value, self.variables, what)

    def new_key(self) -> int:
        """Return a key for the next fact."""
        return self.walk.state.new_key()

    def complete(self) -> Facts:
        """The element's work is done and brought nothing."""
        return self.walk.leave(self)

    def worked(self, variables: dict[str, Any]) -> Facts:
        """The element's work is done and brought these variables."""
        return self.walk.worked(self, variables)


class Walk:
    """One command's walk over one instance."""

    def __init__(self, state: Instance, model: ProcessModel, context: Context) -> None:
        self.state = state
        self.model = model
        self.context = context
        self._evaluations = 0
        self._evaluated: tuple[Value, Visible] | None = None
        self._touched: set[int] = set()

    def evaluate(self, value: Value, variables: Visible, what: str) -> Any:
        """Evaluate an attribute with these variables, and remember it: an incident tells why its value was not right."""
        self._evaluated = (value, variables)
        return evaluate(value, variables, self.moment, what)

    @property
    def moment(self) -> Moment:
        """When an expression is evaluated. Each evaluation has a seed of its own, for `uuid()` and `random number()`."""
        self._evaluations += 1
        return Moment(now=self.context.now, seed=f"{self.state.key}/{self.state.local}/{self._evaluations}")

    def run(self, facts: Iterable[e.Event]) -> Facts:
        """Yield the facts and all that follows from them."""
        queue: deque[e.Event] = deque()
        while True:
            for fact in facts:
                yield fact
                if type(fact) in _REACTIONS:
                    queue.append(fact)
            if queue:
                if self.state.local > LOCAL_MAX - KEYS_PER_REACTION_MAX:
                    block = make_key(self.context.partition, self.context.next_number())
                    yield e.KeyBlockTaken(key=self.state.key, block=block)
                fact = queue.popleft()
                facts = _REACTIONS[type(fact)](self, fact)
            elif self._touched:
                facts = self._rest()
            else:
                return

    def at(self, key: int) -> At | None:
        """Return where the element instance stands, or None if it is gone."""
        element = self.state.elements.get(key)
        return None if element is None else At(self, key, self.model.nodes[element.element])

    # --- entering ------------------------------------------------------------------------------------------------

    def enter(self, node: Node, scope: int, flows: tuple[str, ...] = (), trigger: int | None = None) -> Facts:
        """Make an element instance; what it does follows from the fact."""
        yield e.ElementEntered(
            key=self.state.new_key(),
            element=node.id,
            scope=scope,
            flows=flows,
            loop=None if node.loop is None else 0,
            trigger=trigger,
        )

    def enter_triggered(
        self, node: Node, scope: int, variables: dict[str, Any], trigger: int | None, flows: tuple[str, ...] = ()
    ) -> Facts:
        """Enter an event whose trigger has come already, with the variables that it brought."""
        key = self.state.new_key()
        yield from self.enter(node, scope, flows, trigger)
        yield from self._bring(At(self, key, node), variables)

    def _bring(self, at: At, variables: dict[str, Any]) -> Facts:
        """Take variables in: local if output mappings pick from them later, else merged upwards."""
        if at.node.outputs:
            yield from write(self.state, at.key, variables)
        else:
            yield from merge(self.state, at.key, variables)

    def begin(self, key: int) -> Facts:
        """Map inputs, open waits and let the element do its work. Trying again after an incident begins here, too."""
        at = self.at(key)
        if at is None or self._is_held(key):
            return
        index = at.instance.index
        try:
            if index == 0:
                yield from self.arm(at, at.node.boundaries, ())
                yield from loops.begin(at)
                return
            if at.node.inputs:
                document = mapped(at.node.inputs, at.variables, Visible([]), self.moment)
                yield from write(self.state, key, document)
            boundaries = at.node.boundaries if index is None else ()
            yield from self.arm(at, boundaries, self._own_waits(at))
            yield from at.node.element.enter(at)
        except Problem as problem:
            yield self.incident(at, problem, "enter")

    def _is_held(self, key: int) -> bool:
        """Say whether a scope around could not begin: nothing in it begins before it has (see `retry`)."""
        state = self.state
        if not state.incidents:
            return False
        around = (element for element in state.ancestors(key) if element.key != key)
        return any(state.incidents[each].step == "enter" for element in around for each in element.incidents)

    def _own_waits(self, at: At) -> list[Node]:
        starts = [scope.start for scope in at.node.event_subprocesses if scope.start is not None]
        if at.instance.trigger is not None:
            return starts
        return [*at.node.element.awaited(at.node), *starts]

    def arm(self, at: At, boundaries: Iterable[Node], own: Iterable[Node]) -> Facts:
        """Open all waits of an element instance, or none. Boundary events look at the variables around the element."""
        if at.instance.armed:
            return
        waits: list[Wait | None] = []
        if boundaries:
            around = At(self, at.instance.scope, at.node)
            waits += [wait_for(node, around.evaluate, self.context.now) for node in boundaries]
        waits += [wait_for(node, at.evaluate, self.context.now) for node in own]
        for wait in waits:
            if wait is not None:
                yield wait.opened(self.state.new_key(), at.key, self.state.process_id, self.state.key)

    # --- leaving -------------------------------------------------------------------------------------------------

    def work_done(self, key: int, variables: dict[str, Any]) -> Facts:
        at = self.at(key)
        if at is not None:
            yield from self.worked(at, variables)

    def worked(self, at: At, variables: dict[str, Any]) -> Facts:
        """Take the variables that the element's work brought, and leave."""
        yield from self._bring(at, variables)
        yield from self.leave(at)

    def child_returned(self, fact: e.ChildReturned) -> Facts:
        at = self.at(fact.element_key)
        if at is not None:
            variables = fact.variables if at.node.outputs else at.node.element.propagate(at, fact.variables)
            yield from self.worked(at, variables)

    def leave(self, at: At) -> Facts:
        """Map outputs, choose the flows, close the waits and go on. Trying again after an incident begins here, too."""
        index = at.instance.index
        try:
            if index != 0:
                yield from self._map_outputs(at)
            if index:
                yield from loops.leave_inner(at)
                return
            flows = at.node.element.outgoing(at)
            if index == 0:
                yield from loops.propagate_output(at)
        except Problem as problem:
            yield self.incident(at, problem, "leave")
            return
        if at.key == self.state.key:
            yield from self._end(at)
            return
        scope = at.instance.scope
        yield from self.close(at.key)
        yield e.ElementCompleted(key=at.key, element=at.node.id, scope=scope)
        for flow in flows:
            yield e.FlowTaken(flow=flow.id, scope=scope)
        for target in at.node.element.targets(at.node):
            yield from self.enter(target, scope)

    def _map_outputs(self, at: At) -> Facts:
        if at.node.outputs:
            around = self.state.variables_at(at.instance.scope)
            document = mapped(at.node.outputs, at.variables, around, self.moment)
            yield from merge(self.state, at.instance.scope, document)

    def _end(self, at: At) -> Facts:
        yield from self.close(at.key)
        state = self.state
        yield e.InstanceCompleted(
            key=state.key,
            parent_key=state.parent_key,
            parent_element_key=state.parent_element_key,
            variables=dict(state.root.variables) if state.parent_key is not None else {},
            start_message=state.start_message,
            process_id=state.process_id,
        )

    def close(self, key: int) -> Facts:
        """Close all that hangs on an element instance: waits, open work, incidents, its child."""
        state = self.state
        element = state.elements[key]
        for wait in sorted(element.waits):
            yield self._closed(wait)
        if element.work is not None:
            yield from self._work_canceled(element.work)
        if element.child is not None:
            yield e.ChildReleased(element_key=key, child_key=element.child)
        for incident in sorted(element.incidents):
            yield e.IncidentResolved(key=incident)

    def _closed(self, wait: int) -> e.Event:
        state = self.state
        if wait in state.timers:
            return e.TimerCanceled(key=wait)
        if wait in state.messages:
            message = state.messages[wait]
            return e.MessageUnsubscribed(key=wait, name=message.name, correlation_key=message.correlation_key)
        return e.SignalUnsubscribed(key=wait, name=state.signals[wait].name)

    def _work_canceled(self, work: int) -> Facts:
        job = self.state.jobs.get(work)
        if job is None:
            yield e.UserTaskCanceled(key=work)
        elif job.state != "ERROR_THROWN":  # that job has ended already, with the error
            yield e.JobCanceled(key=work)

    def left(self, scope_key: int) -> Facts:
        """An element of the scope is gone: the scope may have nothing left in it."""
        scope = self.state.elements.get(scope_key)
        if scope is None:
            return
        self._touched.add(scope_key)
        if scope.children or scope.tokens or scope.incidents:
            return
        at = At(self, scope_key, self.model.nodes[scope.element])
        yield from loops.drained(at) if scope.index == 0 else at.node.element.drained(at)

    # --- flows and joins -------------------------------------------------------------------------------------------

    def arrive(self, fact: e.FlowTaken) -> Facts:
        scope = self.state.elements.get(fact.scope)
        if scope is None or not scope.tokens.get(fact.flow):
            return
        node = self.model.flows[fact.flow].target
        if not node.element.joins:
            yield from self.enter(node, fact.scope, (fact.flow,))
            return
        self._touched.add(fact.scope)
        yield from self._join(node, fact.scope)

    def _join(self, node: Node, scope: int) -> Facts:
        flows = node.element.ready(At(self, scope, node))
        if flows:
            yield from self.enter(node, scope, tuple(flow.id for flow in flows))

    def _rest(self) -> Facts:
        """Nothing moves any more: ask the joins at which tokens rest whether they are ready now."""
        for scope in sorted(self._touched):
            element = self.state.elements.get(scope)
            if element is None or not element.tokens:
                continue
            for node in dict.fromkeys(self.model.flows[flow].target for flow in element.tokens):
                entered = False
                for fact in self._join(node, scope):
                    entered = True
                    yield fact
                if entered:
                    return  # the others are asked again when this token rests
        self._touched.clear()

    # --- triggers ---------------------------------------------------------------------------------------------------

    def triggered(self, key: int, target_id: str, variables: dict[str, Any]) -> Facts:
        """What an element instance waited for, or catches, has come."""
        at = self.at(key)
        if at is None:
            return
        target = self.model.nodes[target_id]
        if target is at.node:
            yield from self.worked(at, variables)
        elif target.attached_to is at.node:
            scope = at.instance.scope
            if target.interrupting:
                yield from self.terminate(key)
            yield from self.enter_triggered(target, scope, variables, key)
        elif target.scope is not None and target.scope.scope is at.node:
            yield from self._start_inside(at, target, variables)
        else:
            flow = next(flow for flow in at.node.outgoing if flow.target is target)
            yield from self._pass_on(at, flow, variables)

    def _start_inside(self, at: At, start: Node, variables: dict[str, Any]) -> Facts:
        """An event inside the scope `at` is triggered by the scope's own wait: enter what encloses it, then the event."""
        assert start.scope is not None, f"{start!r} is in no scope"
        if start.interrupting:
            yield from self.interrupt(at)
        key = self.state.new_key()
        yield from self.enter(start.scope, at.key, trigger=at.key)
        yield from self.enter_triggered(start, key, variables, at.key)

    def _pass_on(self, at: At, flow: Flow, variables: dict[str, Any]) -> Facts:
        """The element waited in place of the events behind it: go on with the one that has come."""
        scope = at.instance.scope
        yield from self.close(at.key)
        yield e.ElementCompleted(key=at.key, element=at.node.id, scope=scope)
        yield e.FlowTaken(flow=flow.id, scope=scope)
        yield from self.enter_triggered(flow.target, scope, variables, at.key, (flow.id,))

    def interrupt(self, at: At, keep: int | None = None) -> Facts:
        """End all that runs in the scope `at` (but `keep`), and close what only its inside waits for."""
        state = self.state
        for wait in sorted(at.instance.waits):
            open_wait = state.timers.get(wait) or state.messages.get(wait) or state.signals.get(wait)
            assert open_wait is not None, f"wait {wait} is not open"
            target = self.model.nodes[open_wait.target]
            if target.scope is not None and target.scope.scope is at.node:
                yield self._closed(wait)
        for child in sorted(at.instance.children, reverse=True):
            if child != keep:
                yield from self.terminate(child)
        yield e.ScopeInterrupted(scope=at.key)

    def terminate(self, key: int) -> Facts:
        """End an element instance and all that runs in it, from the inside out."""
        state = self.state
        # Newest first: keys grow, so what is inside is gone before what is around it.
        for each in reversed(self._inside(key)):
            yield from self.close(each)
            element = state.elements[each]
            if each == state.key:
                yield e.InstanceTerminated(
                    key=each,
                    parent_key=state.parent_key,
                    start_message=state.start_message,
                    process_id=state.process_id,
                )
            else:
                yield e.ElementTerminated(key=each, element=element.element, scope=element.scope)

    def _inside(self, key: int) -> list[int]:
        """Return an element instance and all that runs in it, oldest first."""
        inside = [key]
        for outer in inside:  # grows while it is walked
            inside.extend(self.state.elements[outer].children)
        return sorted(inside)

    # --- trouble ----------------------------------------------------------------------------------------------------

    def incident(self, at: At, problem: Problem, step: str) -> e.IncidentRaised:
        """Return the fact that the element instance cannot go on, with what the last expression warned of."""
        warnings = why(self._evaluated, self.moment)
        self._evaluated = None
        return e.IncidentRaised(
            key=self.state.new_key(),
            element_key=at.key,
            element=at.node.id,
            incident_type=problem.incident_type,
            message=f"{problem.message} ({warnings})" if warnings else problem.message,
            step=step,
        )

    def retry(self, key: int, step: str) -> Facts:
        """Try again, after its incident was resolved, what an element instance could not do."""
        at = self.at(key)
        if at is None:
            return
        match step:
            case "enter":
                for each in self._inside(key):  # what was entered in it meanwhile (a triggered start event) was held
                    yield from self.begin(each)
            case "leave":
                yield from self.leave(at)
            case "loop":
                yield from loops.proceed(at)
            case _:
                raise AssertionError(f"unknown step '{step}' of incident at {at.node!r}")

    def escalate(self, at: At, code: str) -> Facts:
        """Throw an escalation from an element instance, which goes on if it is still there afterwards."""
        thrown = False
        for fact in escalate(self.state, self.model, at.key, code):
            thrown = isinstance(fact, e.EscalationThrown)
            yield fact
        if not thrown:
            yield from at.complete()

    def escalated(self, fact: e.EscalationThrown) -> Facts:
        """Whoever catches the escalation begins; whoever threw it goes on, unless that ended it."""
        yield from self.triggered(fact.catcher, fact.target, {})
        at = self.at(fact.element_key)
        if at is not None and at.instance.child is None:  # a call activity waits for the child that threw
            yield from at.complete()

    def throw(self, at: At, code: str, message: str, variables: dict[str, Any]) -> Facts:
        """Throw a BPMN error from an element instance."""
        return throw(self.state, self.model, at.key, code, message, variables)


_REACTIONS: dict[type[e.Event], Callable[[Walk, Any], Facts]] = {
    e.InstanceCreated: lambda walk, fact: walk.begin(fact.key),
    e.FlowTaken: lambda walk, fact: walk.arrive(fact),
    e.ElementEntered: lambda walk, fact: walk.begin(fact.key),
    e.ElementCompleted: lambda walk, fact: walk.left(fact.scope),
    e.ElementTerminated: lambda walk, fact: walk.left(fact.scope),
    e.JobCompleted: lambda walk, fact: walk.work_done(fact.element_key, fact.variables),
    e.UserTaskCompleted: lambda walk, fact: walk.work_done(fact.element_key, fact.variables),
    e.ChildReturned: lambda walk, fact: walk.child_returned(fact),
    e.TimerFired: lambda walk, fact: walk.triggered(fact.element_key, fact.target, {}),
    e.MessageCorrelated: lambda walk, fact: walk.triggered(fact.element_key, fact.target, fact.variables),
    e.SignalReceived: lambda walk, fact: walk.triggered(fact.element_key, fact.target, fact.variables),
    e.EscalationThrown: lambda walk, fact: walk.escalated(fact),
    e.ErrorThrown: lambda walk, fact: walk.triggered(fact.catcher, fact.target, fact.variables),
}
"""What follows from a fact. A fact that is not here has no consequences inside of its instance."""
