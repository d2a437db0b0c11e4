"""The load: orders that come in, workers, a person, and messages, all of them clients that go on whatever dies.

Half of the requests carry an Idempotency-Key and are sent again until they are answered. It notes what it was told; what
that proves is not its affair.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, Final, TypeAlias

from infra.chaos.client import Answer, Client
from infra.chaos.ledger import Ledger, Order, Wanted, creation_of, payment_of
from infra.chaos.model import CHAOS, CHAOS_CHILD, JOB_TYPES, MESSAGE, ORDER, ROOT

CREATORS: Final = 6
WORKERS_PER_TYPE: Final = 2
PERSONS: Final = 3
OPEN_MAX: Final = 60
"""Orders that are under way; past it none comes in. The machine has other work, and verifying takes time per event."""
RETRY_SECONDS: Final = 0.05
"""A client whose server is gone looks again so soon."""
LEASE_MILLISECONDS: Final = 3_000
"""Jobs whose worker never got the answer are offered again after that; the end of the run has to wait for it."""
POLL_MILLISECONDS: Final = 1_000
JOBS_PER_POLL: Final = 8
TASKS_PER_LOOK: Final = 30
TIME_TO_LIVE_MILLISECONDS: Final = 3_600_000
"""Messages outlive the run."""
READ_SHARE: Final = 0.3
"""Of created instances: so many are looked up at once."""
AGAIN_SHARE: Final = 0.2
"""Of answered requests with a key: so many are sent once more all the same."""

Caller: TypeAlias = "Callable[[Load], Coroutine[Any, Any, None]]"
"""Brings the load's orders in by another way, until there is none."""


