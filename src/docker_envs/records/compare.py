"""What is different between two images: packages, config, base, layers, and what somebody with one needs of the other.

Times of creation and the wording of the history do not count, nor does what follows from the rest: the label that
names layers with records, and the digests.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

import msgspec

from docker_envs.images.compare_files import FileChanges
from docker_envs.records.databases import InstalledPackage
from docker_envs.records.overview import BaseImage, EnvironmentOverview, LayerOverview, Overview, Role
from docker_envs.records.record import RECORD_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

    _Packages = list[InstalledPackage]

# Compared as `base`, or times, or what follows from layers.
_IGNORED = {
    RECORD_LABEL,
    "org.opencontainers.image.created",
    "org.opencontainers.image.base.name",
    "org.opencontainers.image.base.digest",
}


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two images; as in its overview."""

    names: tuple[str, ...]
    digest: str
    platform: str
    size: int
    base: BaseImage | None


class ChangedPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A package that both have in different builds."""

    name: str
    before: InstalledPackage
    after: InstalledPackage


class PackageChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Packages that are different, by name."""

    added: tuple[InstalledPackage, ...]
    removed: tuple[InstalledPackage, ...]
    changed: tuple[ChangedPackage, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A value that is different; null where one side has none."""

    field: str
    before: Any
    after: Any


class LayerChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Layers by what they unpack to.

    Attributes:
        added: Those of the second image only.
        removed: Those of the first image only.
        kept: How many of the second image both have.
        moved: Whether those stand in another order.
    """

    added: tuple[LayerOverview, ...]
    removed: tuple[LayerOverview, ...]
    kept: int
    moved: bool

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.moved)


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """A number of layers, and their size as stored, in bytes."""

    layers: int
    size: int


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What is different from the first image (before) to the second (after).

    Attributes:
        same: Whether nothing is.
        before: The first image.
        after: The second image.
        packages: Packages.
        settings: Platform, base, environments, config and annotations.
        layers: Layers.
        files: Files, if these were compared.
        pull: Layers that a store with the first image's blobs lacks.
        unpack: Layers above the lowest one that is different, which engines unpack anew; those that keep no blobs pull
            them anew as well.
        notes: What was not compared.
    """

    same: bool
    before: Side
    after: Side
    packages: PackageChanges
    settings: tuple[Change, ...]
    layers: LayerChanges
    files: FileChanges | None
    pull: Transfer
    unpack: Transfer
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The difference as a JSON document; sizes in bytes."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document


def compare(before: Overview, after: Overview, *, files: FileChanges | None = None) -> Difference:
    """Compare two images by what is known of them; nothing is read."""
    packages = _packages(before.packages, after.packages)
    settings = tuple(_settings(before, after))
    layers = _layers(before, after)
    return Difference(
        same=not (packages or settings or layers or files),
        before=_side(before),
        after=_side(after),
        packages=packages,
        settings=settings,
        layers=layers,
        files=files,
        pull=_pull(before, after),
        unpack=_unpack(before, after),
        notes=tuple(_notes(before, after)),
    )


def _side(overview: Overview) -> Side:
    return Side(
        names=overview.names,
        digest=overview.digest,
        platform=overview.platform,
        size=overview.size,
        base=overview.base,
    )


def _packages(before: Iterable[InstalledPackage], after: Iterable[InstalledPackage]) -> PackageChanges:
    old, new = _by_name(before), _by_name(after)
    added: list[InstalledPackage] = []
    removed: list[InstalledPackage] = []
    changed: list[ChangedPackage] = []
    for key in sorted(old.keys() | new.keys()):
        mine, theirs = _without_common(old.get(key, []), new.get(key, []))
        pairs, mine, theirs = _pair_off(mine, theirs, lambda each: (each.place, each.architecture))
        in_place, mine, theirs = _pair_off(mine, theirs, lambda each: each.place)
        pairs += in_place
        if len(mine) == len(theirs) == 1:
            pairs.append((mine.pop(), theirs.pop()))
        changed += [ChangedPackage(name=key[1], before=one, after=other) for one, other in pairs]
        removed += mine
        added += theirs
    return PackageChanges(added=tuple(added), removed=tuple(removed), changed=tuple(changed))


def _by_name(packages: Iterable[InstalledPackage]) -> dict[tuple[str, str], list[InstalledPackage]]:
    found = defaultdict(list)
    for package in packages:
        found[package.kind, package.name].append(package)
    return found


def _without_common(mine: _Packages, theirs: _Packages) -> tuple[_Packages, _Packages]:
    """What is left of packages of one name without those that both have, in the same place or another."""
    _, mine, theirs = _pair_off(mine, theirs, lambda each: (each.identity, each.place))
    _, mine, theirs = _pair_off(mine, theirs, lambda each: each.identity)
    if not all(each.sha256 for each in (*mine, *theirs)):  # not all databases have digests
        _, mine, theirs = _pair_off(mine, theirs, lambda each: each.identity[:-1])
    return mine, theirs


def _pair_off(
    mine: _Packages, theirs: _Packages, key: Callable[[InstalledPackage], Hashable]
) -> tuple[list[tuple[InstalledPackage, InstalledPackage]], _Packages, _Packages]:
    """Pairs with the same key, and what is left of both."""
    waiting: dict[Hashable, deque[InstalledPackage]] = defaultdict(deque)
    for each in theirs:
        waiting[key(each)].append(each)
    pairs, left = [], []
    for each in mine:
        if others := waiting[key(each)]:
            pairs.append((each, others.popleft()))
        else:
            left.append(each)
    return pairs, left, [each for others in waiting.values() for each in others]


def _settings(before: Overview, after: Overview) -> Iterator[Change]:
    yield from _changes({"platform": before.platform}, {"platform": after.platform})
    yield from _changes({"base": _base(before)}, {"base": _base(after)})
    if before.environments and after.environments:
        yield from _changes(_environments(before.environments), _environments(after.environments))
    yield from _changes(_config(before.config), _config(after.config))
    if not any("docker" in each.media_type for each in (before, after)):  # that format has no annotations
        yield from _changes(_named("annotation", before.annotations), _named("annotation", after.annotations))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Change(field=name, before=before.get(name), after=after.get(name))


def _base(overview: Overview) -> str | None:
    if overview.base is None:
        return None
    return "@".join(filter(None, (overview.base.name, overview.base.digest)))


def _environments(environments: Iterable[EnvironmentOverview]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, environment in enumerate(environments):
        name = f"environment[{number}]"
        found[f"{name}.prefix"] = environment.prefix
        found |= {f"{name}.settings.{key}": value for key, value in environment.settings.items()}
        found |= {f"{name}.variables.{key}": value for key, value in environment.variables.items()}
    return found


def _config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Its fields, variables and labels each for itself; what is empty is as if it were not there."""
    plain = {f"config.{name}": value for name, value in config.items() if value and name not in ("Env", "Labels")}
    variables = dict(item.partition("=")[::2] for item in config.get("Env") or ())
    return plain | {f"env.{name}": value for name, value in variables.items()} | _named("label", config.get("Labels"))


