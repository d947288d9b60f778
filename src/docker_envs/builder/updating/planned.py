"""What becomes of an image, known before any layer is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.builder.activate import PlannedActivation, plan_activation
from docker_envs.builder.request import ActivationMode
from docker_envs.environments.pypi.consistency import unmet_requirements
from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker_envs.builder.packages.fetching import Archives
    from docker_envs.builder.packages.pythons import WheelPlace
    from docker_envs.builder.updating.place import Place
    from docker_envs.digest import Digest
    from docker_envs.oci.layer import Layer
    from docker_envs.planner.plan import Plan, PlannedLayer
    from docker_envs.records.record import Record, RecordedPackage


@dataclass(frozen=True, slots=True)
class Side:
    """An environment as it is, or as it will be.

    Attributes:
        plan: Its layers.
        archives: Host path of each package's archive, by its sha256.
        place: Where distributions are; None when there are none.
    """

    plan: Plan
    archives: Archives
    place: WheelPlace | None = None

    @property
    def unmet(self) -> list[tuple[str, str]]:
        """What wheels require and have not; see `unmet_requirements`."""
        beside = {} if self.place is None else {each.name: each.version for each in self.place.installed}
        return unmet_requirements((each.read for each in self.plan.environment.pypi.packages), beside)

    def activation(self, record: Record, env: Mapping[str, str]) -> PlannedActivation:
        """What activates it in an environment of these variables.

        Raises:
            FormatError: A package is damaged, or the record says what cannot be.
        """
        try:
            mode = ActivationMode(record.settings.activation)
        except ValueError as error:
            text = f"unknown `activation` {record.settings.activation!r}"
            raise FormatError(f"record of `{record.prefix}`", text) from error
        conda = self.plan.environment.conda
        return plan_activation(conda, self.archives, prefix=record.prefix, env=env, mode=mode)


@dataclass(frozen=True, slots=True)
class Update:
    """What becomes of an image.

    Attributes:
        place: The environment in the image.
        before: What is there.
        after: What will be.
        was_activated: What activates the environment that is there.
        activation: What activates the one that will be.
        kept: Layers of the image that stay, by their keys.
    """

    place: Place
    before: Side
    after: Side
    was_activated: PlannedActivation
    activation: PlannedActivation
    kept: dict[Digest, Layer]

    @property
    def new_layers(self) -> list[PlannedLayer]:
        """Those that the image does not have."""
        return [planned for planned in self.after.plan.layers if planned.key not in self.kept]

    @property
    def changes_packages(self) -> bool:
        """Whether there will be other packages."""
        return bool(self.removed or self.added)

    @property
    def removed(self) -> list[RecordedPackage]:
        """Packages that are there and will not be, in this build."""
        return _without(self.place.record.packages, self.packages)

    @property
    def added(self) -> list[RecordedPackage]:
        """Packages that will be there and are not, in this build."""
        return _without(self.packages, self.place.record.packages)

    @property
    def packages(self) -> tuple[RecordedPackage, ...]:
        """All packages that will be there, by kind and name."""
        found = self.after.plan.environment.packages
        names = {package.qualified_name for package in found}
        return tuple(
            package.recorded(names) for package in sorted(found, key=lambda package: (package.kind, package.name))
        )


def _without(packages: Sequence[RecordedPackage], others: Sequence[RecordedPackage]) -> list[RecordedPackage]:
    known = {(package.qualified_name, package.sha256) for package in others}
    return [package for package in packages if (package.qualified_name, package.sha256) not in known]


def plan_update(place: Place, before: Side, after: Side) -> Update:
    """Find out what stays of an image.

    Raises:
        FormatError: A package is damaged, or the record says what cannot be.
    """
    record = place.record
    layers = [layer for layer, known in zip(place.layers, record.layers, strict=True) if known.packages]
    kept = {planned.key: layer for planned, layer in zip(before.plan.layers, layers, strict=True)}
    env = _outer_variables(place, before)
    return Update(place, before, after, before.activation(record, env), after.activation(record, env), kept)


def _outer_variables(place: Place, before: Side) -> dict[str, str]:
    """What the environment is activated in: the variables of the image without those that activation sets."""
    record, env = place.record, place.image.config.env
    declared = {"CONDA_PREFIX": record.prefix, **record.variables}
    alone = {name: value for name, value in env.items() if name == "PATH"}
    activated = before.activation(record, {**alone, **declared}).activation
    return {
        **{name: value for name, value in env.items() if name in alone or name not in activated.variables},
        **declared,
    }
