"""Plugins that qapla ships. They never import each other: they meet through the values of ``qapla.ports``."""
