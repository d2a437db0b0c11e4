"""Why a model cannot be deployed: problems are gathered while it is read, and told all at once."""

import msgspec

PROBLEMS_MAX = 100
"""Problems of one resource that are told; further ones are only counted, so that a broken file costs little memory."""

REASON_LENGTH_MAX = 1_000
"""Characters of one reason, and of the id it belongs to; what a model wrote is shown shortened."""

SHOWN_LENGTH_MAX = 100
"""Characters of an id or a text of the model that a message repeats."""


class Problem(msgspec.Struct, frozen=True):
    """One reason why a model cannot run, where it was found (`element_id` is "" if it is no element's own)."""

    element_id: str
    line: int
    """Line in the resource, from 1; 0 if it is not known."""
    reason: str

    def __str__(self) -> str:
        place = f" (line {self.line})" if self.line else ""
        if self.element_id:
            return f"element '{shorten(self.element_id)}'{place}: {self.reason}"
        return f"the model{place}: {self.reason}"


class InvalidModel(ValueError):  # noqa: N818 - what it says about the model, in the words of the domain
    """The resource is no model that can run. `problems` holds every reason, at most `PROBLEMS_MAX`."""

    def __init__(self, problems: tuple[Problem, ...], further: int = 0) -> None:
        super().__init__(problems, further)
        self.problems = problems
        self.further = further
        """Problems beyond `PROBLEMS_MAX`."""

    @classmethod
    def of(cls, reason: str, line: int = 0) -> "InvalidModel":
        """Return the refusal of a whole resource."""
        return cls((Problem("", line, reason),))

    def __str__(self) -> str:
        sentences = [str(problem) for problem in self.problems]
        if self.further:
            sentences.append(f"and {self.further} further problems")
        return "\n".join(sentences)


class Problems:
    """Gathers the problems of one resource."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._further = 0

    def add(self, element_id: str, line: int, reason: str) -> None:
        """Note a problem; the same one twice counts once."""
        if len(self._found) >= PROBLEMS_MAX:
            self._further += 1
            return
        self._found.setdefault(
            Problem(shorten(element_id, REASON_LENGTH_MAX), line, shorten(reason, REASON_LENGTH_MAX))
        )

    def refuse(self) -> None:
        """Raise `InvalidModel` if there is any problem."""
        if self._found:
            raise InvalidModel(tuple(sorted(self._found, key=lambda problem: problem.line)), self._further)


def shorten(text: str, length: int = SHOWN_LENGTH_MAX) -> str:
    """Return `text`, cut off after `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"
