"""The demo does what the README says: orders move, three things to try work, Ctrl-C ends it."""

import re
import signal
from pathlib import Path

from tests.docs.running import run, running


def test_the_demo_moves_orders_and_what_it_says_to_try_works(tmp_path: Path) -> None:
    with running(tmp_path / "data", "demo") as demo:
        demo.until(re.compile("Ctrl-C ends it"))
        commands = re.findall(r"^ +(curl .+)$", demo.output, re.MULTILINE)
        printed = run(commands, demo.address)
        demo.process.send_signal(signal.SIGINT)
        code = demo.process.wait(timeout=100)

    assert "50/50" in demo.output
    assert len(commands) == 3
    assert '"processDefinitionId":"order"' in printed
    assert '"userTaskKey"' in printed
    assert code == 0
