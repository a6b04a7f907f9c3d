"""Long answers that are data: tables, logs, lists of numbers, drawings in characters."""

from __future__ import annotations

import base64
import json
import random

from bench.repetition import words
from bench.repetition.words import ADJECTIVES, NAMES, NOUNS, PLACES, STATES, THINGS, VERBS, sentence, stamp


def markdown_table(draw: random.Random) -> str:
    """Orders, aligned or not."""
    wide = draw.random() < 0.5
    cells = [["id", "name", "city", "item", "qty", "state"], ["---"] * 6]
    for number in range(draw.randint(30, 100)):
        row = [str(number + 1), draw.choice(NAMES), draw.choice(PLACES), draw.choice(THINGS), str(draw.randint(1, 99))]
        cells.append([*row, draw.choice(STATES)])
    return "\n".join("| " + " | ".join(cell.ljust(12) if wide else cell for cell in row) + " |" for row in cells)


def feature_matrix(draw: random.Random) -> str:
    """A table of yes and no."""
    yes, no = draw.choice([("yes", "no"), ("✅", "❌"), ("true", "false"), ("x", " "), ("T", "F")])
    columns = draw.randint(4, 8)
    rows = ["| feature | " + " | ".join(draw.sample(NAMES, columns)) + " |", "|---" * (columns + 1) + "|"]
    for _ in range(draw.randint(25, 70)):
        name = f"{draw.choice(ADJECTIVES)} {draw.choice(NOUNS)}"
        rows.append(f"| {name} | " + " | ".join(draw.choice([yes, no]) for _ in range(columns)) + " |")
    return "\n".join(rows)


def truth_table(draw: random.Random) -> str:
    """All combinations of some variables."""
    count = draw.randint(5, 7)
    true, false = draw.choice([("T", "F"), ("1", "0"), ("true", "false")])
    rows = ["| " + " | ".join("pqrstuv"[:count]) + " | result |", "|---" * (count + 1) + "|"]
    for number in range(2**count):
        bits = [true if number >> bit & 1 else false for bit in reversed(range(count))]
        rows.append("| " + " | ".join([*bits, draw.choice([true, false])]) + " |")
    return "\n".join(rows)


def csv_orders(draw: random.Random) -> str:
    """Orders as CSV."""
    rows = ["id,name,city,item,qty,price,state"]
    for number in range(draw.randint(40, 200)):
        name, place, thing = draw.choice(NAMES), draw.choice(PLACES), draw.choice(THINGS)
        rows.append(
            f"{number},{name},{place},{thing},{draw.randint(1, 9)},{draw.uniform(1, 99):.2f},{draw.choice(STATES)}"
        )
    return "\n".join(rows)


def csv_sparse(draw: random.Random) -> str:
    """CSV most of whose cells are empty."""
    rows = ["id,a,b,c,d,e,f,g,h,i,j,k"]
    for number in range(draw.randint(60, 150)):
        cells = [str(draw.randint(1, 99)) if draw.random() < 0.15 else "" for _ in range(11)]
        rows.append(f"{number}," + ",".join(cells))
    return "\n".join(rows)


def csv_sensor(draw: random.Random) -> str:
    """Measurements that hardly change."""
    value, rows = draw.uniform(10, 30), ["time,sensor,celsius,status"]
    for number in range(draw.randint(60, 200)):
        value += draw.choice([0, 0, 0, 0.1, -0.1])
        rows.append(f"2026-03-01T{number // 60:02}:{number % 60:02}:00Z,{draw.choice('AB')}-1,{value:.1f},ok")
    return "\n".join(rows)


def json_objects(draw: random.Random) -> str:
    """An array of similar objects, compact or indented."""
    rows = [
        {
            "id": number,
            "name": draw.choice(NAMES),
            "city": draw.choice(PLACES),
            "active": draw.random() < 0.8,
            "score": round(draw.random(), 3),
            "tags": draw.sample(NOUNS, draw.randint(0, 3)),
            "parent": None,
        }
        for number in range(draw.randint(15, 60))
    ]
    return json.dumps(rows, indent=draw.choice([None, 2, 4]))


def json_labels(draw: random.Random) -> str:
    """Only labels, as an answer to many questions at once."""
    labels = draw.choice(
        [["positive", "negative", "neutral"], ["spam", "ham"], ["billing", "shipping", "refund", "sales"]]
    )
    said = [draw.choice(labels) for _ in range(draw.randint(150, 400))]
    form = draw.randrange(3)
    if form == 0:
        return json.dumps(said, indent=draw.choice([None, 2]))
    if form == 1:
        return "\n".join(f"{number + 1}. {label}" for number, label in enumerate(said))
    return "\n".join(json.dumps({"id": number, "label": label}) for number, label in enumerate(said))


