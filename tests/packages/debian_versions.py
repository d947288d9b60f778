"""Versions of Debian packages for property tests: short, of few signs, so that many are alike."""

from __future__ import annotations

from hypothesis import strategies as st

_UPSTREAM = st.from_regex(r"[0-9][0-9a-bA~+.]{0,6}", fullmatch=True)
_REVISION = st.from_regex(r"-[0-9a~+.]{1,4}", fullmatch=True)

VERSIONS = st.builds("".join, st.tuples(st.sampled_from(["", "0:", "1:"]), _UPSTREAM, _REVISION | st.just("")))
