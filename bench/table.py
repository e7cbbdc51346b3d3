"""A table of results: rows of text for people, the same as JSON for programs."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Table:
    title: str
    columns: list[str]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        self.rows.append(cells)

    def markdown(self) -> str:
        lines = [f"### {self.title}", "", "| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in self.rows]
        lines += ["", *[f"{note}" for note in self.notes]]
        return "\n".join(lines).rstrip() + "\n"

    def json(self) -> dict[str, object]:
        return {"title": self.title, "columns": self.columns, "rows": self.rows, "notes": self.notes}
