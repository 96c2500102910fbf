"""Whether the application is closed. A file says so: all its processes see it, and it is still there after a restart."""

from __future__ import annotations

from pathlib import Path


class Maintenance:
    """The file that closes an application while it is there; what is in it is for whoever asks meanwhile."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def find_message(self) -> str | None:
        """Return what to say while it is closed; None when it is open."""
        try:
            return self.file.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None

    def begin(self, message: str) -> None:
        """Close the application."""
        self.file.write_text(f"{message}\n", encoding="utf-8")

    def end(self) -> None:
        """Open the application again; it may be open already."""
        self.file.unlink(missing_ok=True)
