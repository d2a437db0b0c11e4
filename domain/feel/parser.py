"""Tokens to a tree: a Pratt parser that knows the names in sight, so that names may hold blanks and operators.

It knows nothing of values; literals are the only values it makes.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal

from domain.feel import syntax
from domain.feel.cursor import MARKS, Cursor
from domain.feel.lexer import END, KEYWORD, NAME, NUMBER, OPERATOR, QUOTED, STRING, Token
from domain.feel.limits import FeelSyntaxError
from domain.feel.names import Names, spelled
from domain.feel.numbers import number_literal
from domain.feel.temporal import parse_temporal

OR, AND, COMPARE, ADD, MULTIPLY, POWER = range(1, 7)
_PRECEDENCE = {
    "or": OR,
    "and": AND,
    "=": COMPARE,
    "!=": COMPARE,
    "<": COMPARE,
    "<=": COMPARE,
    ">": COMPARE,
    ">=": COMPARE,
    "between": COMPARE,
    "in": COMPARE,
    "instance": COMPARE,
    "+": ADD,
    "-": ADD,
    "*": MULTIPLY,
    "/": MULTIPLY,
    "**": POWER,
    "^": POWER,
}
_COMPARISONS = frozenset(("=", "!=", "<", "<=", ">", ">="))
_CHAINS = {ADD: frozenset("+-"), MULTIPLY: frozenset("*/"), POWER: frozenset(("**", "^"))}
_CONSTANTS = {"true": True, "false": False, "null": None}
_CLOSERS = frozenset(
    (")", "]", "}", ",", ":", ".", *_COMPARISONS, "and", "or", "then", "else", "return", "satisfies", "in")
)
_LEADING_OPERATORS = _COMPARISONS
_FUNCTION_KEYWORDS = frozenset(("not", "and", "or"))


class Parser(Cursor):
    """One text, read once. `names` are the variables in sight."""

    def __init__(self, source: str, names: Iterable[str]) -> None:
        super().__init__(source)
        self.closing = False  # reading the upper end of a range, where `[` may be the bracket that closes it
        self.names = Names(names)

    def expression_only(self) -> syntax.Node:
        """The whole text as one expression."""
        node = self.expression()
        self.end()
        return node

    def tests_only(self) -> syntax.Tests:
        """The whole text as unary tests."""
        start = self.token.start
        if self.token.text == "-" and self.tokens[1].kind == END:
            return syntax.Tests(start, (), negated=False)
        if self.token.text == "not" and self.tokens[1].text == "(":
            negated = self.negated_tests()
            if negated is not None:
                return negated
        tests = self.test_list()
        self.end()
        return syntax.Tests(start, tests, negated=False)

    def negated_tests(self) -> syntax.Tests | None:
        """`not(…)` around the whole text, or nothing when more follows: then it is the function."""
        self.jump(2)
        try:
            tests = self.test_list()
            self.expect(")")
        except FeelSyntaxError:
            tests = ()
        if tests and self.token.kind == END:
            return syntax.Tests(0, tests, negated=True)
        self.jump(0)
        return None

    def test_list(self) -> tuple[syntax.Node, ...]:
        tests = [self.test()]
        while self.accept(","):
            tests.append(self.test())
        return tuple(tests)

    def test(self) -> syntax.Node:
        token = self.token
        if token.kind == OPERATOR and token.text in _LEADING_OPERATORS:
            self.advance()
            return syntax.Test(token.start, token.text, self.binary(ADD))
        return self.expression()

    # -- expressions -------------------------------------------------------------------------------------------------

    def expression(self) -> syntax.Node:
        """Any expression. The only recursion of the parser goes through here, `unary` and `climb`, and is counted."""
        self.deeper()
        token = self.token
        if token.kind == KEYWORD and token.text in _STATEMENTS and not self.calls_keyword():
            node = _STATEMENTS[token.text](self)
        else:
            node = self.climb(self.unary(), OR)
        self.level -= 1
        return node

    def calls_keyword(self) -> bool:
        return False if self.token.text not in _FUNCTION_KEYWORDS else self.tokens[self.position + 1].text == "("

    def binary(self, least: int) -> syntax.Node:
        self.deeper()
        node = self.climb(self.unary(), least)
        self.level -= 1
        return node

    def climb(self, left: syntax.Node, least: int) -> syntax.Node:
        """Go on from a left operand while operators bind at least as tightly as asked."""
        while True:
            token = self.token
            kind = token.kind
            if kind not in MARKS:
                return left
            precedence = _PRECEDENCE.get(token.text)
            if precedence is None or precedence < least:
                return left
            if precedence == COMPARE:
                left = self.comparison(left, token)
            elif precedence > COMPARE:
                left = self.chain(left, precedence)
            else:
                operator = token.text
                operands = [left]
                while self.accept(operator):
                    operands.append(self.binary(precedence + 1))
                left = syntax.Junction(left.start, operator, tuple(operands))

    def chain(self, first: syntax.Node, precedence: int) -> syntax.Node:
        operators = _CHAINS[precedence]
        rest: list[tuple[str, syntax.Node]] = []
        while self.token.kind == OPERATOR and self.token.text in operators:
            operator = self.token.text
            self.advance()
            rest.append(("**" if operator == "^" else operator, self.binary(precedence + 1)))
        return syntax.Arithmetic(first.start, first, tuple(rest))

    def comparison(self, left: syntax.Node, token: Token) -> syntax.Node:
        self.advance()
        operator = token.text
        if operator == "between":
            low = self.binary(ADD)
            self.expect("and")
            return syntax.Between(left.start, left, low, self.binary(ADD))
        if operator == "in":
            return syntax.Within(left.start, left, self.in_tests())
        if operator == "instance":
            if self.token.text != "of":
                self.refuse("'of' after 'instance'")
            self.advance()
            return syntax.InstanceOf(left.start, left, self.type_name())
        return syntax.Comparison(left.start, operator, left, self.binary(ADD))

    def in_tests(self) -> tuple[syntax.Node, ...]:
        """What follows `in`: one test, or several in parentheses."""
        token = self.token
        if token.text == "?" and token.kind == NAME:
            return (self.binary(COMPARE),)
        if token.kind == OPERATOR and token.text in _LEADING_OPERATORS:
            return (self.test(),)
        if not (token.kind == OPERATOR and token.text == "("):
            return (self.binary(ADD),)
        opened = self.open()
        tests = [self.test()]
        if self.accept(".."):
            return (self.climb(self.postfix(self.range_end(token.start, tests[0], included=False)), ADD),)
        while self.accept(","):
            tests.append(self.test())
        self.close(")", opened)
        if len(tests) == 1 and not isinstance(tests[0], syntax.Test):
            return (self.climb(self.postfix(tests[0]), ADD),)
        return tuple(tests)

    def unary(self) -> syntax.Node:
        token = self.token
        if token.kind == OPERATOR and token.text == "-":
            self.advance()
            self.deeper()
            operand = self.unary()
            self.level -= 1
            if isinstance(operand, syntax.Literal) and operand.value.__class__ in (int, Decimal):
                return syntax.Literal(token.start, -operand.value)
            return syntax.Negation(token.start, operand)
        return self.postfix(self.primary(token))

    def postfix(self, node: syntax.Node) -> syntax.Node:
        """Paths, filters and calls behind a value."""
        levels = 0
        while self.token.kind == OPERATOR:
            text = self.token.text
            if text == ".":
                self.advance()
                node = syntax.Path(node.start, node, self.segment())
            elif text == "[" and not (self.closing and self.closes_range()):
                node = self.filter(node)
            elif text == "(":
                node = self.call(node)
            else:
                break
            self.deeper()
            levels += 1
        self.level -= levels
        return node

    def closes_range(self) -> bool:
        following = self.tokens[self.position + 1]
        return following.kind == END or (following.kind in (OPERATOR, KEYWORD) and following.text in _CLOSERS)

    def open(self) -> bool:
        """Step over an opening bracket. Returns what `close` needs."""
        closing = self.closing
        self.closing = False
        self.advance()
        return closing

    def close(self, bracket: str, opened: bool) -> None:
        self.expect(bracket)
        self.closing = opened

    def filter(self, value: syntax.Node) -> syntax.Node:
        opened = self.open()
        with self.names.inside_filter():
            condition = self.expression()
        self.close("]", opened)
        return syntax.Filter(value.start, value, condition)

    def call(self, function: syntax.Node) -> syntax.Node:
        opened = self.open()
        names: list[str] = []
        arguments: list[syntax.Node] = []
        if not self.sees(")"):
            named = self.argument_name() is not None
            while True:
                if named:
                    name = self.argument_name()
                    if name is None:
                        self.refuse("the name of an argument")
                    names.append(name[0])
                    self.jump(name[1])
                arguments.append(self.expression())
                if not self.accept(","):
                    break
        self.close(")", opened)
        bound = isinstance(function, syntax.Name) and function.name in self.names
        return syntax.Call(function.start, function, tuple(arguments), tuple(names), bound)

    def argument_name(self) -> tuple[str, int] | None:
        """The name before a colon and the position behind it, when an argument begins that way."""
        at = self.position
        tokens = self.tokens
        while tokens[at].kind in (NAME, QUOTED, KEYWORD):
            at += 1
        if at == self.position or tokens[at].text != ":" or tokens[at].kind != OPERATOR:
            return None
        return spelled(self.source, tokens[self.position : at]), at + 1

    def segment(self) -> str:
        """A name behind a dot."""
        token = self.token
        if token.kind == QUOTED:
            self.advance()
            return token.text
        if token.kind != NAME:
            self.refuse("a name after '.'")
        found = self.names.segment(self.tokens, self.position)
        if found is not None:
            self.jump(self.position + found[1])
            return found[0]
        self.advance()
        return token.text

    # -- primaries ---------------------------------------------------------------------------------------------------

    def primary(self, token: Token) -> syntax.Node:
        kind = token.kind
        if kind == NAME:
            return self.name(token)
        if kind == NUMBER:
            self.advance()
            return syntax.Literal(token.start, number_literal(token.text))
        if kind == STRING:
            self.advance()
            return syntax.Literal(token.start, token.text)
        if kind == QUOTED:
            self.advance()
            return syntax.Name(token.start, token.text)
        if kind == OPERATOR:
            return self.bracket(token)
        if kind == KEYWORD:
            return self.keyword(token)
        return self.refuse("an expression")

    def keyword(self, token: Token) -> syntax.Node:
        text = token.text
        known = self.names.variable(self.tokens, self.position)
        if known is not None:
            self.jump(self.position + known[1])
            return syntax.Name(token.start, known[0])
        if text in _CONSTANTS:
            self.advance()
            return syntax.Literal(token.start, _CONSTANTS[text])
        if self.calls_keyword():
            self.advance()
            return syntax.Name(token.start, text)
        if text in _STATEMENTS:
            return _STATEMENTS[text](self)
        return self.refuse("an expression")

    def name(self, token: Token) -> syntax.Node:
        known = self.names.variable(self.tokens, self.position)
        if known is not None:
            self.jump(self.position + known[1])
            return syntax.Name(token.start, known[0])
        self.advance()
        if token.text == "?":
            return syntax.Input(token.start)
        return syntax.Name(token.start, token.text)

    def bracket(self, token: Token) -> syntax.Node:
        text = token.text
        if text == "(":
            return self.parenthesis(token)
        if text == "[":
            return self.list_or_range(token)
        if text == "{":
            return self.context(token)
        if text == "]":
            opened = self.open()
            low = self.expression()
            self.closing = opened
            self.expect("..")
            return self.range_end(token.start, low, included=False)
        if text == "@":
            self.advance()
            if self.token.kind != STRING:
                self.refuse("a string after '@'")
            value = parse_temporal(self.token.text)
            self.advance()
            return syntax.Literal(token.start, value)
        return self.refuse("an expression")

    def parenthesis(self, token: Token) -> syntax.Node:
        opened = self.open()
        following = self.token
        if following.kind == OPERATOR and following.text in _LEADING_OPERATORS:
            test = self.test()
            self.close(")", opened)
            assert isinstance(test, syntax.Test)
            return _either_side(test) if test.operator == "!=" else _open_range(test)
        node = self.expression()
        if self.accept(".."):
            self.closing = opened
            return self.range_end(token.start, node, included=False)
        self.close(")", opened)
        return node

    def list_or_range(self, token: Token) -> syntax.Node:
        opened = self.open()
        items: list[syntax.Node] = []
        if not self.sees("]"):
            items.append(self.item())
            if self.accept(".."):
                self.closing = opened
                return self.range_end(token.start, items[0], included=True)
            while self.accept(","):
                items.append(self.item())
        self.close("]", opened)
        return syntax.ListLiteral(token.start, tuple(items))

    def item(self) -> syntax.Node:
        """An item of a list: an expression, or a test such as `< 5`, which stands for the range."""
        node = self.test()
        if isinstance(node, syntax.Test):
            if node.operator == "!=":
                self.refuse("an expression")
            return _open_range(node)
        return node

    def range_end(self, start: int, low: syntax.Node, *, included: bool) -> syntax.Node:
        """The upper end of a range and its closing bracket, which may be `]`, `)` or `[`."""
        opened = self.closing
        self.closing = True
        high = self.binary(ADD)
        self.closing = opened
        closed = self.token
        if closed.kind != OPERATOR or closed.text not in ("]", ")", "["):
            self.refuse("']', ')' or '[' at the end of the range")
        self.advance()
        return syntax.RangeLiteral(start, low, high, included, closed.text == "]")

    def context(self, token: Token) -> syntax.Node:
        opened = self.open()
        entries: list[tuple[str, syntax.Node]] = []
        with self.names.scope():
            if not self.sees("}"):
                while True:
                    name = self.key()
                    self.expect(":")
                    entries.append((name, self.expression()))
                    self.names.add(name)
                    if not self.accept(","):
                        break
        self.close("}", opened)
        return syntax.ContextLiteral(token.start, tuple(entries))

    def key(self) -> str:
        token = self.token
        if token.kind in (STRING, QUOTED):
            self.advance()
            return token.text
        return self.new_name((":",))

    def new_name(self, stops: tuple[str, ...]) -> str:
        """A name that is being introduced: everything up to one of `stops`."""
        first = self.position
        if self.token.kind == QUOTED:
            self.advance()
            return self.tokens[first].text
        if self.token.kind != NAME:
            self.refuse("a name")
        self.advance()
        while self.token.text not in stops and (
            self.token.kind in (NAME, NUMBER, KEYWORD) or self.token.text in ("+", "-", "*", "/", "**", ".", "'")
        ):
            self.advance()
        if self.token.text not in stops:
            self.refuse(" or ".join(f"'{stop}'" for stop in stops))
        return spelled(self.source, self.tokens[first : self.position])

    # -- statements --------------------------------------------------------------------------------------------------

    def conditional(self) -> syntax.Node:
        start = self.token.start
        cases: list[tuple[syntax.Node, syntax.Node]] = []
        while self.accept("if"):
            condition = self.expression()
            self.expect("then")
            cases.append((condition, self.expression()))
            self.expect("else")
        return syntax.If(start, tuple(cases), self.expression())

    def loop(self) -> syntax.Node:
        start = self.token.start
        self.advance()
        with self.names.scope():
            iterators = self.iterators("return")
            self.names.add("partial")
            return syntax.For(start, iterators, self.expression())

    def quantified(self) -> syntax.Node:
        token = self.token
        self.advance()
        with self.names.scope():
            return syntax.Quantified(token.start, token.text, self.iterators("satisfies"), self.expression())

    def iterators(self, stop: str) -> tuple[syntax.Iterator, ...]:
        found: list[syntax.Iterator] = []
        while True:
            start = self.token.start
            name = self.new_name(("in",))
            self.expect("in")
            source = self.expression()
            end = self.binary(ADD) if self.accept("..") else None
            found.append(syntax.Iterator(start, name, source, end))
            self.names.add(name)
            if not self.accept(","):
                break
        self.expect(stop)
        return tuple(found)

    def function(self) -> syntax.Node:
        start = self.token.start
        self.advance()
        if not self.sees("("):
            self.refuse("'(' after 'function'")
        opened = self.open()
        parameters: list[str] = []
        types: list[syntax.TypeName | None] = []
        while not self.sees(")"):
            if parameters:
                self.expect(",")
            parameters.append(self.new_name((",", ")", ":")))
            types.append(self.type_name() if self.accept(":") else None)
        self.close(")", opened)
        with self.names.scope():
            for parameter in parameters:
                self.names.add(parameter)
            body = self.function_body()
        return syntax.FunctionDefinition(start, tuple(parameters), tuple(types), body)

    def function_body(self) -> syntax.Node | None:
        if self.token.text == "external" and self.tokens[self.position + 1].text == "{":
            self.advance()
            self.expression()
            return None
        return self.expression()

    def type_name(self) -> syntax.TypeName:
        self.deeper()
        start = self.token.start
        name = self.plain_type()
        arguments: list[syntax.TypeName] | None = None
        names: list[str] = []
        if self.accept("<"):
            arguments = []
            while not self.accept(">"):
                if arguments:
                    self.expect(",")
                if name == "context":
                    names.append(self.new_name((":",)))
                    self.expect(":")
                arguments.append(self.type_name())
            if name == "function" and self.accept("->"):
                arguments.append(self.type_name())
        self.level -= 1
        return syntax.TypeName(start, name, None if arguments is None else tuple(arguments), tuple(names))

    def plain_type(self) -> str:
        token = self.token
        if token.kind == KEYWORD and token.text in ("function", "null"):
            self.advance()
            return token.text
        if token.kind == QUOTED:
            self.advance()
            return token.text
        if token.kind != NAME:
            self.refuse("the name of a type")
        known = self.names.type(self.tokens, self.position)
        if known is not None:
            self.jump(self.position + known[1])
            return known[0]
        self.advance()
        name = token.text
        while self.token.text == "." and self.tokens[self.position + 1].kind == NAME:
            name += "." + self.tokens[self.position + 1].text
            self.jump(self.position + 2)
        return name


_STATEMENTS: dict[str, Callable[[Parser], syntax.Node]] = {
    "if": Parser.conditional,
    "for": Parser.loop,
    "some": Parser.quantified,
    "every": Parser.quantified,
    "function": Parser.function,
}


def _open_range(test: syntax.Test) -> syntax.RangeLiteral:
    """`(< 10)` as a range without a lower end, and so on."""
    none = syntax.Literal(test.start, None)
    operator = test.operator
    if operator == "=":
        return syntax.RangeLiteral(test.start, test.operand, test.operand, True, True)
    if operator.startswith("<"):
        return syntax.RangeLiteral(test.start, none, test.operand, False, operator == "<=", True)
    return syntax.RangeLiteral(test.start, test.operand, none, operator == ">=", False, True)


def _either_side(test: syntax.Test) -> syntax.ListLiteral:
    """`(!= 10)` as what lies below and what lies above."""
    sides = (syntax.Test(test.start, operator, test.operand) for operator in ("<", ">"))
    return syntax.ListLiteral(test.start, tuple(_open_range(side) for side in sides))


def parse_expression(source: str, names: Iterable[str] = ()) -> syntax.Node:
    """The tree of an expression. Raises FeelSyntaxError."""
    return Parser(source, names).expression_only()


def parse_unary_tests(source: str, names: Iterable[str] = ()) -> syntax.Tests:
    """The tree of unary tests. Raises FeelSyntaxError."""
    return Parser(source, names).tests_only()
