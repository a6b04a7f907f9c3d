"""Long answers in code and markup, which repeat their boilerplate."""

from __future__ import annotations

import json
import random

from bench.repetition.words import ADJECTIVES, NAMES, NOUNS, PLACES, STATES, THINGS, VERBS, identifier, sentence


def getters(draw: random.Random) -> str:
    """A class of properties and setters, all alike but for their names."""
    parts = [f"class {draw.choice(NOUNS).title()}:"]
    for name in draw.sample(NOUNS, draw.randint(12, 40)):
        parts.append(
            f"    @property\n    def {name}(self):\n        return self._{name}\n\n"
            f"    @{name}.setter\n    def {name}(self, value):\n        self._{name} = value\n"
        )
    return "\n".join(parts)


def java_bean(draw: random.Random) -> str:
    """Fields, getters and setters of Java."""
    lines = [f"public class {draw.choice(NOUNS).title()} {{"]
    for name in draw.sample(NOUNS, draw.randint(10, 30)):
        kind = draw.choice(["String", "int", "boolean", "double"])
        lines.append(f"    private {kind} {name};\n")
        lines.append(f"    public {kind} get{name.title()}() {{\n        return this.{name};\n    }}\n")
        lines.append(f"    public void set{name.title()}({kind} {name}) {{\n        this.{name} = {name};\n    }}\n")
    return "\n".join([*lines, "}"])


def asserts(draw: random.Random) -> str:
    """A table of cases for a test, or one assertion a line."""
    name = draw.choice(VERBS).rstrip("s")
    rows = []
    for number in range(draw.randint(40, 120)):
        a, b = draw.randint(-99, 999), draw.randint(-99, 999)
        rows.append(
            draw.choice([f"    assert {name}({a}, {b}) == {a + b}", f"    assert {name}({a}, {b}) != {a - b - 1}"])
            if number % 7
            else f"\n\ndef test_{identifier(draw)}():"
        )
    return "\n".join(rows)


def unit_tests(draw: random.Random) -> str:
    """Test functions with the same arrangement."""
    parts = []
    for _ in range(draw.randint(8, 25)):
        name, thing = draw.choice(NOUNS), draw.choice(THINGS)
        parts.append(
            f"def test_{name}_{draw.choice(VERBS)}_{thing}(client, database):\n"
            f"    response = client.post('/{name}s', json={{'{thing}': {draw.randint(1, 99)}}})\n"
            "    assert response.status_code == 200\n"
            f"    assert response.json()['{thing}'] == '{draw.choice(STATES)}'\n"
        )
    return "\n\n".join(parts)


def sql_inserts(draw: random.Random) -> str:
    """Rows for a table."""
    table = draw.choice(NOUNS)
    return "\n".join(
        f"INSERT INTO {table}s (id, name, city, state, amount) VALUES "
        f"({number + 1}, '{draw.choice(NAMES)}', '{draw.choice(PLACES)}', '{draw.choice(STATES)}', "
        f"{draw.randint(1, 9999)});"
        for number in range(draw.randint(20, 80))
    )


def html_cards(draw: random.Random) -> str:
    """A page of placeholders: some are word for word the same."""
    card = (
        '      <div class="card">\n        <img src="placeholder.png" alt="">\n        <h3>Card title</h3>\n'
        "        <p>Some example text.</p>\n      </div>\n"
    )
    parts = ["<!DOCTYPE html>\n<html>\n<body>\n"]
    for _ in range(draw.randint(3, 6)):
        parts.append(f'  <section id="{identifier(draw)}">\n    <h2>{sentence(draw)}</h2>\n    <div class="row">\n')
        parts.append(card * draw.randint(2, 6))
        parts.append(f"    </div>\n    <p>{sentence(draw)}</p>\n  </section>\n")
    return "".join([*parts, "</body>\n</html>\n"])


def html_table(draw: random.Random) -> str:
    """Rows of cells, many empty."""
    rows = []
    for _ in range(draw.randint(15, 40)):
        cells = [draw.choice(["", "", draw.choice(NAMES), str(draw.randint(1, 99))]) for _ in range(6)]
        rows.append("    <tr>\n" + "\n".join(f"      <td>{cell}</td>" for cell in cells) + "\n    </tr>")
    return "<table>\n  <tbody>\n" + "\n".join(rows) + "\n  </tbody>\n</table>\n"


def manifests(draw: random.Random) -> str:
    """Deployments in YAML."""
    parts = []
    for _ in range(draw.randint(5, 14)):
        name = f"{draw.choice(NOUNS)}-{draw.choice(NOUNS)}"
        parts.append(
            f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  labels:\n    app: {name}\nspec:\n"
            f"  replicas: {draw.randint(1, 9)}\n  selector:\n    matchLabels:\n      app: {name}\n  template:\n"
            f"    metadata:\n      labels:\n        app: {name}\n    spec:\n      containers:\n      - name: {name}\n"
            f"        image: registry.example/{name}:{draw.randint(1, 9)}.{draw.randint(0, 20)}\n        ports:\n"
            f"        - containerPort: {draw.randint(1000, 9999)}\n"
        )
    return "---\n".join(parts)


