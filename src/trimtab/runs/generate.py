"""Makes the face of the SDK that does not await from the one that does.

python -m trimtab.runs.generate             writes `runs/blocking`
python -m trimtab.runs.generate --check     tells what is not as it would be made, with exit status 1
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from pathlib import Path
from typing import Final

AWAITING: Final = Path(__file__).parent
BLOCKING: Final = AWAITING / "blocking"
MADE: Final = ("stepping", "waiting", "performing", "driving", "asking", "handles")
DROPPED: Final = {"async", "await"}
HEAD: Final = "# Made from runs/{name}.py by `python -m trimtab.runs.generate`; change that one, and make this again.\n"


def blocking(name: str, text: str) -> str:
    """The text of a module that awaits, as that of one that does not."""
    lines = text.splitlines(keepends=True)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(text).readline))):
        if token.type == tokenize.NAME and token.string in DROPPED:
            row, column = token.start
            line = lines[row - 1]
            lines[row - 1] = line[:column] + line[token.end[1] :].lstrip(" ")
    made = "".join(lines)
    for each in (*MADE, "flow"):
        made = made.replace(f"from trimtab.runs.{each} import", f"from trimtab.runs.blocking.{each} import")
    made = made.replace(
        "from trimtab.runs import flow, values\n",
        "from trimtab.runs import values\nfrom trimtab.runs.blocking import flow\n",
    )
    made = made.replace("from trimtab.runs import flow\n", "from trimtab.runs.blocking import flow\n")
    made = made.replace("Awaitable[Any]", "Any").replace("Awaitable[Found]", "Found")
    made = made.replace("from collections.abc import Awaitable, Callable\n", "from collections.abc import Callable\n")
    return HEAD.format(name=name) + _sorted(made)


def made() -> dict[Path, str]:
    """What stands in which file."""
    return {BLOCKING / f"{name}.py": blocking(name, (AWAITING / f"{name}.py").read_text("utf-8")) for name in MADE}


def _sorted(text: str) -> str:
    """Imports in the order that the rest of the package has them."""
    lines = text.splitlines(keepends=True)
    ours = [number for number, line in enumerate(lines) if line.startswith("from trimtab.")]
    block = lines[ours[0] : ours[-1] + 1]
    statements: list[str] = []
    for line in block:
        if line.startswith("from trimtab."):
            statements.append(line)
        else:
            statements[-1] += line
    statements.sort(key=lambda statement: statement.split()[1])
    return "".join(lines[: ours[0]] + statements + lines[ours[-1] + 1 :])


def _same(one: str, other: str) -> bool:
    """Whether two texts are the same program, however they are laid out."""
    return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))


def main(arguments: list[str]) -> int:
    """Writes or checks; the exit status."""
    wrong = [path for path, text in made().items() if not path.exists() or not _same(path.read_text("utf-8"), text)]
    if "--check" in arguments:
        for path in wrong:
            print(f"{path} is not as it would be made; run `python -m trimtab.runs.generate`")
        return 1 if wrong else 0
    for path in wrong:
        path.write_text(made()[path], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