def app_log(draw: random.Random) -> str:
    """Lines of an application's log."""
    second, lines = draw.uniform(0, 80_000), []
    kinds = ["worker {n} started", "GET /{a}/{n} 200 in {n} ms", "cache miss for {a}", "retry {n} of job {a}", "{s}"]
    for _ in range(draw.randint(40, 120)):
        second += draw.uniform(0, 9)
        text = draw.choice(kinds).format(n=draw.randint(1, 999), a=draw.choice(NOUNS), s=sentence(draw))
        lines.append(
            f"2026-03-01 {stamp(draw, second)} {draw.choice(['INFO ', 'DEBUG', 'WARN '])} [{draw.choice(NOUNS)}] {text}"
        )
    return "\n".join(lines)


def access_log(draw: random.Random) -> str:
    """Lines of a web server's log."""
    second, lines = draw.randint(0, 80_000), []
    for _ in range(draw.randint(30, 90)):
        second += draw.randint(0, 3)
        address = ".".join(str(draw.randint(1, 254)) for _ in range(4))
        path = draw.choice(["/", "/index.html", f"/{draw.choice(NOUNS)}", "/health"])
        lines.append(
            f'{address} - - [01/Mar/2026:{stamp(draw, second)[:8]} +0000] "GET {path} HTTP/1.1" 200 '
            f"{draw.randint(99, 99999)}"
        )
    return "\n".join(lines)


def heartbeat_log(draw: random.Random) -> str:
    """A log that says the same every few seconds; only its times differ."""
    second, step = draw.randint(0, 80_000), draw.choice([1, 5, 10, 30])
    said = draw.choice(
        [
            "INFO heartbeat ok",
            "DEBUG [scheduler] no jobs to run",
            "INFO health check passed for service api",
            "ping: pong",
        ]
    )
    lines = []
    for _ in range(draw.randint(50, 150)):
        second += step
        lines.append(f"2026-03-01 {stamp(draw, second)} {said}")
    return "\n".join(lines)


def run_report(draw: random.Random) -> str:
    """What a test run prints, a line for each test."""
    form = draw.choice(
        ["tests/test_{a}.py::test_{b}_{c} PASSED [{p:3}%]", "ok {n} - {a} {b} {c}", "[  OK  ] {a}.{b} ({n} ms)"]
    )
    count = draw.randint(40, 120)
    return "\n".join(
        form.format(
            a=draw.choice(NOUNS), b=draw.choice(VERBS), c=draw.choice(ADJECTIVES), n=number + 1, p=100 * number // count
        )
        for number in range(count)
    )


def base64_block(draw: random.Random) -> str:
    """Bytes in base64, in lines or in one."""
    text = base64.b64encode(draw.randbytes(draw.randint(1200, 6000))).decode()
    return text if draw.random() < 0.5 else "\n".join(text[at : at + 76] for at in range(0, len(text), 76))


def hex_dump(draw: random.Random) -> str:
    """A dump with offsets; much of it is zero."""
    lines = []
    for row in range(draw.randint(50, 120)):
        data = bytes(16) if draw.random() < 0.35 else bytes(draw.choice([0, draw.randrange(256)]) for _ in range(16))
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)
        lines.append(f"{row * 16:08x}  {data[:8].hex(' ')}  {data[8:].hex(' ')}  |{text}|")
    return "\n".join(lines)


def matrix(draw: random.Random) -> str:
    """Matrices of zeros, ones, unit matrices, in several notations, with words between."""
    parts = []
    for _ in range(draw.randint(2, 5)):
        size = draw.randint(5, 16)
        kind = draw.choice(["zero", "unit", "bits", "small"])
        rows = []
        for i in range(size):
            cells = {
                "zero": ["0"] * size,
                "unit": ["1" if i == j else "0" for j in range(size)],
                "bits": [draw.choice("01") for _ in range(size)],
                "small": [f"{draw.gauss(0, 1):.2f}" for _ in range(size)],
            }[kind]
            rows.append("[" + ", ".join(cells) + "]")
        parts += [sentence(draw), "[" + ",\n ".join(rows) + "]"]
    return "\n\n".join(parts)


def boxes(draw: random.Random) -> str:
    """Drawings in characters: empty frames, grids, a board, with a sentence for each."""
    parts = []
    for _ in range(draw.randint(3, 6)):
        wide, high = draw.randint(20, 64), draw.randint(3, 12)
        frame = ["+" + "-" * wide + "+", *["|" + " " * wide + "|"] * high, "+" + "-" * wide + "+"]
        grid = ["+---" * 8 + "+", "|   " * 8 + "|"] * draw.randint(4, 8)
        title = draw.choice(NOUNS).center(wide)
        named = [frame[0], f"|{title}|", *frame[-3:]]
        parts += [sentence(draw), "\n".join(draw.choice([frame, grid, named]))]
    return "\n\n".join(parts)


