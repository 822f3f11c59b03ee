"""The methods that can be trained, by name, in the paper's order."""

from __future__ import annotations

from typing import Literal, get_args

MethodName = Literal["ce", "cl", "cpn", "ccl", "sccl", "dpp", "dpnp"]
METHOD_NAMES: tuple[MethodName, ...] = get_args(MethodName)
