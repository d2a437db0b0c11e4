"""Random processes of all supported kinds, nested, as BPMN XML: whatever they are, they can always be finished."""

from random import Random

from tests.support.bpmn import NAMESPACES

DEPTH_MAX = 3


class Writer:
    """Writes one random process; every block has one way in and one way out."""

    def __init__(self, random: Random, process_id: str, children: tuple[str, ...]) -> None:
        self.random = random
        self.process_id = process_id
        self.children = children
        self.roots: dict[str, str] = {}
        self.count = 0

    def xml(self) -> bytes:
        """Return the whole file."""
        body = self.scope(0)
        return (
            f"<definitions {NAMESPACES}>{''.join(self.roots.values())}"
            f'<process id="{self.process_id}" isExecutable="true">{body}</process></definitions>'
        ).encode()

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def scope(self, depth: int) -> str:
        start, end = self.name("start"), self.name("end")
        body, first, last = self.sequence(depth)
        tail = self.random.choice(["", "", "", "<terminateEventDefinition/>"])
        return (
            f'<startEvent id="{start}"/>{self.flow(start, first)}{body}{self.flow(last, end)}'
            f'<endEvent id="{end}">{tail}</endEvent>'
        )

    def sequence(self, depth: int) -> tuple[str, str, str]:
        xml, first, last = "", "", ""
        for _ in range(self.random.randint(1, 3 if depth else 4)):
            part, into, out = self.block(depth)
            xml += part + (self.flow(last, into) if last else "")
            first, last = first or into, out
        return xml, first, last

    def block(self, depth: int) -> tuple[str, str, str]:
        simple = [self.job, self.user, self.script, self.catch, self.receive, self.passing, self.many, self.race]
        nested = [self.split, self.split, self.sub, self.boundary, self.many_sub, self.call]
        return self.random.choice(simple if depth >= DEPTH_MAX else simple + nested)(depth)

    def flow(self, source: str, target: str, condition: str = "", name: str = "") -> str:
        inside = f"<conditionExpression>{condition}</conditionExpression>" if condition else ""
        flow = name or self.name("f")
        return f'<sequenceFlow id="{flow}" sourceRef="{source}" targetRef="{target}">{inside}</sequenceFlow>'

    def node(self, tag: str, inside: str = "", attributes: str = "") -> tuple[str, str, str]:
        name = self.name("n")
        return f'<{tag} id="{name}"{attributes}>{inside}</{tag}>', name, name

    def extensions(self, inside: str) -> str:
        mapping = '<zeebe:ioMapping><zeebe:input source="=n" target="local"/><zeebe:output source="=local" target="n"/></zeebe:ioMapping>'
        return f"<extensionElements>{inside}{self.random.choice(['', '', mapping])}</extensionElements>"

    def job(self, depth: int) -> tuple[str, str, str]:
        return self.node("serviceTask", self.extensions('<zeebe:taskDefinition type="work"/>'))

    def user(self, depth: int) -> tuple[str, str, str]:
        return self.node("userTask", self.extensions(self.random.choice(["<zeebe:userTask/>", ""])))

    def script(self, depth: int) -> tuple[str, str, str]:
        return self.node(
            "scriptTask",
            self.extensions('<zeebe:script expression="=if n = null then 1 else n + 1" resultVariable="n"/>'),
        )

    def passing(self, depth: int) -> tuple[str, str, str]:
        return self.node(self.random.choice(["task", "manualTask", "intermediateThrowEvent"]))

    def event(self) -> str:
        kind = self.random.choice(["message", "timer", "signal"])
        if kind == "timer":
            return "<timerEventDefinition><timeDuration>PT5S</timeDuration></timerEventDefinition>"
        return f'<{kind}EventDefinition {kind}Ref="{self.root(kind)}"/>'

    def root(self, kind: str) -> str:
        name = self.name(kind)
        key = (
            '<extensionElements><zeebe:subscription correlationKey="=key"/></extensionElements>'
            if kind == "message"
            else ""
        )
        attribute = f'errorCode="{name}"' if kind == "error" else f'name="{name}"'
        self.roots[name] = f'<{kind} id="{name}" {attribute}>{key}</{kind}>'
        return name

    def catch(self, depth: int) -> tuple[str, str, str]:
        return self.node("intermediateCatchEvent", self.event())

    def receive(self, depth: int) -> tuple[str, str, str]:
        return self.node("receiveTask", attributes=f' messageRef="{self.root("message")}"')

    def loop(self) -> str:
        sequential = self.random.choice(["true", "false"])
        condition = self.random.choice(
            ["", "<completionCondition>=numberOfCompletedInstances &gt;= 2</completionCondition>"]
        )
        return (
            f'<multiInstanceLoopCharacteristics isSequential="{sequential}"><extensionElements>'
            '<zeebe:loopCharacteristics inputCollection="=items" inputElement="item" outputCollection="out"'
            f' outputElement="=item"/></extensionElements>{condition}</multiInstanceLoopCharacteristics>'
        )

    def many(self, depth: int) -> tuple[str, str, str]:
        work = '<extensionElements><zeebe:taskDefinition type="work"/></extensionElements>'
        return self.node("serviceTask", work + self.loop())

    def many_sub(self, depth: int) -> tuple[str, str, str]:
        return self.node("subProcess", self.loop() + self.scope(depth + 1))

    def sub(self, depth: int) -> tuple[str, str, str]:
        return self.node("subProcess", self.scope(depth + 1))

    def call(self, depth: int) -> tuple[str, str, str]:
        if not self.children:
            return self.job(depth)
        child = self.random.choice(self.children)
        return self.node(
            "callActivity", f'<extensionElements><zeebe:calledElement processId="{child}"/></extensionElements>'
        )

    def split(self, depth: int) -> tuple[str, str, str]:
        kind = self.random.choice(["parallelGateway", "exclusiveGateway", "inclusiveGateway"])
        fork, join, default = self.name("fork"), self.name("join"), self.name("f")
        xml = ""
        for branch in range(self.random.randint(2, 3)):
            body, first, last = self.sequence(depth + 1)
            if kind == "parallelGateway":
                into = self.flow(fork, first)
            elif branch == 0:
                into = self.flow(fork, first, name=default)
            else:
                into = self.flow(fork, first, f"=is defined(n) and n &gt; {branch}")
            xml += into + body + self.flow(last, join)
        chosen = "" if kind == "parallelGateway" else f' default="{default}"'
        return f'<{kind} id="{fork}"{chosen}/>{xml}<{kind} id="{join}"/>', fork, join

    def race(self, depth: int) -> tuple[str, str, str]:
        gate, join = self.name("gate"), self.name("join")
        xml = f'<eventBasedGateway id="{gate}"/><exclusiveGateway id="{join}"/>'
        for _ in range(2):
            part, name, _ = self.catch(depth)
            xml += part + self.flow(gate, name) + self.flow(name, join)
        return xml, gate, join

    def boundary(self, depth: int) -> tuple[str, str, str]:
        """An activity with a boundary event whose path joins the main one."""
        part, into, out = self.random.choice([self.job, self.user, self.sub, self.many_sub, self.call])(depth)
        join, event, after = self.name("join"), self.name("b"), self.name("n")
        error = self.random.random() < 0.3
        definition = f'<errorEventDefinition errorRef="{self.root("error")}"/>' if error else self.event()
        if error and self.random.choice([True, False]):
            definition = "<errorEventDefinition/>"
        cancel = "true" if error else self.random.choice(["true", "false"])
        xml = (
            f'{part}<exclusiveGateway id="{join}"/>{self.flow(out, join)}'
            f'<boundaryEvent id="{event}" attachedToRef="{into}" cancelActivity="{cancel}">{definition}</boundaryEvent>'
            f'<task id="{after}"/>{self.flow(event, after)}{self.flow(after, join)}'
        )
        return xml, into, join


def random_processes(random: Random) -> list[tuple[str, bytes]]:
    """Return (process id, XML) of a main process and, sometimes, one that it calls."""
    children: list[tuple[str, bytes]] = []
    if random.random() < 0.4:
        children.append(("child", Writer(random, "child", ()).xml()))
    main = Writer(random, "main", tuple(name for name, _ in children)).xml()
    return [*children, ("main", main)]
