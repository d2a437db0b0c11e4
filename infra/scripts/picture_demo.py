"""Draws `docs/images/demo.svg` from a real run of the demo: `python infra/scripts/picture_demo.py [port]`."""

import asyncio
import io
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from infra import demo
from infra.run import serving
from infra.settings import load

PICTURE: Final = Path(__file__).parents[2] / "docs" / "images" / "demo.svg"
COLUMNS: Final = 108
"""Wider lines than this are too small to read where the picture is shown."""
LAST_WORDS: Final = "Ctrl-C ends it"
SECONDS_MAX: Final = 120


async def recorded(port: int) -> str:
    """Run the demo on a fresh database; return what it printed, with its colours."""
    printed = io.StringIO()
    console = Console(file=printed, record=True, color_system="truecolor", width=COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        settings = load({"port": port, "data_dir": Path(folder) / "data", "log_level": "error"})
        async with serving(settings) as (_, address), asyncio.timeout(SECONDS_MAX):
            play = asyncio.create_task(demo.play(address, console))
            while LAST_WORDS not in printed.getvalue() and not play.done():  # noqa: ASYNC110 - a text has no event
                await asyncio.sleep(0.05)
            play.cancel()
            await asyncio.gather(play, return_exceptions=True)
    return console.export_text(styles=True)


def main(arguments: list[str]) -> None:
    """Run, and draw. The port is in the picture: give the one that the pages name, if it is free."""
    text = asyncio.run(recorded(int(arguments[0]) if arguments else 8080))
    screen = Console(file=io.StringIO(), record=True, width=COLUMNS, color_system="truecolor", force_terminal=True)
    # A terminal breaks a long line at its last column, as `fold` does.
    screen.print(Text.from_ansi("$ ./procession demo\n" + text), overflow="fold", no_wrap=False)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    # Without the fonts that rich would fetch from elsewhere: a picture in a page calls nobody.
    drawing = re.sub(r"@font-face \{.*?\}", "", screen.export_svg(title="Procession"), flags=re.DOTALL)
    PICTURE.write_text("\n".join(line.rstrip() for line in drawing.splitlines() if line.strip()) + "\n")
    print(f"drew {PICTURE}")


if __name__ == "__main__":
    main(sys.argv[1:])
