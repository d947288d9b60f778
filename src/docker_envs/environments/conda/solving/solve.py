"""What only py-rattler knows: solving, and the topological order of packages."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.environments.conda.solving.channels import expand_channels, rattler_channel
from docker_envs.environments.conda.solving.match_specs import channels_of, explanation, parse_match_spec
from docker_envs.environments.conda.solving.solve_settings import SolveSettings
from docker_envs.environments.conda.subdirs import NOARCH, subdir_of
from docker_envs.errors import InvalidInputError, SolveError, TransportError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from pathlib import Path

    from docker_envs.environments.conda.metadata import PackageMetadata
    from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
    from docker_envs.oci.descriptor import Platform

# How rattler says that the caches lack what the network would have.
_NOT_CACHED = "no usable repodata cache"


def solve(
    channels: Sequence[str],
    specs: Sequence[str],
    *,
    platform: Platform,
    virtual_packages: Sequence[VirtualPackage],
    cache: Path,
    settings: SolveSettings | None = None,
    access: ChannelAccess | None = None,
    preferred: Sequence[CondaPackage] = (),
) -> tuple[CondaPackage, ...]:
    """Choose the packages of an environment, sorted by name.

    Args:
        channels: Names or URLs, highest priority first; those that a spec names as `channel::` come behind.
        specs: Match specs.
        platform: What they shall run on.
        virtual_packages: What the target offers.
        cache: Directory for repodata.
        settings: How to solve; by default as pixi does.
        access: How channels are reached; by default over the network.
        preferred: Packages that are chosen wherever they fit, as far as the channels still have them.

    Raises:
        InvalidInputError: A match spec or channel is malformed, or there is no channel.
        SolveError: No set of packages fits; the message is the solver's explanation.
        TransportError: A channel cannot be reached.
    """
    import rattler
    from rattler import exceptions

    settings, access = settings or SolveSettings(), access or ChannelAccess()
    parsed = [parse_match_spec(spec) for spec in specs]
    sources = {channel.base_url: channel for channel in map(rattler_channel, expand_channels(channels))}
    for url in channels_of(parsed):
        sources.setdefault(url, rattler_channel(url))
    if not sources:
        raise InvalidInputError("no channel to solve from", hint="name one with `--channel`")
    virtual = [
        rattler.GenericVirtualPackage(
            rattler.PackageName(package.name), rattler.Version(package.version), rattler.BuildString(package.build)
        )
        for package in virtual_packages
    ]
    gateway = access.gateway(cache)
    platforms = [rattler.Subdir(subdir_of(platform)), rattler.Subdir(NOARCH)]

    async def choose() -> list[Any]:
        return await rattler.solve(
            list(sources.values()),
            parsed,
            gateway=gateway,
            platforms=platforms,
            locked_packages=await _find(preferred, gateway, list(sources.values()), platforms),
            virtual_packages=virtual,
            channel_priority=rattler.ChannelPriority[settings.channel_priority.name.capitalize()],
            strategy=settings.strategy.value,
            constraints=[parse_match_spec(spec) for spec in settings.constraints],
            exclude_newer=settings.exclude_newer,
            timestamp_policy="allow-missing",
        )

    try:
        records = _run(choose())
    except exceptions.SolverError as error:
        raise SolveError(f"no set of packages for `{platform}` fits the specs:\n{explanation(error)}") from error
    except (exceptions.GatewayError, exceptions.FetchRepoDataError, exceptions.IoError) as error:
        raise _unreachable(explanation(error), access) from error
    return tuple(sorted((package_of(record, url=record.url) for record in records), key=lambda package: package.name))


async def _find(preferred: Sequence[CondaPackage], gateway: Any, sources: list[Any], platforms: list[Any]) -> list[Any]:
    """What the channels say about packages, of those that they have."""
    if not preferred:
        return []
    names = sorted({package.name for package in preferred})
    wanted = {(package.name, package.sha256 or package.file_name) for package in preferred}
    found = await gateway.query(sources, platforms, names, recursive=False)
    return [
        record
        for records in found
        for record in records
        if (record.name.normalized, record.sha256.hex() if record.sha256 else str(record.file_name)) in wanted
    ]


def _run(task: Coroutine[Any, Any, list[Any]]) -> list[Any]:
    """Run to the end, on another thread where an event loop runs on this one already."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(task)
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, task).result()


def topological_order(packages: Sequence[PackageMetadata]) -> list[str]:
    """Names of packages, dependencies first: rattler's own order, since it decides who wins a clobber."""
    import rattler

    records = [
        rattler.PackageRecord(
            name=metadata.name,
            version=rattler.VersionWithSource(metadata.version),
            build=rattler.BuildString(metadata.build),
            build_number=int(metadata.index.get("build_number") or 0),
            subdir=NOARCH,
            depends=metadata.depends,
        )
        for metadata in packages
    ]
    return [record.name.source for record in rattler.PackageRecord.sort_topologically(records)]


def package_of(record: Any, *, url: str) -> CondaPackage:
    """The package that one of rattler's records describes, and where it is."""
    return CondaPackage(
        name=record.name.normalized,
        version=str(record.version),
        build=str(record.build),
        subdir=str(record.subdir),
        url=url,
        sha256=record.sha256.hex() if record.sha256 else None,
        md5=record.md5.hex() if record.md5 else None,
        size=record.size,
    )


def _unreachable(text: str, access: ChannelAccess) -> TransportError:
    if access.offline and _NOT_CACHED in text:
        return TransportError(
            f"the index of a channel is not in the cache, and `--offline` forbids the network: {text}",
            hint="build once without `--offline`, or use a `file://` channel",
        )
    refused = any(status in text for status in ("(401 ", "(403 "))
    hint = (
        "log in with `pixi auth login`, or write a `.netrc`" if refused else "check the channels' names and the network"
    )
    return TransportError(f"cannot read the index of a channel: {text}", hint=hint)
