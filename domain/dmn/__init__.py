"""DMN, the language of decision models: compiled once at deployment, evaluated without clock or I/O."""

from domain.dmn.evaluate import Evaluation, evaluate
from domain.dmn.model import Decided, Decision, DecisionModel
from domain.dmn.read import namespaces, read_model

__all__ = ["Decided", "Decision", "DecisionModel", "Evaluation", "evaluate", "namespaces", "read_model"]
