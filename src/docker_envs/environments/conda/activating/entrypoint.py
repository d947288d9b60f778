"""The entrypoint of images whose environment has activation scripts that could not be evaluated.

It is POSIX sh, for dash and busybox as well, and hands over to Bash where there is one, since conda's scripts are
written for it. Each script is sourced in a subshell that prints the variables it leaves, so that none can end the
container, take its arguments, its input, its output, its directory, or options such as `set -e` and `set -u`.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.environments.conda.activating.activation import Activation, ActivationFile

_HEAD = """\
#!/bin/sh
# Sources what activates the environment and can only be known at run time, then runs the command.
if [ -z "${BASH_VERSION:-}" ] && bash -c : >/dev/null 2>&1; then
    exec bash -- "$0" "$@"
fi
set +eu
"""

# `export -p` prints variables as commands. Names are read from it to find those that a script has removed: lines of
# a value that look like a name do no harm, since only what is unset is unset again. The results are evaluated outside
# of functions, where Bash's `declare -x` would be local.
_FUNCTIONS = r"""
[ -n "${CONDA_PREFIX:-}" ] || CONDA_PREFIX=$__prefix
export CONDA_PREFIX

__names() {
    export -p | while IFS= read -r __line; do
        case $__line in
        'export '*) __line=${__line#export } ;;
        'declare -x '*) __line=${__line#declare -x } ;;
        *) continue ;;
        esac
        __line=${__line%%=*}
        case $__line in
        '' | [0-9]* | *[!A-Za-z0-9_]*) ;;
        *) printf '%s\n' "$__line" ;;
        esac
    done
}

__changes() {
    unset IFS
    export -p
    for __name in $__before; do
        eval "[ -n \"\${$__name+x}\" ]" || printf 'unset %s\n' "$__name"
    done
}

__source() {
    exec 3>&1 </dev/null >&2
    trap '__changes >&3' EXIT
    __script=$1
    set --
    . "$__script"
}
"""

_LOOP = r"""
do
    [ -f "$__script" ] || continue
    __directory=${PWD-}
    __before=$(__names)
    __changed=$(__source "$__script")
    eval "$__changed"
    PWD=$__directory
done

case ":${PATH-}:" in
*":$__prefix/bin:"*) ;;
*) PATH=$__prefix/bin${PATH:+:$PATH} ;;
esac
export PATH
exec "$@"
"""


def entrypoint_script(activation: Activation, scripts: Sequence[ActivationFile], *, prefix: str) -> bytes:
    """A shell script that sources the unresolved scripts, those that exist, and executes its arguments.

    Args:
        activation: What `evaluate_activation` found.
        scripts: What it was given.
        prefix: Absolute, as in the image.

    Returns:
        The text of an executable file, empty if there is nothing to source.
    """
    sourced = {file.path for file in scripts if file.is_script}
    paths = [script.path for script in activation.unresolved if script.path in sourced]
    if not paths:
        return b""
    words = "".join(f" \\\n    {shlex.quote(f'{prefix}/{path}')}" for path in paths)
    return f"{_HEAD}__prefix={shlex.quote(prefix)}{_FUNCTIONS}\nfor __script in{words}{_LOOP}".encode()
