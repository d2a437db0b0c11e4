"""Load from outside, over HTTP: creators start instances, workers complete their jobs. Prints one JSON object.

python -m bench.load --port 8080 --instances 10000 --creators 16 --workers 8
python -m bench.load --port 8080 --instances 10000 --rate 500        at a fixed rate, for latencies
python -m bench.load --port 8080 8081 …                             callers of several processes, as a load balancer spreads them
"""

import argparse
import asyncio
import itertools
import json
import time

import uvloop

from bench.http import Client
from bench.models import ONE_TASK
from bench.quantiles import quantiles
from domain.keys import partition_of

JOBS_PER_POLL = 32
VISIBLE_EVERY = 5
"""Every so many-th instance is read back at once, if that is asked for: how long until a reader sees it."""


class Load:
    """What is sent, what came back, and how long it took."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.created = 0
        self.completed = 0
        self.create_seconds: list[float] = []
        self.elsewhere_seconds: list[float] = []
        """Those of instances on partitions that another process owns than the one that was asked."""
        self.complete_seconds: list[float] = []
        self.visible_seconds: list[float] = []
        self.done = asyncio.Event()
        self._owners: dict[int, int] = {}
        """Per partition, the port of its owner, where there are several processes."""
        self._turn = itertools.cycle(arguments.port)

    def _client(self) -> Client:
        return Client("127.0.0.1", next(self._turn))

    async def run(self) -> dict[str, float]:
        """Send everything and wait until all jobs are complete."""
        await self._deploy()
        await self._find_owners()
        only_create = self.arguments.workers == 0
        begin = time.perf_counter()
        # A worker that fails must end the load, not leave it waiting for jobs that nobody completes.
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work()) for _ in range(self.arguments.workers)]
            await asyncio.gather(*(self._create(begin) for _ in range(self.arguments.creators)))
            if not only_create:
                await self.done.wait()
            seconds = time.perf_counter() - begin
            for worker in workers:
                worker.cancel()
        return {
            "instances": self.arguments.instances,
            "seconds": seconds,
            "instances_per_second": self.arguments.instances / seconds,
            **quantiles("create", self.create_seconds),
            **(quantiles("elsewhere", self.elsewhere_seconds) if self.elsewhere_seconds else {}),
            **(quantiles("visible", self.visible_seconds) if self.visible_seconds else {}),
            **(quantiles("complete", self.complete_seconds) if self.complete_seconds else {}),
        }

    async def _find_owners(self) -> None:
        client = self._client()
        status, answer = await client.get("/v2/topology")
        assert status == 200, answer
        client.close()
        if len(answer["brokers"]) > 1:
            self._owners = {
                partition["partitionId"]: broker["port"]
                for broker in answer["brokers"]
                for partition in broker["partitions"]
            }

    async def _deploy(self) -> None:
        client = self._client()
        boundary = "bench"
        body = (
            b'--bench\r\ncontent-disposition: form-data; name="resources"; filename="one-task.bpmn"\r\n\r\n'
            + ONE_TASK
            + b"\r\n--bench--\r\n"
        )
        status, answer = await client.send("POST", "/v2/deployments", body, f"multipart/form-data; boundary={boundary}")
        assert status == 200, answer
        client.close()

    async def _create(self, begin: float) -> None:
        client = self._client()
        while self.created < self.arguments.instances:
            number = self.created
            self.created += 1
            if self.arguments.rate:
                wait = begin + number / self.arguments.rate - time.perf_counter()
                if wait > 0:
                    await asyncio.sleep(wait)
            sent = time.perf_counter()
            status, answer = await client.post(
                "/v2/process-instances", {"processDefinitionId": "one-task", "variables": {"number": number}}
            )
            assert status == 200, answer
            self.create_seconds.append(time.perf_counter() - sent)
            if self._owners.get(partition_of(int(answer["processInstanceKey"])), client.port) != client.port:
                self.elsewhere_seconds.append(time.perf_counter() - sent)
            if self.arguments.visible and number % VISIBLE_EVERY == 0:
                status, shown = await client.get(f"/v2/process-instances/{answer['processInstanceKey']}")
                assert status == 200, shown
                self.visible_seconds.append(time.perf_counter() - sent)
        client.close()

    async def _work(self) -> None:
        poller = self._client()
        finishers = [self._client() for _ in range(4)]
        wanted = {
            "type": "work",
            "worker": "bench",
            "timeout": 60_000,
            "maxJobsToActivate": JOBS_PER_POLL,
            "requestTimeout": 10_000,
        }
        while not self.done.is_set():
            status, answer = await poller.post("/v2/jobs/activation", wanted)
            assert status == 200, answer
            jobs = answer["jobs"]
            await asyncio.gather(*(self._complete(finishers[n], jobs[n::4]) for n in range(4)))

    async def _complete(self, client: Client, jobs: list[dict[str, str]]) -> None:
        for job in jobs:
            sent = time.perf_counter()
            status, answer = await client.post(f"/v2/jobs/{job['jobKey']}/completion", {"variables": {"done": True}})
            assert status == 204, answer
            self.complete_seconds.append(time.perf_counter() - sent)
            self.completed += 1
            if self.completed >= self.arguments.instances:
                self.done.set()


def main() -> None:
    """Run the load that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, nargs="+", required=True)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--creators", type=int, default=16)
    parser.add_argument("--workers", type=int, default=4, help="0: instances stay open")
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--visible", action="store_true")
    print(json.dumps(uvloop.run(Load(parser.parse_args()).run())))


if __name__ == "__main__":
    main()
