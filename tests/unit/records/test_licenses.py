"""Licences: what is an SPDX expression, and what is a text of somebody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.records.licenses import spdx_expression


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("Apache-2.0 OR MIT", "Apache-2.0 OR MIT"),
        ("MIT AND (BSD-3-Clause OR ISC)", "MIT AND (BSD-3-Clause OR ISC)"),
        ("GPL-3.0-only WITH GCC-exception-3.1", "GPL-3.0-only WITH GCC-exception-3.1"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("", None),
        ("BSD", None),
        ("Apache 2.0", None),
        ("MIT AND", None),
        ("(MIT", None),
        ("MIT AND Public-Domain", None),
        ("GPL-3.0-only WITH Foo", None),
        ("LicenseRef-HDF5", None),
        ("LicenseRef-scancode-public-domain", None),
        ("MIT\n", None),
        ("PSF/LGPL, see file", None),
        ("(" * 999, None),
    ],
)
def test_expressions(text: str, expression: str | None) -> None:
    assert spdx_expression(text) == expression


@given(st.text(st.sampled_from("MITBSD-3. ()+andorwithANDORWITH"), max_size=60))
def test_any_text_is_one_or_none(text: str) -> None:
    expression = spdx_expression(text)
    assert expression is None or spdx_expression(expression) == expression
