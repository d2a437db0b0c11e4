"""Camunda's own Python client, as it is released, works against this engine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import camunda_orchestration_sdk as sdk
import pytest
from camunda_orchestration_sdk import models
from camunda_orchestration_sdk.errors import NotFoundError

from tests.docs.running import running

MODEL = Path(__file__).parents[2] / "examples" / "order.bpmn"

SEARCHES = (
    "search_process_definitions",
    "search_process_instances",
    "search_element_instances",
    "search_variables",
    "search_jobs",
    "search_user_tasks",
    "search_incidents",
    "search_message_subscriptions",
    "search_correlated_message_subscriptions",
    "search_decision_definitions",
    "search_decision_requirements",
    "search_decision_instances",
    "search_resources",
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with running(tmp_path_factory.mktemp("engine")) as engine:
        configuration: Any = {"CAMUNDA_REST_ADDRESS": f"{engine.address}/v2", "CAMUNDA_AUTH_STRATEGY": "NONE"}
        with sdk.CamundaClient(configuration=configuration) as connected:
            yield connected


def _started(client: Any) -> str:
    deployed = client.deploy_resources_from_files([str(MODEL)])
    variables = models.ProcessInstanceCreationInstructionByKeyVariables.from_dict({"orderId": "A-1", "amount": 2500})
    created = client.create_process_instance(
        data=sdk.ProcessCreationByKey(
            process_definition_key=deployed.processes[0].process_definition_key, variables=variables
        )
    )
    return str(created.process_instance_key)


def test_an_order_is_deployed_started_worked_on_and_approved(client: Any) -> None:
    instance = _started(client)
    wanted = models.JobActivationRequest(
        type_="reserve-stock", timeout=60_000, max_jobs_to_activate=10, worker="sdk", request_timeout=5_000
    )
    for job in client.activate_jobs(data=wanted).jobs:
        client.complete_job(job_key=job.job_key, data=models.JobCompletionRequest())
    tasks = [task for task in client.search_user_tasks().items if task.process_instance_key == instance]

    assert [task.element_id for task in tasks] == ["approve"]
    client.complete_user_task(user_task_key=tasks[0].user_task_key, data=models.UserTaskCompletionRequest())
    found = client.get_process_instance(process_instance_key=instance)
    assert found.state == "ACTIVE"
    open_jobs = {job.type_ for job in client.search_jobs().items if job.process_instance_key == instance}
    assert {"pack-parcel", "send-invoice"} <= open_jobs


@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_answers_in_the_shape_that_the_client_insists_on(client: Any, name: str) -> None:
    _started(client)

    assert getattr(client, name)().page.total_items >= 0


def test_single_reads_statistics_and_commands_answer_in_shape(client: Any) -> None:
    instance = _started(client)
    definition = client.get_process_instance(process_instance_key=instance).process_definition_key

    assert client.get_topology().partitions_count == 4
    assert client.get_process_definition(process_definition_key=definition).process_definition_id == "order"
    assert "<bpmn:process" in client.get_process_definition_xml(process_definition_key=definition)
    assert client.get_process_definition_statistics(process_definition_key=definition).items
    assert client.get_process_instance_statistics(process_instance_key=instance).items
    assert client.get_process_instance_sequence_flows(process_instance_key=instance).items
    client.publish_message(data=models.MessagePublicationRequest(name="m", correlation_key="k", time_to_live=1_000))
    client.broadcast_signal(data=models.SignalBroadcastRequest(signal_name="s"))
    assert client.evaluate_expression(data=models.ExpressionEvaluationRequest(expression="=1 + 2")).result == 3
    client.cancel_process_instance(process_instance_key=instance, data=models.CancelProcessInstanceRequest())
    with pytest.raises(NotFoundError):
        client.cancel_process_instance(process_instance_key=instance, data=models.CancelProcessInstanceRequest())
