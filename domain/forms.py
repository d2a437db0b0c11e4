"""Forms that are deployed: their versions, and their part of a deployment.

A form belongs to those who show it: the engine keeps its text and knows its id and version, never what is in it.
"""

from collections.abc import Iterator

import msgspec

from domain import commands as c
from domain import events as e
from domain.decisions import checksum
from domain.keys import make_key
from domain.results import Context, Facts

FORM_ID_CHARACTERS_MAX = 255
"""Of a form's id and of its version tag."""


class Form(msgspec.Struct, omit_defaults=True):
    """One version of a form."""

    form_id: str
    version: int
    checksum: str
    version_tag: str | None = None
    deleted: bool = False


class Forms(msgspec.Struct, omit_defaults=True):
    """The part of the definitions stream that forms have."""

    forms: dict[int, Form] = {}
    versions: dict[str, dict[int, int]] = {}
    """Form id -> version -> key; deleted ones stay, so that no version number is given twice."""

    deployed: dict[int, dict[str, int]] = {}
    """Deployment -> form id -> key of the version that came with it, or was kept."""

    def usable(self, key: int) -> bool:
        """Say whether there is a form of that key that is not deleted."""
        form = self.forms.get(key)
        return form is not None and not form.deleted

    def latest(self, form_id: str, version_tag: str | None = None) -> int | None:
        """Return the key of the latest version (of those that carry the version tag) that is not deleted."""
        # Versions are added in their order, so that the last one is the latest.
        for key in reversed(self.versions.get(form_id, {}).values()):
            if self.usable(key) and version_tag in (None, self.forms[key].version_tag):
                return key
        return None

    def evolve(self, event: e.Event) -> None:
        """Fold one event into what is deployed of forms."""
        match event:
            case e.FormDefined():
                same = checksum(event.resource_name, event.content)
                self.forms[event.key] = Form(event.form_id, event.version, same, event.version_tag)
                self.versions.setdefault(event.form_id, {})[event.version] = event.key
                self.deployed.setdefault(event.deployment_key, {})[event.form_id] = event.key
            case e.DefinitionKept(kind="form"):
                self.deployed.setdefault(event.deployment_key, {})[event.definition_id] = event.key
            case e.DefinitionDeleted() if event.key in self.forms:
                self.forms[event.key].deleted = True
            case _:
                pass


class FormHead(msgspec.Struct, rename="camel"):
    """What the engine reads of a form."""

    id: str
    version_tag: str | None = None


class FormDeployment:
    """The forms of one deployment."""

    def __init__(self, state: Forms, resources: list[c.Resource]) -> None:
        self._state = state
        self._accepted: dict[str, tuple[c.Resource, FormHead]] = {}
        self.reasons = [f"'{each.name}': {reason}" for each in resources for reason in self._accept(each)]

    def _accept(self, resource: c.Resource) -> Iterator[str]:
        try:
            head = msgspec.json.decode(resource.content, type=FormHead)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            yield f"expected a form, a JSON object with an 'id', but {str(error)[:200]}"
            return
        for name, value in (("id", head.id), ("versionTag", head.version_tag)):
            if value is not None and not (0 < len(value) <= FORM_ID_CHARACTERS_MAX and value.isprintable()):
                yield (
                    f"expected the form's {name} to be a printable text of 1 to {FORM_ID_CHARACTERS_MAX} characters,"
                    f" but found {value[:100]!r}"
                )
        if head.id in self._accepted:
            other = self._accepted[head.id][0].name
            yield f"expected form ids to be unique in a deployment, but '{head.id[:100]}' is also in '{other}'"
        self._accepted[head.id] = (resource, head)

    def define(self, deployment: int, context: Context) -> Facts:
        """Say what is new, and what is kept: a form whose bytes are those of its latest version."""
        for resource, head in self._accepted.values():
            latest = self._state.latest(head.id)
            if latest is not None and self._state.forms[latest].checksum == checksum(resource.name, resource.content):
                yield e.DefinitionKept(
                    key=latest,
                    definition_id=head.id,
                    version=self._state.forms[latest].version,
                    deployment_key=deployment,
                    resource_name=resource.name,
                    kind="form",
                )
                continue
            yield e.FormDefined(
                key=make_key(context.partition, context.next_number()),
                form_id=head.id,
                version=max(self._state.versions.get(head.id, {0: 0})) + 1,
                resource_name=resource.name,
                content=resource.content,
                deployment_key=deployment,
                version_tag=head.version_tag,
            )
