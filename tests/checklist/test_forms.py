"""Forms in deployments, and which version of one a user task is linked to (ZC-029)."""

import pytest

from domain import commands as c
from domain import events as e
from domain.results import Rejected
from tests.checklist.test_deployment import deploy
from tests.support.amend import Model
from tests.support.world import World

ASK = b'{"id": "ask", "components": []}'


def user_task(attributes: str = "", kind: str = "<zeebe:userTask/>") -> bytes:
    model = Model("o start -> user u -> O end").drop("u", "userTask")
    return model.extend("u", f'{kind}<zeebe:formDefinition formId="ask"{attributes}/>').content


def created(world: World) -> e.UserTaskCreated:
    world.submit(c.CreateInstance, process_id="p", variables={})
    world.check()
    return [event for event in world.events() if isinstance(event, e.UserTaskCreated)][-1]


def form_keys(world: World) -> list[int]:
    return [event.key for event in world.events() if isinstance(event, e.FormDefined)]


def test_a_form_has_versions_and_the_same_bytes_are_kept() -> None:
    world = World()

    deploy(world, ("ask.form", ASK))
    again = deploy(world, ("ask.form", ASK))
    deploy(world, ("ask.form", ASK.replace(b"[]", b"[1]")))

    assert not isinstance(again, Rejected)
    assert [type(fact).__name__ for fact in again] == [
        "DeploymentCreated",
        "DefinitionKept",
    ]
    defined = [event for event in world.events() if isinstance(event, e.FormDefined)]
    assert [(event.form_id, event.version) for event in defined] == [("ask", 1), ("ask", 2)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "expected a form"),
        (b"[]", "expected a form"),
        (b'{"components": []}', "id"),
        (b'{"id": ""}', "characters"),
        (b'{"id": "a\\u0000"}', "printable"),
        (b'{"id": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "expected a form"),
    ],
)
def test_a_form_without_a_good_id_is_refused(content: bytes, reason: str) -> None:
    answer = deploy(World(), ("ask.form", content))

    assert isinstance(answer, Rejected)
    assert answer.code == "INVALID_ARGUMENT"
    assert "ask.form" in answer.reason
    assert reason in answer.reason


def test_form_ids_are_unique_in_a_deployment() -> None:
    answer = deploy(World(), ("one.form", ASK), ("two.form", ASK))

    assert isinstance(answer, Rejected)
    assert "'ask' is also in 'one.form'" in answer.reason


def test_a_user_task_is_linked_to_the_latest_version_at_its_creation() -> None:
    """ZC-029"""
    world = World()
    deploy(world, ("p.bpmn", user_task()))
    assert created(world).form_key is None
    deploy(world, ("ask.form", ASK))
    deploy(world, ("ask.form", ASK.replace(b"[]", b"[2]")))

    assert created(world).form_key == form_keys(world)[1]
    world.submit(c.DeleteResource, key=form_keys(world)[1])
    assert created(world).form_key == form_keys(world)[0]


def test_a_user_task_may_be_bound_to_the_form_of_its_deployment_or_to_a_version_tag() -> None:
    """ZC-029"""
    world = World()
    tagged = ASK.replace(b"{", b'{"versionTag": "v1", ', 1)
    deploy(world, ("ask.form", tagged), ("p.bpmn", user_task(' bindingType="deployment"')))
    deploy(world, ("ask.form", ASK))

    bound = created(world)
    deploy(world, ("p.bpmn", user_task(' bindingType="versionTag" versionTag="v1"')))
    by_tag = created(world)
    assert (bound.form_key, by_tag.form_key) == (form_keys(world)[0], form_keys(world)[0])


def test_a_user_task_given_to_workers_carries_the_key_of_its_form() -> None:
    world = World()
    deploy(world, ("ask.form", ASK), ("p.bpmn", user_task(kind="")))
    world.submit(c.CreateInstance, process_id="p", variables={})

    (job,) = [event for event in world.events() if isinstance(event, e.JobCreated)]
    assert job.headers["io.camunda.zeebe:formKey"] == str(form_keys(world)[0])
