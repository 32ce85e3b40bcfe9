"""A stimulus program in PsychoPy's manner that reads predictions: ``marker_reader.py [NAME]``.

Start predictions with ``bci-stream live --publish emotion``; ``emotion`` is the default NAME. The streams
are read once a frame without ever waiting, so no frame is late. In PsychoPy the sleep is ``win.flip()``.
"""

import sys
import time

import pylsl

FRAME_S = 1 / 60
SILENCE_S = 2.0


def find(name: str) -> pylsl.StreamInlet:
    """The stream of that name; waits until it is there."""
    while True:
        for info in pylsl.resolve_streams(1.0):
            if info.name() == name:
                return pylsl.StreamInlet(info, recover=False)


def main(name: str) -> None:
    """Show each decision with its probabilities until Ctrl-C or the end of the stream."""
    decisions, probabilities = find(f"{name}-decisions"), find(f"{name}-probabilities")
    classes = probabilities.info().get_channel_labels() or []
    shown, seen_s = "", pylsl.local_clock()
    while True:
        values, moments = probabilities.pull_chunk(timeout=0.0)
        labels, stamps = decisions.pull_chunk(timeout=0.0)
        if labels:
            shown, seen_s = labels[-1][0], pylsl.local_clock()
            rows = dict(zip(moments, values, strict=True))  # both are stamped with the window's end
            said = dict(zip(classes, rows.get(stamps[-1], ()), strict=False))
            sys.stdout.write(f"{stamps[-1]:.3f} {shown} {said}\n")
        elif shown != "no decision" and pylsl.local_clock() - seen_s > SILENCE_S:
            shown = "no decision"
            sys.stdout.write("the sender is silent: no decision\n")
        sys.stdout.flush()
        time.sleep(FRAME_S)


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "emotion")
    except pylsl.util.LostError:
        sys.stdout.write("the session is over\n")
