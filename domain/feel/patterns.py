"""Regular expressions that cannot stop a partition: a machine whose work is bounded by pattern and text, and counted.

Python's own `re` tries every way to match, which takes for ever for patterns like `(a+)+$`. This machine also tries in
order of preference, but never the same state twice: a state is an instruction at a place of the text. Only patterns
with backreferences can need more, and they end at a limit.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from domain.feel.limits import PATTERN_INSTRUCTIONS_MAX, PATTERN_STEPS_MAX, TEXT_CHARACTERS_MAX, FeelEvaluationError
from domain.feel.pattern_sets import CharSet, case_forms
from domain.feel.pattern_syntax import (
    Assertion,
    Backreference,
    Choice,
    Group,
    Look,
    OneOf,
    Part,
    PatternError,
    PatternReader,
    Repeat,
    Sequence,
    is_word,
)

PATTERNS_KEPT_MAX = 500
"""Compiled patterns that are remembered."""

FLAGS = frozenset("smix")

_CHAR, _SPLIT, _JUMP, _SAVE, _ASSERT, _SAME, _LOOK, _MARK, _MOVED, _DONE = range(10)
_Instruction = tuple[int, object, object]
_Spans = tuple[int, ...]
"""Start and end of the whole match and of each group; -1 where a group took no part."""


Charge = Callable[[int], None]


def _free(steps: int) -> None:
    """Ask nothing for the steps."""


class Pattern:
    """A compiled regular expression."""

    def __init__(self, pattern: str, flags: frozenset[str]) -> None:
        reader = PatternReader(pattern, flags)
        part = reader.read()
        self.groups = reader.groups
        self._any_case = reader.any_case
        self._lines = "m" in flags
        self._remembers = not reader.references
        self._size = 0
        self._marks = 0
        self._program = self._compiled(part)
        plain = not self._any_case and "x" not in flags and not any(char in _SPECIAL for char in pattern)
        self._literal = pattern if plain and pattern else None

    def spans(self, text: str, charge: Charge = _free) -> list[_Spans]:
        """Return all matches that do not overlap, in order. `charge` is told the steps. Raises FeelEvaluationError."""
        if self._literal is not None:
            places = self._literal_spans(text, self._literal)
            charge(len(places))
            return places
        found: list[_Spans] = []
        machine = _Machine(self, text)
        start = 0
        while (spans := machine.search(start)) is not None:
            found.append(spans)
            start = spans[1] if spans[1] > spans[0] else spans[1] + 1
        charge(machine.steps)
        return found

    def search(self, text: str, charge: Charge = _free) -> tuple[int, int] | None:
        """Return start and end of the first match, or None."""
        if self._literal is not None:
            at = text.find(self._literal)
            return (at, at + len(self._literal)) if at >= 0 else None
        machine = _Machine(self, text)
        spans = machine.search(0)
        charge(machine.steps)
        return (spans[0], spans[1]) if spans else None

    def find_all(self, text: str, charge: Charge = _free) -> list[str]:
        """Return the texts that match."""
        return [text[spans[0] : spans[1]] for spans in self.spans(text, charge)]

    def split(self, text: str, charge: Charge = _free) -> list[str]:
        """Return what lies between the matches."""
        parts: list[str] = []
        behind = 0
        for spans in self.spans(text, charge):
            if spans[1] == 0:
                # An empty match at the very start parts nothing.
                continue
            parts.append(text[behind : spans[0]])
            behind = spans[1]
        parts.append(text[behind:])
        return parts

    def replace(self, text: str, replacement: str, charge: Charge = _free) -> str:
        """Replace each match; `$1` stands for a group, `$0` for the match."""
        pieces = _replacement(replacement, self.groups)
        made: list[str] = []
        behind = size = 0
        for spans in self.spans(text, charge):
            charge(len(pieces))
            made.append(text[behind : spans[0]])
            for piece in pieces:
                # A group that took no part stands at -1 to -1: the empty text.
                found = piece if isinstance(piece, str) else text[spans[2 * piece] : spans[2 * piece + 1]]
                size += len(found)
                made.append(found)
            if size > TEXT_CHARACTERS_MAX:
                raise FeelEvaluationError(
                    f"the expression makes a string of more than {TEXT_CHARACTERS_MAX} characters"
                )
            behind = spans[1]
        made.append(text[behind:])
        return "".join(made)

    @staticmethod
    def _literal_spans(text: str, literal: str) -> list[_Spans]:
        found: list[_Spans] = []
        at = text.find(literal)
        while at >= 0:
            found.append((at, at + len(literal)))
            at = text.find(literal, at + len(literal))
        return found

    # ------------------------------------------------------------------ compiling

    def _compiled(self, part: Part) -> list[_Instruction]:
        program: list[_Instruction] = []
        self._emit(part, program)
        program.append((_DONE, None, None))
        return program

    def _emit(self, part: Part, program: list[_Instruction]) -> None:
        self._size += 1
        if self._size > PATTERN_INSTRUCTIONS_MAX:
            raise PatternError(f"the pattern is larger than {PATTERN_INSTRUCTIONS_MAX} instructions")
        match part:
            case OneOf(chars=chars):
                program.append((_CHAR, chars, None))
            case Sequence(parts=parts):
                for each in parts:
                    self._emit(each, program)
            case Group(number=number, part=inner):
                program.append((_SAVE, 2 * number, None))
                self._emit(inner, program)
                program.append((_SAVE, 2 * number + 1, None))
            case Choice(choices=choices):
                self._emit_choice(choices, program)
            case Repeat():
                self._emit_repeat(part, program)
            case Look(part=inner, negative=negative):
                program.append((_LOOK, self._compiled(inner), negative))
            case Backreference(group=group):
                program.append((_SAME, group, None))
            case Assertion(kind=kind):
                program.append((_ASSERT, kind, None))
            case _:
                raise AssertionError(part)

    def _emit_choice(self, choices: list[Part], program: list[_Instruction]) -> None:
        jumps: list[int] = []
        for choice in choices[:-1]:
            split = len(program)
            program.append((_JUMP, 0, None))
            self._emit(choice, program)
            jumps.append(len(program))
            program.append((_JUMP, 0, None))
            program[split] = (_SPLIT, split + 1, len(program))
        self._emit(choices[-1], program)
        for jump in jumps:
            program[jump] = (_JUMP, len(program), None)

    def _emit_repeat(self, repeat: Repeat, program: list[_Instruction]) -> None:
        for _ in range(repeat.least):
            self._emit(repeat.part, program)
        if repeat.most is None:
            split = len(program)
            program.append((_JUMP, 0, None))
            mark = self._mark(program)
            self._emit(repeat.part, program)
            if mark is not None:
                program.append((_MOVED, mark, None))
            program.append((_JUMP, split, None))
            self._close(program, split, len(program), lazy=repeat.lazy)
            return
        splits: list[int] = []
        for _ in range(repeat.most - repeat.least):
            splits.append(len(program))
            program.append((_JUMP, 0, None))
            self._emit(repeat.part, program)
        for split in splits:
            self._close(program, split, len(program), lazy=repeat.lazy)

    def _mark(self, program: list[_Instruction]) -> int | None:
        """Where states are not remembered, a repetition must itself notice that it stands still."""
        if self._remembers:
            return None
        self._marks += 1
        slot = 2 * self.groups + 1 + self._marks
        program.append((_MARK, slot, None))
        return slot

    @staticmethod
    def _close(program: list[_Instruction], split: int, end: int, *, lazy: bool) -> None:
        program[split] = (_SPLIT, end, split + 1) if lazy else (_SPLIT, split + 1, end)

    # ------------------------------------------------------------------ what the machine asks

    @property
    def program(self) -> list[_Instruction]:
        return self._program

    @property
    def slots(self) -> int:
        return 2 * self.groups + 2 + self._marks

    @property
    def remembers(self) -> bool:
        return self._remembers

    def holds(self, kind: str, text: str, at: int) -> bool:
        """Say whether an assertion holds at a place."""
        if kind == "^":
            return at == 0 or (self._lines and text[at - 1] == "\n")
        if kind == "$":
            return at == len(text) or (self._lines and text[at] == "\n")
        before = at > 0 and is_word(text[at - 1])
        after = at < len(text) and is_word(text[at])
        return (before is not after) is (kind == "b")

    def same(self, one: str, other: str) -> bool:
        """Say whether a backreference accepts a text."""
        if one == other or not self._any_case:
            return one == other
        return len(one) == len(other) and all(
            set(case_forms(first)) & set(case_forms(second)) for first, second in zip(one, other, strict=True)
        )


_SPECIAL = frozenset("\\^$.|?*+()[]{}")


class _Machine:
    """One pattern on one text. What failed at a place once fails there always, and is not tried again."""

    def __init__(self, pattern: Pattern, text: str) -> None:
        self.pattern = pattern
        self.text = text
        self.steps = 0
        self.failed: dict[int, set[int]] = {}

    def search(self, start: int) -> _Spans | None:
        program = self.pattern.program
        first = program[0][1] if program[0][0] == _CHAR else None
        for at in range(start, len(self.text) + 1):
            if isinstance(first, CharSet) and (at == len(self.text) or self.text[at] not in first):
                self.steps += 1
                continue
            slots = self.run(program, at)
            if slots is not None:
                return (at, *slots[1 : 2 * self.pattern.groups + 2])
        return None

    def run(self, program: list[_Instruction], start: int) -> list[int] | None:
        """Try to match at one place. Returns the slots, of which slot 1 is the end of the match."""
        pattern, text, length = self.pattern, self.text, len(self.text)
        at: int
        pc: int
        failed = self.failed.setdefault(id(program), set()) if pattern.remembers else None
        size = len(program)
        stack: list[tuple[int, int, list[int]]] = [(0, start, [-1] * pattern.slots)]
        while stack:
            pc, at, slots = stack.pop()
            while True:
                self.steps += 1
                if self.steps > PATTERN_STEPS_MAX:
                    raise FeelEvaluationError(f"the regular expression took more than {PATTERN_STEPS_MAX} steps")
                operation, one, other = program[pc]
                if operation == _CHAR:
                    if at == length or text[at] not in one:  # type: ignore[operator]  # a _CHAR has a CharSet
                        break
                    at += 1
                    pc += 1
                elif operation == _SPLIT:
                    if failed is not None:
                        state = at * size + pc
                        if state in failed:
                            break
                        failed.add(state)
                    stack.append((other, at, slots))  # type: ignore[arg-type]  # a _SPLIT has two places
                    pc = one  # type: ignore[assignment]  # as above
                elif operation == _JUMP:
                    pc = one  # type: ignore[assignment]  # a _JUMP has a place
                elif operation == _DONE:
                    slots[1] = at
                    return slots
                else:
                    moved = self.other(operation, one, other, at, slots)
                    if moved is None:
                        break
                    at, slots = moved
                    pc += 1
        return None

    def other(
        self, operation: int, one: object, other: object, at: int, slots: list[int]
    ) -> tuple[int, list[int]] | None:
        """Do one of the rarer instructions. Returns place and slots, or None if it fails."""
        if operation in (_SAVE, _MARK):
            slots = slots.copy()
            slots[one] = at  # type: ignore[call-overload]  # both have the number of a slot
            return at, slots
        if operation == _MOVED:
            return (at, slots) if slots[one] != at else None  # type: ignore[call-overload]  # as above
        if operation == _ASSERT:
            return (at, slots) if self.pattern.holds(str(one), self.text, at) else None
        if operation == _LOOK:
            found = self.run(one, at)  # type: ignore[arg-type]  # a _LOOK has a program
            return (at, slots) if (found is None) is bool(other) else None
        assert isinstance(one, int)
        start, end = slots[2 * one], slots[2 * one + 1]
        wanted = self.text[start:end] if start >= 0 and end >= 0 else ""
        reached = at + len(wanted)
        return (reached, slots) if self.pattern.same(self.text[at:reached], wanted) else None


@lru_cache(maxsize=PATTERNS_KEPT_MAX)
def pattern(expression: str, flags: str) -> Pattern:
    """Compile a regular expression; flags are some of s, m, i and x. Raises PatternError."""
    for flag in flags:
        if flag not in FLAGS:
            raise PatternError(f"there is no flag {flag!r}; flags are s, m, i and x")
    if expression.startswith("(?i)"):
        return Pattern(expression[4:], frozenset(flags + "i"))
    return Pattern(expression, frozenset(flags))


def _replacement(text: str, groups: int) -> list[str | int]:
    """Take a replacement apart: texts, and numbers of groups."""
    pieces: list[str | int] = []
    behind = 0
    while (found := _MARK_IN_REPLACEMENT.search(text, behind)) is not None:
        at = found.end()
        if text[found.start()] == "\\":
            pieces.append(text[behind : found.start()] + text[at - 1])
        elif not text[at : at + 1].isdecimal():
            raise PatternError("a '$' in a replacement is followed by the number of a group")
        else:
            number = int(text[at])
            at += 1
            # As many digits as make the number of a group.
            while text[at : at + 1].isdecimal() and number * 10 + int(text[at]) <= groups:
                number = number * 10 + int(text[at])
                at += 1
            pieces += [text[behind : found.start()], number if number <= groups else ""]
        behind = at
    return [piece for piece in (*pieces, text[behind:]) if piece != ""]


_MARK_IN_REPLACEMENT = re.compile(r"\\[$\\]|\$")
