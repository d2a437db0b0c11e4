"""The one way in: `decide` answers a command with facts or a refusal, `fold` evolves a state with facts.

Live:    facts = list(fold(state, decide(state, command, context)))     once it is not Rejected
Replay:  facts = list(fold(state, stored events))
"""

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from domain import commands as c
from domain import events as e
from domain.bounds import bounded
from domain.decide_instance import decide_instance, quarantine
from domain.decisions import decide_evaluation
from domain.deployed import Deployed, decide_deployed, evolve_deployed
from domain.instance import Instance, evolve
from domain.messages import MessageBucket, decide_bucket, evolve_bucket
from domain.results import Context, Facts, Rejected
from domain.signals import SignalSubscriptions, decide_signal, evolve_signal
from domain.streams import DEFINITIONS_STREAM

__all__ = ["State", "Stateless", "decide", "ended", "fold", "initial", "quarantine"]


class Stateless(msgspec.Struct):
    """A stream whose facts are only recorded: leases of jobs, evaluations of decisions."""


State: TypeAlias = Instance | MessageBucket | SignalSubscriptions | Deployed | Stateless


def initial(stream: str) -> State:
    """Return the state of a stream before its first event."""
    kind, _, rest = stream.partition("/")
    match kind:
        case "instance":
            return Instance(key=int(rest))
        case "message":
            length, _, both = rest.partition("/")
            name = both[: int(length)]
            return MessageBucket(name=name, correlation_key=both[int(length) + 1 :])
        case "signal":
            return SignalSubscriptions(name=rest)
        case _ if stream == DEFINITIONS_STREAM:
            return Deployed()
        case _:
            return Stateless()


def decide(state: State, command: c.AnyCommand, context: Context) -> Facts | Rejected:
    """Answer a command. The facts are lazy: each has to be folded into the state before the next is asked for."""
    answer = _decide(state, command, context)
    return answer if isinstance(answer, Rejected) else bounded(answer)


def _decide(state: State, command: c.AnyCommand, context: Context) -> Facts | Rejected:
    match state:
        case Instance():
            return decide_instance(state, command, context)
        case MessageBucket():
            return decide_bucket(state, command, context)
        case SignalSubscriptions():
            return decide_signal(state, command, context)
        case Deployed():
            return decide_deployed(state, command, context)
        case Stateless() if isinstance(command, c.EvaluateDecision):
            return decide_evaluation(command, context)
        case Stateless():
            raise AssertionError(f"{command!r} addresses a stream that decides nothing")


def fold(state: State, facts: Iterable[e.Event]) -> Facts:
    """Evolve the state with each fact, and yield it."""
    match state:
        case Instance():
            for fact in facts:
                evolve(state, fact)
                yield fact
        case MessageBucket():
            for fact in facts:
                evolve_bucket(state, fact)
                yield fact
        case SignalSubscriptions():
            for fact in facts:
                evolve_signal(state, fact)
                yield fact
        case Deployed():
            for fact in facts:
                evolve_deployed(state, fact)
                yield fact
        case Stateless():
            yield from facts


def ended(state: State) -> bool:
    """Say whether nothing more is likely to happen in the stream, so that it need not stay in memory."""
    match state:
        case Instance():
            return not state.running
        case MessageBucket():
            return not (state.messages or state.subscriptions or state.starts)
        case SignalSubscriptions():
            return not state.subscriptions
        case Deployed():
            return False
        case Stateless():
            return True
