"""Small projects on disk for the tests of the declaration."""

from pathlib import Path

MODEL = '[models.small]\nmodel = "m"\nreplicas = ["http://127.0.0.1:9000"]\n'
TASK = 'model = "small"\n'


def write(root: Path, toml: str = MODEL, **tasks: str) -> Path:
    """Writes `trimtab.toml` and a `task.toml` for each task; returns the root."""
    (root / "trimtab.toml").write_text(toml, encoding="utf-8")
    for name, text in tasks.items():
        folder = root / "tasks" / name
        folder.mkdir(parents=True)
        (folder / "task.toml").write_text(text, encoding="utf-8")
    return root


def marked(text: str) -> int:
    """The line of a text that ends in `#!`."""
    [line] = [number for number, line in enumerate(text.split("\n"), 1) if line.endswith("#!")]
    return line
