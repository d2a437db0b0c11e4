"""One scenario's engine, spoken to through the REST API only: the steps of the data, one method each."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from isodate import parse_duration  # pyright: ignore[reportUnknownVariableType]  # it ships no types

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
STEP = timedelta(milliseconds=1)
"""Time goes on with every step, so that the order of steps can be seen in the history."""
EVERYTHING = {"limit": 10_000}
OPEN_JOBS = ["CREATED", "FAILED", "RETRIES_UPDATED", "TIMED_OUT", "TIMEOUT_UPDATED", "PRIORITY_UPDATED", "MIGRATED"]
AUTO_COMPLETE_JOBS_MAX = 200
NAMES = {"vars": "variables", "type": "job_type"}
"""Arguments of steps that have another name here."""
JOB_OF_USER_TASK = "io.camunda.zeebe:userTask"

Item = dict[str, Any]


class NotYet(Exception):  # noqa: N818 - it names the outcome
    """The scenario uses what is not built yet."""


class World:
    """What a scenario has done so far."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.now = START
        self.instance = ""
        """Key of the current instance; empty while there is none."""
        self.selected: set[str] = set()
        self.last_jobs: dict[str, str] = {}

    # --- speaking to the engine ------------------------------------------------------------------------------------------

    async def call(self, method: str, path: str, body: Any = None, *, rejection: str | None = None) -> Any:
        """Send a request that must be accepted, or be refused as `rejection` says; return the answer's document."""
        content = None if body is None else json.dumps(body, default=_plain).encode()
        headers = {"content-type": "application/json"} if content else {}
        answer = await self.client.request(method, f"/v2{path}", content=content, headers=headers)
        if rejection is not None:
            assert answer.is_client_error, f"{method} {path}: expected {rejection}, but it was accepted"
            assert answer.json()["title"] == rejection, answer.text
            return None
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return json.loads(answer.content, parse_float=Decimal) if answer.content else None

    async def search(self, what: str, sort: list[Item] | None = None, **wanted: Any) -> list[Item]:
        """Return all that a search finds."""
        body = {"filter": wanted, "page": EVERYTHING, "sort": sort or []}
        found: list[Item] = (await self.call("POST", f"/{what}/search", body))["items"]
        return found

    async def settle(self) -> None:
        """Let a moment pass; returns when all that follows from the step has happened."""
        await self.set_clock(self.now + STEP)

    async def set_clock(self, now: datetime) -> None:
        """Set the time; returns when all that was due by then has happened."""
        self.now = now
        await self.call("PUT", "/clock", {"timestamp": round(now.timestamp() * 1000)})

    # --- steps -----------------------------------------------------------------------------------------------------------

    async def step(self, step: Mapping[str, Any], folder: Path) -> None:
        """Take one step of a scenario (all but `check`)."""
        ((name, arguments),) = step.items()
        match name:
            case "deploy":
                await self.deploy([folder / file for file in arguments])
            case "select_instance":
                await self.select_instance(arguments["process"])
            case "advance_clock":
                await self.set_clock(self.now + _duration(arguments))
            case "auto_complete_jobs":
                await self.auto_complete_jobs(arguments.get("except", []))
            case "modify":
                raise NotYet("process instance modification")
            case _:
                given: Item = arguments
                await getattr(self, name)(**{NAMES.get(key, key): value for key, value in given.items()})
        await self.settle()

    async def deploy(self, files: list[Path]) -> None:
        """Deploy files; what the engine cannot do yet makes the scenario one for later."""
        parts = [("resources", (file.name, file.read_bytes(), "text/xml")) for file in files]
        answer = await self.client.post("/v2/deployments", files=parts)
        if answer.status_code == 400 and "not supported yet" in answer.json()["detail"]:
            raise NotYet(_unsupported(answer.json()["detail"]))
        assert answer.is_success, answer.text

    async def start(
        self,
        process: str,
        variables: Item | None = None,
        start_before: list[str] | None = None,
        expect_rejection: str | None = None,
    ) -> None:
        body = {
            "processDefinitionId": process,
            "variables": variables or {},
            "startInstructions": [{"elementId": element} for element in start_before or []],
        }
        created = await self.call("POST", "/process-instances", body, rejection=expect_rejection)
        if created is not None:
            self.instance = created["processInstanceKey"]
            self.selected.add(self.instance)

    async def select_instance(self, process: str) -> None:
        sort = [{"field": "startDate", "order": "DESC"}, {"field": "processInstanceKey", "order": "DESC"}]
        found = await self.search("process-instances", sort, processDefinitionId=process)
        assert found, f"there is no instance of {process}"
        self.instance = next((item for item in found if item["processInstanceKey"] not in self.selected), found[0])[
            "processInstanceKey"
        ]
        self.selected.add(self.instance)

    async def publish_message(
        self,
        name: str,
        key: str = "",
        variables: Item | None = None,
        ttl: str | None = None,
        message_id: str | None = None,
        expect_rejection: str | None = None,
    ) -> None:
        lifetime = _duration(ttl) if ttl else timedelta()
        body = {
            "name": name,
            "correlationKey": key,
            "variables": variables or {},
            "timeToLive": round(lifetime.total_seconds() * 1000),
            "messageId": message_id,
        }
        await self.call("POST", "/messages/publication", body, rejection=expect_rejection)

    async def broadcast_signal(self, name: str, variables: Item | None = None) -> None:
        await self.call("POST", "/signals/broadcast", {"signalName": name, "variables": variables or {}})

    async def open_jobs(self, job_type: str | None = None) -> list[Item]:
        """Return the jobs that are not done, oldest first."""
        wanted: Item = {"state": {"$in": OPEN_JOBS}} | ({"type": job_type} if job_type else {})
        return await self.search("jobs", [{"field": "creationTime"}, {"field": "jobKey"}], **wanted)

    async def job(self, job_type: str, nth: int | None, *, same_key_again: bool) -> str:
        """Return the key of the oldest open job of a type, or the nth, or of the last one that was used."""
        if same_key_again:
            return self.last_jobs[job_type]
        found = await self.open_jobs(job_type)
        assert len(found) >= (nth or 1), f"there is no open job of type {job_type} (number {nth or 1})"
        key = str(found[(nth or 1) - 1]["jobKey"])
        self.last_jobs[job_type] = key
        return key

    async def activate_job(self, job_type: str, timeout: Any = None, jobs_max: int = 1) -> list[Item]:
        milliseconds = timeout if isinstance(timeout, int) else 60_000
        body = {
            "type": job_type,
            "worker": "scenario",
            "timeout": milliseconds,
            "maxJobsToActivate": jobs_max,
            "requestTimeout": -1,
        }
        jobs: list[Item] = (await self.call("POST", "/jobs/activation", body))["jobs"]
        if jobs:
            self.last_jobs[job_type] = jobs[0]["jobKey"]
        return jobs

    async def seen_by_workers(self, job_type: str) -> list[Item]:
        """Return the open jobs of a type as workers see them, and give them back."""
        jobs = await self.activate_job(job_type, jobs_max=100)
        for job in jobs:
            await self.call("PATCH", f"/jobs/{job['jobKey']}", {"changeset": {"timeout": 0}})
        await self.settle()
        return jobs

    async def complete_job(
        self,
        job_type: str,
        variables: Item | None = None,
        times: int = 1,
        nth: int | None = None,
        same_key_again: bool = False,
        expect_rejection: str | None = None,
    ) -> None:
        for _ in range(times):
            key = await self.job(job_type, nth, same_key_again=same_key_again)
            await self.call(
                "POST", f"/jobs/{key}/completion", {"variables": variables or {}}, rejection=expect_rejection
            )
            await self.settle()

    async def fail_job(
        self,
        job_type: str,
        retries: int = 0,
        message: str = "",
        variables: Item | None = None,
        backoff: str | None = None,
        nth: int | None = None,
        same_key_again: bool = False,
        expect_rejection: str | None = None,
    ) -> None:
        key = await self.job(job_type, nth, same_key_again=same_key_again)
        body = {
            "retries": retries,
            "errorMessage": message,
            "retryBackOff": round(_duration(backoff).total_seconds() * 1000) if backoff else 0,
            "variables": variables or {},
        }
        await self.call("POST", f"/jobs/{key}/failure", body, rejection=expect_rejection)

    async def throw_error(
        self,
        job_type: str,
        code: str,
        message: str = "",
        variables: Item | None = None,
        nth: int | None = None,
        same_key_again: bool = False,
        expect_rejection: str | None = None,
    ) -> None:
        key = await self.job(job_type, nth, same_key_again=same_key_again)
        body = {"errorCode": code, "errorMessage": message, "variables": variables or {}}
        await self.call("POST", f"/jobs/{key}/error", body, rejection=expect_rejection)

    async def complete_user_task(self, element: str, variables: Item | None = None) -> None:
        """Complete the native user task, or the job of one that is given to workers."""
        tasks = await self.search("user-tasks", elementId=element, state="CREATED")
        jobs = [job for job in await self.open_jobs(JOB_OF_USER_TASK) if job["elementId"] == element]
        assert tasks or jobs, f"there is no open user task {element}"
        path = f"user-tasks/{tasks[0]['userTaskKey']}" if tasks else f"jobs/{jobs[0]['jobKey']}"
        await self.call("POST", f"/{path}/completion", {"variables": variables or {}})

    async def set_variables(self, variables: Item, element: str | None = None, local: bool = False) -> None:
        key = self.instance
        if element is not None:
            active = await self.search(
                "element-instances", processInstanceKey=self.instance, elementId=element, state="ACTIVE"
            )
            assert active, f"{element} is not active"
            key = active[0]["elementInstanceKey"]
        await self.call("PUT", f"/element-instances/{key}/variables", {"variables": variables, "local": local})

    async def resolve_incident(self, element: str, job_retries: int | None = None) -> None:
        incidents = await self.search("incidents", elementId=element, state="ACTIVE")
        assert incidents, f"there is no open incident at {element}"
        if job_retries is not None:
            body = {"changeset": {"retries": job_retries}}
            await self.call("PATCH", f"/jobs/{incidents[0]['jobKey']}", body)
        await self.call("POST", f"/incidents/{incidents[0]['incidentKey']}/resolution")

    async def cancel(self, expect_rejection: str | None = None) -> None:
        await self.call("POST", f"/process-instances/{self.instance}/cancellation", rejection=expect_rejection)

    async def auto_complete_jobs(self, excluded: list[str]) -> None:
        for _ in range(AUTO_COMPLETE_JOBS_MAX):
            jobs = [job for job in await self.open_jobs() if job["type"] not in excluded]
            if not jobs:
                return
            for job in jobs:
                await self.call("POST", f"/jobs/{job['jobKey']}/completion")
            await self.settle()
        raise AssertionError(f"after {AUTO_COMPLETE_JOBS_MAX} rounds there are still jobs")


def _duration(text: str) -> timedelta:
    duration = parse_duration(text)
    return duration if isinstance(duration, timedelta) else duration.totimedelta(start=START)


def _plain(value: Any) -> Any:
    assert isinstance(value, Decimal)
    return float(value)


def _unsupported(detail: str) -> str:
    """Return what is not built, out of a refusal."""
    for line in detail.splitlines():
        if "not supported yet" in line:
            return line.strip()[:200]
    return detail[:200]
