"""What a process instance answers to commands. Checks come first; then one walk carries all that follows."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from domain import commands as c
from domain import events as e
from domain import loops
from domain.creation import create_child, create_instance, create_started
from domain.errors import escalate, throw, unhandled
from domain.instance import Instance, Job, UserTask
from domain.results import Context, Facts, Rejected
from domain.timers import Schedule, following
from domain.variables import merge, write
from domain.walk import At, Walk

ERROR_MESSAGE_CHARACTERS_MAX = 10_000
"""Longer messages of thrown errors are cut."""

HELD_COMMANDS_MAX = 10_000
"""Reactions that a suspended or quarantined instance keeps."""

Answer: TypeAlias = Facts | Rejected

_HELD_ENCODER = msgspec.json.Encoder(decimal_format="number")
_HELD_DECODER = msgspec.json.Decoder(c.AnyCommand, float_hook=Decimal)


def decide_instance(state: Instance, command: c.AnyCommand, context: Context) -> Answer:
    """Decide about a command that addresses a process instance or something inside of it."""
    if isinstance(command, (c.CreateInstance, c.CreateChild, c.CreateStarted)):
        return _create(state, command, context)
    if not state.running and not isinstance(command, c.DeleteInstance):
        return _absent(state, command)
    if (state.suspended or state.quarantined is not None) and not isinstance(command, _ALWAYS):
        return _standing_still(state, command)
    return _DECISIONS[type(command)](state, command, context)


def _create(state: Instance, command: Any, context: Context) -> Answer:
    if state.status != "absent":
        return Rejected("ALREADY_EXISTS", f"expected instance {state.key} not to exist, but it is {state.status}")
    if isinstance(command, c.CreateInstance):
        return create_instance(state, command, context)
    if isinstance(command, c.CreateChild):
        return create_child(state, command, context)
    return create_started(state, command, context)


def _absent(state: Instance, command: Any) -> Answer:
    if isinstance(command, c.DeliverMessage):
        return iter((_refused(command),))
    what = _WHAT.get(type(command), "an element instance")
    return Rejected("NOT_FOUND", f"expected {what} with key {command.key}, but there is none")


def _standing_still(state: Instance, command: Any) -> Answer:
    if isinstance(command, c.Reaction) and not isinstance(command, c.TriggerTimer):
        if len(state.held) >= HELD_COMMANDS_MAX:
            return Rejected("INVALID_STATE", f"instance {state.key} holds {HELD_COMMANDS_MAX} reactions already")
        return iter((e.CommandHeld(command=_HELD_ENCODER.encode(command)),))
    found = "suspended" if state.suspended else "held by an incident"
    return Rejected("INVALID_STATE", f"expected instance {state.key} to be active, but it is {found}")


def quarantine(state: Instance, command: c.AnyCommand, reason: str) -> Facts:
    """Return the facts that hold an instance which a command could not be carried out on, until the incident is resolved."""
    tag = type(command).__struct_config__.tag
    yield e.InstanceQuarantined(key=state.key, incident_key=state.new_key(), reason=reason, command=str(tag))


def walk_of(state: Instance, context: Context) -> Walk:
    """Return a walk over a running instance."""
    model = context.definitions.process(state.definition_key)
    assert model is not None, f"definition {state.definition_key} of a running instance is there"
    return Walk(state, model, context)


# --- the instance as a whole -------------------------------------------------------------------------------------


def _cancel(state: Instance, command: c.CancelInstance, context: Context) -> Answer:
    if command.key != state.key:
        return Rejected("NOT_FOUND", f"expected a process instance with key {command.key}, but there is none")
    if state.parent_key is not None:
        return Rejected(
            "INVALID_STATE",
            f"expected a root instance, but {state.key} was called by {state.parent_key}; cancel {state.root_key} instead",
        )
    return _terminate(state, context)


def _terminate_child(state: Instance, command: c.TerminateChild, context: Context) -> Answer:
    return _terminate(state, context)


def _terminate(state: Instance, context: Context) -> Facts:
    """End the instance. What it held is answered, too: a message that it did not take is for the next who waits."""
    walk = walk_of(state, context)
    held = [_HELD_DECODER.decode(each.command) for each in state.held]
    yield from walk.run(walk.terminate(state.key))
    for command in held:
        answer = decide_instance(state, command, context)
        if not isinstance(answer, Rejected):
            yield from answer


def _suspend(state: Instance, command: c.SuspendInstance, context: Context) -> Answer:
    if state.suspended:
        return Rejected("INVALID_STATE", f"expected instance {state.key} to be active, but it is suspended")
    return iter((e.InstanceSuspended(key=state.key),))


def _resume(state: Instance, command: c.ResumeInstance, context: Context) -> Answer:
    if not state.suspended:
        return Rejected("INVALID_STATE", f"expected instance {state.key} to be suspended, but it is not")

    def facts() -> Facts:
        yield e.InstanceResumed(key=state.key)
        yield from _release(state, context)

    return facts()


def _release(state: Instance, context: Context) -> Facts:
    """Carry out what came while the instance stood still, in order; what comes after its end is answered all the same."""
    while state.held and not (state.running and (state.suspended or state.quarantined is not None)):
        command: c.AnyCommand = _HELD_DECODER.decode(state.held[0].command)
        yield e.HeldReleased(key=state.key)
        answer = decide_instance(state, command, context)
        if not isinstance(answer, Rejected):
            yield from answer


def _delete(state: Instance, command: c.DeleteInstance, context: Context) -> Answer:
    if state.status in ("absent", "deleted"):
        return Rejected("NOT_FOUND", f"expected a process instance with key {command.key}, but there is none")
    if state.running:
        return Rejected("INVALID_STATE", f"expected instance {state.key} to have ended, but it is active")
    return iter((e.InstanceDeleted(key=state.key),))


def _set_variables(state: Instance, command: c.SetVariables, context: Context) -> Answer:
    if command.key not in state.elements:
        return Rejected("NOT_FOUND", f"expected an element instance with key {command.key}, but there is none")
    if command.local:
        return write(state, command.key, command.variables)
    return merge(state, command.key, command.variables)


# --- incidents -------------------------------------------------------------------------------------------------------


def _resolve(state: Instance, command: c.ResolveIncident, context: Context) -> Answer:
    if command.key == state.quarantined:

        def released() -> Facts:
            yield e.IncidentResolved(key=command.key)
            yield from _release(state, context)

        return released()
    incident = state.incidents.get(command.key)
    if incident is None:
        return Rejected("NOT_FOUND", f"expected an incident with key {command.key}, but there is none")
    if incident.step == "job":
        job = state.jobs[incident.job_key or 0]
        if job.retries <= 0:
            return Rejected(
                "INVALID_STATE",
                f"expected job {incident.job_key} to have retries left, but it has {job.retries}; update its retries first",
            )
        return iter((e.IncidentResolved(key=command.key), e.JobReopened(key=incident.job_key or 0)))
    walk = walk_of(state, context)
    element_key, step = incident.element_key, incident.step

    def facts() -> Facts:
        yield e.IncidentResolved(key=command.key)
        yield from walk.retry(element_key, step)

    return walk.run(facts())


# --- jobs ----------------------------------------------------------------------------------------------------------------


def _job(state: Instance, key: int) -> Job | Rejected:
    job = state.jobs.get(key)
    return job or Rejected("NOT_FOUND", f"expected a job with key {key}, but there is none")


def _workable(state: Instance, key: int, context: Context) -> Job | Rejected:
    job = _job(state, key)
    if isinstance(job, Rejected):
        return job
    waits = job.retry_at is not None and job.retry_at > context.now
    if job.state == "ERROR_THROWN" or (job.state == "FAILED" and (job.retries <= 0 or waits)):
        return Rejected("INVALID_STATE", f"expected job {key} to be open, but it is in state {job.state}")
    return job


def _complete_job(state: Instance, command: c.CompleteJob, context: Context) -> Answer:
    job = _workable(state, command.key, context)
    if isinstance(job, Rejected):
        return job
    fact = e.JobCompleted(key=command.key, element_key=job.element_key, variables=command.variables)
    return walk_of(state, context).run((fact,))


def _fail_job(state: Instance, command: c.FailJob, context: Context) -> Answer:
    job = _workable(state, command.key, context)
    if isinstance(job, Rejected):
        return job
    if command.back_off < 0:
        return Rejected(
            "INVALID_ARGUMENT", f"expected a back-off of 0 or more milliseconds, but found {command.back_off}"
        )
    retries = job.retries - 1 if command.retries is None else command.retries

    def facts() -> Facts:
        yield from write(state, job.element_key, command.variables)
        back_off = timedelta(milliseconds=command.back_off)
        yield e.JobFailed(
            key=command.key,
            element_key=job.element_key,
            retries=max(retries, 0),
            message=command.message[:ERROR_MESSAGE_CHARACTERS_MAX],
            retry_at=context.now + back_off if back_off and retries > 0 else None,
        )
        if retries <= 0:
            yield _no_retries(state, command.key, job, command.message)

    return facts()


def _no_retries(state: Instance, key: int, job: Job, message: str) -> e.IncidentRaised:
    return e.IncidentRaised(
        key=state.new_key(),
        element_key=job.element_key,
        element=job.element,
        incident_type="JOB_NO_RETRIES",
        message=message[:ERROR_MESSAGE_CHARACTERS_MAX] or "No more retries left.",
        job_key=key,
        step="job",
    )


def _throw_job_error(state: Instance, command: c.ThrowJobError, context: Context) -> Answer:
    job = _workable(state, command.key, context)
    if isinstance(job, Rejected):
        return job
    walk = walk_of(state, context)
    message = command.message[:ERROR_MESSAGE_CHARACTERS_MAX]

    def facts() -> Facts:
        yield e.JobErrorThrown(key=command.key, element_key=job.element_key, code=command.code, message=message)
        yield from throw(
            state, walk.model, job.element_key, command.code, message, command.variables, job_key=command.key
        )

    return walk.run(facts())


def _update_job(state: Instance, command: c.UpdateJob, context: Context) -> Answer:
    job = _job(state, command.key)
    if isinstance(job, Rejected):
        return job
    if command.retries is None and command.timeout is None:
        return Rejected("INVALID_ARGUMENT", "expected retries or a timeout to set, but found neither")
    if command.retries is not None and command.retries < 1:
        return Rejected("INVALID_ARGUMENT", f"expected retries of 1 or more, but found {command.retries}")
    if command.timeout is not None and command.key not in context.leases:
        return Rejected("INVALID_STATE", f"expected job {command.key} to be activated, but no worker has it")

    def facts() -> Facts:
        if command.retries is not None:
            yield e.JobRetriesUpdated(key=command.key, retries=command.retries)
        if command.timeout is not None:
            yield e.JobLeaseExtended(key=command.key, deadline=context.now + timedelta(milliseconds=command.timeout))

    return facts()


# --- user tasks ------------------------------------------------------------------------------------------------------------


def _user_task(state: Instance, key: int) -> UserTask | Rejected:
    task = state.user_tasks.get(key)
    return task or Rejected("NOT_FOUND", f"expected a user task with key {key}, but there is none")


def _assign(state: Instance, command: c.AssignUserTask, context: Context) -> Answer:
    task = _user_task(state, command.key)
    if isinstance(task, Rejected):
        return task
    if not command.allow_override:
        if not command.assignee:
            return Rejected("INVALID_STATE", f"expected an assignee to claim user task {command.key}, but found none")
        if task.assignee not in (None, command.assignee):
            return Rejected(
                "INVALID_STATE", f"expected user task {command.key} to be unassigned, but '{task.assignee}' has it"
            )
    return iter((e.UserTaskAssigned(key=command.key, assignee=command.assignee or None, action=command.action),))


def _unassign(state: Instance, command: c.UnassignUserTask, context: Context) -> Answer:
    task = _user_task(state, command.key)
    if isinstance(task, Rejected):
        return task
    return iter((e.UserTaskAssigned(key=command.key, assignee=None, action="unassign"),))


def _update_task(state: Instance, command: c.UpdateUserTask, context: Context) -> Answer:
    task = _user_task(state, command.key)
    if isinstance(task, Rejected):
        return task
    return iter((e.UserTaskUpdated(key=command.key, changes=command.changes, action=command.action),))


def _complete_task(state: Instance, command: c.CompleteUserTask, context: Context) -> Answer:
    task = _user_task(state, command.key)
    if isinstance(task, Rejected):
        return task
    fact = e.UserTaskCompleted(
        key=command.key, element_key=task.element_key, variables=command.variables, action=command.action
    )
    return walk_of(state, context).run((fact,))


# --- what the instance waited for ----------------------------------------------------------------------------------------


def _trigger_timer(state: Instance, command: c.TriggerTimer, context: Context) -> Answer:
    timer = state.timers.get(command.key)
    if timer is None:
        return Rejected("NOT_FOUND", f"expected a timer with key {command.key}, but there is none")
    if timer.due > context.now:
        return Rejected("INVALID_STATE", f"expected timer {command.key} to be due, but it is due at {timer.due}")
    walk = walk_of(state, context)

    def facts() -> Facts:
        yield e.TimerFired(key=command.key, element_key=timer.element_key, target=timer.target)
        again = following(Schedule(timer.due, timer.repetitions, timer.repeat), context.now)
        if again is not None:
            yield e.TimerSet(
                key=state.new_key(),
                element_key=timer.element_key,
                target=timer.target,
                due=again.due,
                repetitions=again.repetitions,
                repeat=again.repeat,
            )

    return walk.run(facts())


def _refused(command: c.DeliverMessage) -> e.Event:
    return e.MessageRefused(
        key=command.key,
        message_key=command.message_key,
        process_id=command.process_id,
        name=command.name,
        correlation_key=command.correlation_key,
    )


def _deliver_message(state: Instance, command: c.DeliverMessage, context: Context) -> Answer:
    wait = state.messages.get(command.key)
    if wait is None:
        return iter((_refused(command),))
    fact = e.MessageCorrelated(
        key=command.key,
        element_key=wait.element_key,
        target=wait.target,
        message_key=command.message_key,
        process_id=state.process_id,
        name=command.name,
        correlation_key=command.correlation_key,
        variables=command.variables,
    )
    return walk_of(state, context).run((fact,))


def _deliver_signal(state: Instance, command: c.DeliverSignal, context: Context) -> Answer:
    wait = state.signals.get(command.key)
    if wait is None:
        return Rejected("NOT_FOUND", f"expected a signal subscription with key {command.key}, but there is none")
    fact = e.SignalReceived(
        key=command.key,
        element_key=wait.element_key,
        target=wait.target,
        signal_key=command.signal_key,
        variables=command.variables,
    )
    return walk_of(state, context).run((fact,))


def _return_from_child(state: Instance, command: c.ReturnFromChild, context: Context) -> Answer:
    element = state.elements.get(command.key)
    if element is None or element.child != command.child_key:
        return Rejected("NOT_FOUND", f"expected a call activity that waits for {command.child_key}, but there is none")
    fact = e.ChildReturned(element_key=command.key, child_key=command.child_key, variables=command.variables)
    return walk_of(state, context).run((fact,))


def _catch_error(state: Instance, command: c.CatchError, context: Context) -> Answer:
    element = state.elements.get(command.key)
    if element is None or element.child != command.child_key:
        return Rejected("NOT_FOUND", f"expected a call activity that waits for {command.child_key}, but there is none")
    walk = walk_of(state, context)
    return walk.run(
        throw(
            state,
            walk.model,
            command.key,
            command.code,
            command.message,
            command.variables,
            thrower=command.thrower_key,
            job_key=command.job_key,
        )
    )


def _catch_escalation(state: Instance, command: c.CatchEscalation, context: Context) -> Answer:
    element = state.elements.get(command.key)
    if element is None or element.child != command.child_key:
        return Rejected("NOT_FOUND", f"expected a call activity that waits for {command.child_key}, but there is none")
    walk = walk_of(state, context)
    return walk.run(escalate(state, walk.model, command.key, command.code))


def _fail_error(state: Instance, command: c.FailError, context: Context) -> Answer:
    if command.key not in state.elements:
        return Rejected("NOT_FOUND", f"expected an element instance with key {command.key}, but there is none")
    walk = walk_of(state, context)
    return iter((unhandled(state, walk.model, command.key, command.code, command.job_key),))


def _continue_loop(state: Instance, command: c.ContinueLoop, context: Context) -> Answer:
    element = state.elements.get(command.key)
    if element is None or element.body is None or not element.body.paused:
        return Rejected("NOT_FOUND", f"expected a paused multi-instance body with key {command.key}, but there is none")
    walk = walk_of(state, context)

    def facts() -> Facts:
        yield e.LoopContinued(key=command.key)
        yield from loops.proceed(At(walk, command.key, walk.model.nodes[element.element]))

    return walk.run(facts())


_ALWAYS = (
    c.CancelInstance,
    c.SuspendInstance,
    c.ResumeInstance,
    c.DeleteInstance,
    c.ResolveIncident,
    c.SetVariables,
    c.TerminateChild,
)
"""Commands that an instance answers while it stands still."""

_WHAT: dict[type[c.Command], str] = {
    c.CancelInstance: "a process instance",
    c.SuspendInstance: "a process instance",
    c.ResumeInstance: "a process instance",
    c.ResolveIncident: "an incident",
    c.CompleteJob: "a job",
    c.FailJob: "a job",
    c.ThrowJobError: "a job",
    c.UpdateJob: "a job",
    c.AssignUserTask: "a user task",
    c.UnassignUserTask: "a user task",
    c.UpdateUserTask: "a user task",
    c.CompleteUserTask: "a user task",
}

_DECISIONS: dict[type[c.Command], Callable[[Instance, Any, Context], Answer]] = {
    c.CancelInstance: _cancel,
    c.TerminateChild: _terminate_child,
    c.SuspendInstance: _suspend,
    c.ResumeInstance: _resume,
    c.DeleteInstance: _delete,
    c.SetVariables: _set_variables,
    c.ResolveIncident: _resolve,
    c.CompleteJob: _complete_job,
    c.FailJob: _fail_job,
    c.ThrowJobError: _throw_job_error,
    c.UpdateJob: _update_job,
    c.AssignUserTask: _assign,
    c.UnassignUserTask: _unassign,
    c.UpdateUserTask: _update_task,
    c.CompleteUserTask: _complete_task,
    c.TriggerTimer: _trigger_timer,
    c.DeliverMessage: _deliver_message,
    c.DeliverSignal: _deliver_signal,
    c.ReturnFromChild: _return_from_child,
    c.CatchError: _catch_error,
    c.CatchEscalation: _catch_escalation,
    c.FailError: _fail_error,
    c.ContinueLoop: _continue_loop,
}
