"""A game that reads predictions over OSC: ``python examples/game_osc.py [PORT]``, default 9000.

Start predictions with ``bci-stream live --osc 127.0.0.1:9000``. The addresses are listed in
``bci_stream/sinks/osc.py``. Should nothing at all come for two seconds, the sender itself is gone.
"""

import sys
from typing import Any

from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer

SILENCE_S = 2.0
ARENAS = {"happiness": "a sunny meadow", "anger": "a volcano", "sadness": "rain", "calm": "a lake at dusk"}


class Game:
    """What the player sees; a real game would draw it."""

    arena = ""

    def on_prediction(self, address: str, label: str, confidence: float, *_: Any) -> None:
        """A new window has been classified, or a label is over: then it is ``no decision``."""
        sure = label != "no decision" and confidence >= 0.5
        self.enter(ARENAS.get(label, "a plain arena") if sure else "a plain arena")

    def enter(self, arena: str) -> None:
        """Change the scene when it is another one."""
        if arena != self.arena:
            self.arena = arena
            sys.stdout.write(f"the player is in {arena}\n")
            sys.stdout.flush()


def main(port: int) -> None:
    """Play until Ctrl-C."""
    game, dispatcher = Game(), Dispatcher()
    dispatcher.map("/bci/prediction", game.on_prediction)
    server = BlockingOSCUDPServer(("127.0.0.1", port), dispatcher)
    server.timeout = SILENCE_S
    server.handle_timeout = lambda: game.enter("a plain arena")  # type: ignore[method-assign]
    while True:
        server.handle_request()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9000)