def stylesheet(draw: random.Random) -> str:
    """Rules of CSS."""
    parts = []
    for _ in range(draw.randint(25, 70)):
        parts.append(
            f".{draw.choice(NOUNS)}-{draw.choice(ADJECTIVES)} {{\n  color: #{draw.randrange(1 << 24):06x};\n"
            f"  margin: 0 {draw.randint(0, 40)}px 0 0;\n  display: {draw.choice(['block', 'flex', 'none'])};\n}}\n"
        )
    return "\n".join(parts)


def switch(draw: random.Random) -> str:
    """A long switch; the bodies are short."""
    lines = ["switch (code) {"]
    for number in range(draw.randint(30, 90)):
        lines.append(f'    case {number}:\n        return "{draw.choice(ADJECTIVES)} {draw.choice(NOUNS)}";')
    return "\n".join([*lines, "}"])


def diff(draw: random.Random) -> str:
    """A unified diff that renames something everywhere."""
    old, new = identifier(draw), identifier(draw)
    parts = [f"--- a/{old}.py\n+++ b/{new}.py"]
    for _ in range(draw.randint(12, 35)):
        at, name = draw.randint(1, 2000), draw.choice(NOUNS)
        parts.append(
            f"@@ -{at},4 +{at},4 @@\n     {name} = load('{draw.choice(THINGS)}')\n"
            f"-    {old}({name})\n+    {new}({name})\n"
            f"     return {draw.choice(NOUNS)}"
        )
    return "\n".join(parts)


def lookup_table(draw: random.Random) -> str:
    """Bytes in C, zeros among them."""
    share = draw.choice([0.1, 0.3, 0.6])
    rows = []
    for _ in range(draw.randint(30, 80)):
        row = (0 if draw.random() < share else draw.randrange(256) for _ in range(12))
        rows.append("    " + ", ".join(f"0x{value:02X}" for value in row) + ",")
    return "static const uint8_t table[] = {\n" + "\n".join(rows) + "\n};\n"


def vector_path(draw: random.Random) -> str:
    """A drawing in coordinates, or the way of a tool."""
    if draw.random() < 0.5:
        lines = (f"G1 X{draw.uniform(0, 200):.3f} Y{draw.uniform(0, 200):.3f} E{n * 0.031:.4f}" for n in range(150))
        return "\n".join(lines)
    points = (f"{draw.choice('LCQ')} {draw.uniform(0, 500):.1f},{draw.uniform(0, 500):.1f}" for _ in range(200))
    return '<path d="M 0,0 ' + " ".join(points) + ' Z"/>'


def catalogue(draw: random.Random) -> str:
    """Strings to be translated, most still empty."""
    parts = []
    for _ in range(draw.randint(20, 60)):
        said = sentence(draw)
        done = sentence(draw) if draw.random() < 0.3 else ""
        parts.append(f'#: src/{draw.choice(NOUNS)}.c:{draw.randint(1, 900)}\nmsgid "{said}"\nmsgstr "{done}"\n')
    return "\n".join(parts)


def file_tree(draw: random.Random) -> str:
    """A tree of directories."""
    lines = ["."]
    for _ in range(draw.randint(12, 30)):
        lines.append(f"├── {draw.choice(NOUNS)}")
        for _ in range(draw.randint(1, 6)):
            lines.append(f"│   ├── {identifier(draw)}.{draw.choice(['py', 'md', 'c', 'json'])}")
        lines.append("│   └── __init__.py")
    return "\n".join(lines)


def nested_closing(draw: random.Random) -> str:
    """Deeply nested JSON: a staircase of brackets, with much indentation."""
    parts = []
    for _ in range(draw.randint(2, 4)):
        inner: object = draw.choice(NOUNS)
        for _ in range(draw.randint(8, 20)):
            inner = {draw.choice(NOUNS): [inner] if draw.random() < 0.5 else inner}
        parts.append(json.dumps(inner, indent=4))
    return "\n\n".join(parts)


def latex(draw: random.Random) -> str:
    """Steps of algebra."""
    lines = []
    for _ in range(draw.randint(20, 60)):
        a, b, c = (draw.randint(1, 99) for _ in range(3))
        lines.append(rf"\frac{{{a}x + {b}}}{{{c}}} &= \frac{{{a}}}{{{c}}}x + \frac{{{b}}}{{{c}}} \\")
    return "\\begin{align}\n" + "\n".join(lines) + "\n\\end{align}"


def terminal(draw: random.Random) -> str:
    """A session of a shell with a bar that grows."""
    lines = []
    for _ in range(draw.randint(3, 6)):
        lines.append(f"$ fetch {identifier(draw)}.tar")
        for percent in range(0, 101, draw.choice([5, 10])):
            bar = "=" * (percent // 2) + ">" + " " * (50 - percent // 2)
            lines.append(f"[{bar}] {percent:3}% {draw.uniform(1, 9):.1f} MB/s")
        lines.append(f"done: {draw.randint(1, 999)} files, {draw.choice(STATES)}")
    return "\n".join(lines)


FAMILIES = {
    make.__name__: make
    for make in (
        getters, java_bean, asserts, unit_tests, sql_inserts, html_cards, html_table, manifests, stylesheet, switch,
        diff, lookup_table, vector_path, catalogue, file_tree, nested_closing, latex, terminal,
    )
}  # fmt: skip
