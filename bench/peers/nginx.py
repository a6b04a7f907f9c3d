"""nginx: the yardstick. Debian's package (`apt install nginx-light`); configuration in nginx.conf."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench import children, machine, meter
from bench.arm import Arm, Target

FOLDER = Path(__file__).resolve().parents[1] / "out" / "nginx"


@contextlib.contextmanager
def nginx(upstream_port: int, core: int | None = None) -> Iterator[Arm]:
    """nginx in front of the upstream, on the serving core unless another is given."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        raise FileNotFoundError("nginx is not installed: apt install nginx-light")
    port = children.free_port()
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = Path(__file__).with_name("nginx.conf").read_text()
    for word, value in {"PORT": port, "UPSTREAM": upstream_port, "FOLDER": FOLDER}.items():
        text = text.replace(word, str(value))
    configuration = FOLDER / "nginx.conf"
    configuration.write_text(text)
    with children.running(
        [program, "-p", FOLDER, "-c", configuration], "nginx", machine.cores().serving, port
    ) as child:
        yield Arm("nginx", Target(port), serving=lambda: meter.tree(child.pid))
