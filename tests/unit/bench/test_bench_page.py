"""The page of benchmarks keeps what people wrote, whatever is measured, in whatever order."""

from __future__ import annotations

from pathlib import Path

from bench import page
from bench.__main__ import PARTS
from bench.table import Table


def table(cell: str) -> Table:
    made = Table("A title", ["column"])
    made.add(cell)
    return made


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(
        f"before\n{page.begin('a')}\nold\n{page.end('a')}\nbetween\n{page.begin('a b')}\n{page.end('a b')}\nend\n"
    )
    page.put("a", table(r"new \1 text"), file)
    page.put("a b", table("other"), file)
    once = file.read_text()
    page.put("a", table(r"new \1 text"), file)
    assert file.read_text() == once
    assert "old" not in once
    assert [line for line in once.splitlines() if line in ("before", "between", "end")] == ["before", "between", "end"]
    assert once.index("before") < once.index(r"new \1 text") < once.index("between") < once.index("other")


def test_a_table_without_a_place_is_put_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("prose\n")
    page.put("new", table("x"), file)
    assert file.read_text().startswith(f"prose\n\n{page.begin('new')}\n### A title")
    assert list(tmp_path.iterdir()) == [file]


def test_the_page_has_a_place_for_each_part() -> None:
    text = page.PAGE.read_text()
    names = [
        name for part in PARTS for name in ((f"{part} n1", f"{part} n2") if part in ("delay", "bulk") else (part,))
    ]
    assert [name for name in names if text.count(page.begin(name)) != 1 or text.count(page.end(name)) != 1] == []