class Load:
    """One per run."""

    def __init__(self, ports: Sequence[int], seed: int, name: str, ledger: Ledger) -> None:
        self._ports = ports
        self._seed = seed
        self._name = name
        """Begins the ids of all that this run sends."""
        self._ledger = ledger
        self._numbers = 0
        self._acknowledged = 0
        self._closing = False
        self._changed = asyncio.Event()
        self._creators: list[asyncio.Task[None]] = []
        self._others: list[asyncio.Task[None]] = []
        self._job_tries: Counter[str] = Counter()
        """Of a job: how often it was handed to a worker here, and how often its completion stayed without an answer."""
        self._task_doubts: Counter[str] = Counter()
        self._jobs_done: set[str] = set()
        self._tasks_done: set[str] = set()

    async def deploy(self) -> None:
        """Deploy the processes, while all is well still."""
        boundary = "chaos-boundary"
        parts = b"".join(
            f'--{boundary}\r\ncontent-disposition: form-data; name="resources"; filename="{name}.bpmn"\r\n\r\n'.encode()
            + content
            + b"\r\n"
            for name, content in ((ROOT, CHAOS), ("child", CHAOS_CHILD))
        )
        client = Client(self._ports)
        body = parts + f"--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        answer = await client.send("POST", "/v2/deployments", body, content_type=kind)
        client.close()
        assert answer.kind == "answered", f"the processes cannot be deployed: {answer.body}"

    def start(self, others: Sequence[Caller] = ()) -> None:
        """Begin; `others` bring orders in as well."""
        self._creators = [_task(self._create(), "creator") for _ in range(CREATORS)]
        self._creators += [_task(other(self), "other creator") for other in others]
        for number in range(WORKERS_PER_TYPE):
            self._others += [_task(self._work(job_type, f"worker-{number}"), "worker") for job_type in JOB_TYPES]
        self._others.append(_task(self._approve(), "person"))

    async def finish_creating(self) -> None:
        """Let no further order come in; return when the last one is in and has its message."""
        self._closing = True
        self._move()
        await asyncio.gather(*self._creators)

    async def stop(self) -> None:
        """End everything."""
        for task in (*self._creators, *self._others):
            task.cancel()
        await asyncio.gather(*self._creators, *self._others, return_exceptions=True)

    async def moved(self, seconds: float) -> None:
        """Return when anything was told, or after so many seconds. Raise what broke in the load itself."""
        for task in (*self._creators, *self._others):
            if task.done() and not task.cancelled():
                task.result()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()

    def _move(self) -> None:
        self._changed.set()

    async def _ask(
        self, client: Client, wanted: Wanted, path: str, body: Any, *, key: str | None = None, again: bool = True
    ) -> Answer:
        """Send a command; with `again` until it is answered or refused."""
        while True:
            answer = await client.post(path, body, key)
            if answer.kind != "in doubt":
                break
            self._ledger.in_doubt[wanted] += 1
            if not again:
                return answer
            await asyncio.sleep(RETRY_SECONDS)
        self._look_at(answer, path)
        self._move()
        return answer

    def _look_at(self, answer: Answer, path: str) -> None:
        if answer.kind == "refused" and answer.status not in (404, 409):
            self._ledger.surprise(f"expected {path} to be answered, but got {answer.status}: {answer.body}")

    # --- orders --------------------------------------------------------------------------------------------------------

    async def next_order(self) -> tuple[Order, Random] | None:
        """Return an order to bring in, and its own chance, as soon as there is room for it; None if there is none any more."""
        while not self._closing:
            if self._acknowledged - self._ledger.done < OPEN_MAX:
                self._numbers += 1
                order = Order(f"{self._name}-{self._numbers}")
                self._ledger.orders[order.name] = order
                # Chance by order, so that a seed asks for the same whatever the timing.
                return order, Random(f"{self._seed}-{self._numbers}")  # noqa: S311  # chance, not secrets
            await asyncio.sleep(RETRY_SECONDS)
        return None

    def sent(self, order: Order) -> None:
        """Note that a broker has the order's commands, each under an id of its own: nobody will answer them."""
        order.by_topic = order.keyed = order.published_once = True
        self._acknowledged += 1

    async def _create(self) -> None:
        client = Client(self._ports)
        while (found := await self.next_order()) is not None:
            order, random = found
            steps = [self._start_order, self._pay]
            random.shuffle(steps)
            for step in steps:
                await step(client, order, random)
        client.close()

    async def _start_order(self, client: Client, order: Order, random: Random) -> None:
        order.keyed = random.random() < 0.5
        key = creation_of(order.name) if order.keyed else None
        body = {"processDefinitionId": ROOT, "variables": {ORDER: order.name}}
        for _ in range(2 if order.keyed and random.random() < AGAIN_SHARE else 1):
            order.creations += 1
            answer = await self._ask(
                client, "create-instance", "/v2/process-instances", body, key=key, again=order.keyed
            )
            if answer.kind == "in doubt":
                return
            if answer.kind == "refused":
                self._ledger.surprise(f"expected {order.name} to be created, but got {answer.status}: {answer.body}")
                return
            instance = str(answer.body["processInstanceKey"])
            self._acknowledged += instance not in order.instances
            order.instances.add(instance)
            self._ledger.tell("create-instance", key, answer.place, instance, refused=False)
            if answer.place is not None and random.random() < READ_SHARE:
                await self._read(client, instance, answer.place)

    async def _read(self, client: Client, instance: str, place: tuple[int, int]) -> None:
        path = f"/v2/process-instances/{instance}?after={place[0]}-{place[1]}"
        answer = await client.get(path)
        if answer.kind == "refused":
            self._ledger.surprise(f"expected {path}, acknowledged, to be there, but got {answer.status}: {answer.body}")

    async def _pay(self, client: Client, order: Order, random: Random) -> None:
        way = random.choice(("key", "message id", "bare"))
        order.published_once = way != "bare"
        key = payment_of(order.name) if way == "key" else None
        body = {"name": MESSAGE, "correlationKey": order.name, "timeToLive": TIME_TO_LIVE_MILLISECONDS}
        if way == "message id":
            body["messageId"] = "once"
        doubts = 0
        while True:
            order.publications += 1
            answer = await self._ask(client, "publish-message", "/v2/messages/publication", body, key=key, again=False)
            if answer.kind != "in doubt":
                break
            doubts += 1
            await asyncio.sleep(RETRY_SECONDS)
        refused = answer.kind == "refused"
        if refused and (way != "message id" or not doubts):
            self._ledger.surprise(f"expected {order.name} to be paid by {way}, but got {answer.status}: {answer.body}")
        subject = order.name if refused else str(answer.body["messageKey"])
        self._ledger.tell("publish-message", key, answer.place, subject, refused=refused)

    # --- jobs ----------------------------------------------------------------------------------------------------------

    async def _work(self, job_type: str, worker: str) -> None:
        client = Client(self._ports)
        wanted = {
            "type": job_type,
            "worker": f"{self._name}-{worker}",
            "timeout": LEASE_MILLISECONDS,
            "maxJobsToActivate": JOBS_PER_POLL,
            "requestTimeout": POLL_MILLISECONDS,
        }
        while True:
            answer = await client.post("/v2/jobs/activation", wanted)
            self._look_at(answer, "/v2/jobs/activation")
            if answer.kind != "answered":
                await asyncio.sleep(RETRY_SECONDS)
                continue
            for job in answer.body["jobs"]:
                self._ledger.handed_out.add(int(job["jobKey"]))
                await self._complete(client, str(job["jobKey"]), job_type)

    async def _complete(self, client: Client, job: str, job_type: str) -> None:
        self._job_tries[job] += 1
        key = f"{self._name}-complete-{job}" if int(job) // 3 % 2 else None
        doubts = 0
        while True:
            answer = await self._ask(
                client, "complete-job", f"/v2/jobs/{job}/completion", {"variables": {}}, key=key, again=False
            )
            if answer.kind != "in doubt":
                break
            doubts += 1
            await asyncio.sleep(RETRY_SECONDS)
        self._job_tries[job] += doubts
        refused = answer.kind == "refused"
        if refused and (key is not None or self._job_tries[job] == 1):
            self._ledger.surprise(
                f"expected job {job}, held by its worker, to be completed, but got {answer.status}: {answer.body}"
            )
        self._ledger.tell("complete-job", key, answer.place, job, refused=refused)
        if job not in self._jobs_done:
            self._jobs_done.add(job)
            self._ledger.done += job_type == JOB_TYPES[-1]

    # --- the person ----------------------------------------------------------------------------------------------------

    async def _approve(self) -> None:
        clients = [Client(self._ports) for _ in range(PERSONS)]
        look = {"filter": {"state": "CREATED"}, "page": {"limit": TASKS_PER_LOOK}}
        while True:
            answer = await clients[0].post("/v2/user-tasks/search", look)
            self._look_at(answer, "/v2/user-tasks/search")
            tasks = [str(item["userTaskKey"]) for item in answer.body["items"]] if answer.kind == "answered" else []
            if tasks:
                shares = [tasks[number::PERSONS] for number in range(PERSONS)]
                await asyncio.gather(*map(self._complete_tasks, clients, shares))
            else:
                await asyncio.sleep(RETRY_SECONDS)

    async def _complete_tasks(self, client: Client, tasks: list[str]) -> None:
        for task in tasks:
            key = f"{self._name}-approve-{task}" if int(task) // 3 % 2 else None
            # Tables that a restarted engine has not caught up may still offer what is done; with a key asking again is safe.
            if key is None and task in self._tasks_done:
                continue
            answer = await self._ask(
                client, "complete-user-task", f"/v2/user-tasks/{task}/completion", {}, key=key, again=False
            )
            if answer.kind == "in doubt":
                self._task_doubts[task] += 1
                continue
            refused = answer.kind == "refused"
            if refused and (key is not None or not self._task_doubts[task]):
                self._ledger.surprise(f"expected task {task} to be completed, but got {answer.status}: {answer.body}")
            self._tasks_done.add(task)
            self._ledger.tell("complete-user-task", key, answer.place, task, refused=refused)


def _task(work: "Coroutine[Any, Any, None]", name: str) -> "asyncio.Task[None]":
    return asyncio.create_task(work, name=f"chaos {name}")