def _named(kind: str, values: Mapping[str, str] | None) -> dict[str, Any]:
    return {f"{kind}.{name}": value for name, value in (values or {}).items() if name not in _IGNORED}


def _layers(before: Overview, after: Overview) -> LayerChanges:
    old, new = [layer.diff_id for layer in before.layers], [layer.diff_id for layer in after.layers]
    kept = [diff_id for diff_id in new if diff_id in set(old)]
    return LayerChanges(
        added=tuple(layer for layer in after.layers if layer.diff_id not in set(old)),
        removed=tuple(layer for layer in before.layers if layer.diff_id not in set(new)),
        kept=len(kept),
        moved=kept != [diff_id for diff_id in old if diff_id in set(new)],
    )


def _pull(before: Overview, after: Overview) -> Transfer:
    had = {layer.digest for layer in before.layers}
    sizes = {layer.digest: layer.size for layer in after.layers if layer.digest not in had}
    return Transfer(layers=len(sizes), size=sum(sizes.values()))


def _unpack(before: Overview, after: Overview) -> Transfer:
    common = 0
    for one, other in zip(before.layers, after.layers, strict=False):
        if one.diff_id != other.diff_id:
            break
        common += 1
    return Transfer(layers=len(after.layers) - common, size=sum(layer.size for layer in after.layers[common:]))


def _notes(before: Overview, after: Overview) -> Iterator[str]:
    unread = {layer.diff_id: layer.role for each in (before, after) for layer in each.layers if not layer.read}
    both = {layer.diff_id for layer in before.layers} & {layer.diff_id for layer in after.layers}
    different = [role for diff_id, role in unread.items() if diff_id not in both]
    if different:
        base = " of the base" if all(role is Role.BASE for role in different) else ""
        yield f"packages of {len(different)} different layer{'s' * (len(different) != 1)}{base} were not compared"
    for overview in (before, after):
        yield from overview.problems
