"""The bird-of-prey Rotarran: who serves on it, and in which battles they fought."""

from rotarran.application.app import RotarranApplication

main = RotarranApplication()
