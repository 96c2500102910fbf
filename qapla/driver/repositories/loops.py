"""Clients of event loops: each loop has one of its own, as of everything that has connections."""

from __future__ import annotations

from qapla.loops import PerLoop

__all__ = ["PerLoop"]