def ruled(draw: random.Random) -> str:
    """Sections between lines of dashes or equals signs."""
    rule = draw.choice("-=*_#~") * draw.choice([20, 40, 60, 80, 100, 120])
    parts = []
    for _ in range(draw.randint(10, 30)):
        parts.append(f"{rule}\n{draw.choice(NOUNS).upper()}\n{rule}\n{sentence(draw)}\n")
    return "\n".join(parts)


def emoji_grid(draw: random.Random) -> str:
    """Pictures of coloured squares."""
    squares = draw.sample(list("⬛⬜🟥🟩🟦🟨"), draw.randint(2, 4))
    parts = []
    for _ in range(draw.randint(4, 9)):
        wide = draw.randint(5, 16)
        rows = ["".join(draw.choice(squares) for _ in range(wide)) for _ in range(draw.randint(5, 16))]
        parts += [sentence(draw), "\n".join(rows)]
    return "\n\n".join(parts)


def chess(draw: random.Random) -> str:
    """Moves of games, not good ones."""
    games = []
    for _ in range(draw.randint(3, 8)):
        moves = []
        for number in range(draw.randint(30, 70)):
            pair = [
                draw.choice(["", "N", "B", "R", "Q", "K"]) + draw.choice("abcdefgh") + draw.choice("12345678")
                for _ in "ab"
            ]
            moves.append(f"{number + 1}. {' '.join(pair)}")
        games.append(
            f'[White "{draw.choice(NAMES)}"]\n[Black "{draw.choice(NAMES)}"]\n\n' + " ".join(moves) + " 1/2-1/2"
        )
    return "\n\n".join(games)


def numbers(draw: random.Random) -> str:
    """Whole numbers in order, or a table of products."""
    if draw.random() < 0.5:
        first, step = draw.randint(0, 500), draw.randint(1, 7)
        return draw.choice([", ", "\n", " "]).join(str(first + step * n) for n in range(draw.randint(500, 1200)))
    return "\n".join(f"{a} x {b} = {a * b}" for a in range(2, draw.randint(12, 20)) for b in range(1, 13))


def sequences(draw: random.Random) -> str:
    """DNA in lines of sixty, with stretches of one letter."""
    records = []
    for number in range(draw.randint(3, 7)):
        bases = "".join(draw.choice("ACGT") * (draw.randint(5, 30) if draw.random() < 0.01 else 1) for _ in range(700))
        folded = "\n".join(bases[at : at + 60] for at in range(0, len(bases), 60))
        records.append(f">sequence_{number} {draw.choice(NOUNS)}\n{folded}")
    return "\n".join(records)


def bits(draw: random.Random) -> str:
    """Random bits or dots and dashes."""
    if draw.random() < 0.5:
        return " ".join(f"{draw.randrange(256):08b}" for _ in range(draw.randint(200, 500)))
    return " ".join(
        "".join(draw.choice(".-") for _ in range(draw.randint(1, 5))) for _ in range(draw.randint(500, 1200))
    )


def tablature(draw: random.Random) -> str:
    """Guitar tablature; the strings not played are dashes."""
    parts = []
    for _ in range(draw.randint(6, 14)):
        for string in "eBGDAE":
            notes = "".join(draw.choice(["--", "--", "---", str(draw.randint(0, 12)) + "-"]) for _ in range(24))
            parts.append(f"{string}|{notes[:48]}|")
        parts.append(draw.choice(["", f"({words.line(draw, VERBS, 4, end='')})"]))
    return "\n".join(parts)


def timetable(draw: random.Random) -> str:
    """The same week again and again, now and then another entry."""
    lines, usual = [], draw.sample(NOUNS, 5)
    for week in range(draw.randint(8, 25)):
        lines.append(f"Week {week + 1}")
        for day, subject in zip(["Mon", "Tue", "Wed", "Thu", "Fri"], usual, strict=True):
            said = subject if draw.random() < 0.8 else draw.choice(NOUNS)
            lines.append(f"  {day} 09:00 {said}, room {draw.randint(1, 40)}")
    return "\n".join(lines)


def calendar(draw: random.Random) -> str:
    """Months as grids of days."""
    parts = []
    for month in range(draw.randint(8, 12)):
        first, days = draw.randrange(7), draw.choice([30, 31])
        cells = ["  "] * first + [f"{day:2}" for day in range(1, days + 1)]
        rows = [" ".join(cells[at : at + 7]) for at in range(0, len(cells), 7)]
        parts.append("\n".join([f"Month {month + 1}".center(20), "Mo Tu We Th Fr Sa Su", *rows]))
    return "\n\n".join(parts)


FAMILIES = {
    make.__name__: make
    for make in (
        markdown_table, feature_matrix, truth_table, csv_orders, csv_sparse, csv_sensor, json_objects, json_labels,
        app_log, access_log, heartbeat_log, run_report, base64_block, hex_dump, matrix, boxes, ruled, emoji_grid,
        chess, numbers, sequences, bits, tablature, timetable, calendar,
    )
}  # fmt: skip
