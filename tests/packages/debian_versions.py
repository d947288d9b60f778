"""Versions of Debian packages for property tests: short, of few signs, so that many are alike."""

from __future__ import annotations

from hypothesis import strategies as st

_UPSTREAM = st.builds("".join, st.tuples(st.sampled_from("0123456789"), st.text("0123456789abA~+.", max_size=6)))
_REVISION = st.text("0123456789a~+.", min_size=1, max_size=4).map("-{}".format)

VERSIONS = st.builds("".join, st.tuples(st.sampled_from(["", "0:", "1:"]), _UPSTREAM, _REVISION | st.just("")))
