"""What the guide paints itself: the head with its electrodes, the voice's level, the cue, a live curve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from apps.gui.palette import SYMBOLS, Theme
from apps.gui.panels.canvas import CENTRE, LEFT, RIGHT, Canvas, pen
from apps.gui.strings import tr
from apps.gui.viewmodels.cue import Cue
from apps.gui.viewmodels.curve import Curve
from apps.gui.viewmodels.electrodes import Electrode
from bci_stream.engine.frame import Frame
from calibration.check import Voice

_WRAP: Final = int(CENTRE.value) | int(QtCore.Qt.TextFlag.TextWordWrap.value)
_QUIETEST_DB: Final = -80.0
_LARGE: Final = 5.6  # of the one word that must be seen


class Picture(Canvas):
    """A canvas that is handed its model."""

    def show_model(self, model: Any) -> None:
        """Paint it if it is another than before."""
        if model == self.model:
            return
        self.model = model
        self.update()
        words = self.told(model)
        if words != self.accessibleDescription():
            self.setAccessibleDescription(words)

    def key(self, frame: Frame) -> tuple[object, ...]:
        """No frames here."""
        return ()


class HeadPicture(Picture):
    """The head from above; each electrode with a symbol and colour for its state."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, tr("electrodes on the head"))
        self.setMinimumSize(300, 300)

    def told(self, model: tuple[Electrode, ...]) -> str:
        """How many are good."""
        n_good = sum(one.state == "good" for one in model)
        return tr("{n} of {m} electrodes are good").format(n=n_good, m=len(model))

    def draw(self, painter: Any, model: tuple[Electrode, ...]) -> None:
        """Outline, then electrodes."""
        em = self.em
        centre = QtCore.QPointF(self.width() / 2, self.height() / 2 + 0.4 * em)
        radius = max(3 * em, min(self.width(), self.height()) / 2 - 2.0 * em)
        placed = [one for one in model if one.at is not None]
        if not model:
            self.empty(painter, tr("listening …"))
            return
        painter.setPen(pen(self.theme.muted, 1.6))
        painter.setBrush(QtGui.QColor(self.theme.field))
        painter.drawEllipse(centre, radius, radius)
        nose = [
            QtCore.QPointF(centre.x() + dx * radius, centre.y() - dy * radius)
            for dx, dy in ((-0.1, 0.992), (0.0, 1.1), (0.1, 0.992))
        ]
        painter.drawPolyline(QtGui.QPolygonF(nose))
        for one in placed:
            assert one.at is not None
            spot = QtCore.QPointF(
                centre.x() + 0.92 * radius * one.at[0], centre.y() - 0.92 * radius * one.at[1]
            )
            self._draw_one(painter, one, spot, many=len(placed) > 40)

    def _draw_one(self, painter: Any, one: Electrode, spot: Any, *, many: bool) -> None:
        em = self.em
        size = (1.0 if many else 1.35) * em
        box = QtCore.QRectF(spot.x() - 2 * em, spot.y() - size * 0.75, 4 * em, size)
        colour = self.theme.quality(one.state)
        symbol = SYMBOLS.get(one.state, SYMBOLS["off"])
        self.write(painter, box, symbol, colour, CENTRE, scale=1.0 if many else 1.3)
        if not many or one.state != "good":
            under = QtCore.QRectF(spot.x() - 2 * em, spot.y() + 0.35 * em, 4 * em, 0.9 * em)
            self.write(painter, under, one.name, self.theme.text, CENTRE, scale=0.8)


class LevelPicture(Picture):
    """How loud the voice is now, and how loud it was."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, tr("level of the voice"))
        self.setFixedHeight(64)

    def told(self, model: Voice) -> str:
        """The figures."""
        return tr("now {now} dB, loud parts {loud} dB of full scale").format(
            now=f"{model.now_db:.0f}", loud=f"{model.loud_db:.0f}"
        )

    def draw(self, painter: Any, model: Voice) -> None:
        """A bar from -80 dB to full scale, the loud and the quiet part as lines."""
        em = self.em
        bar = QtCore.QRectF(0.5, 0.5, self.width() - 1, 1.4 * em)
        painter.setPen(pen(self.theme.border))
        painter.setBrush(QtGui.QColor(self.theme.field))
        painter.drawRoundedRect(bar, 4, 4)
        good = {"good": "good", "clipped": "warn"}.get(model.state, "off")
        fill = QtCore.QRectF(bar)
        fill.setWidth(bar.width() * _share(model.now_db))
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(QtGui.QColor(self.theme.quality(good)))
        painter.drawRoundedRect(fill, 4, 4)
        painter.setPen(pen(self.theme.text, 2.0))
        for level_db in (model.quiet_db, model.loud_db):
            x = bar.left() + bar.width() * _share(level_db)
            painter.drawLine(QtCore.QPointF(x, bar.top()), QtCore.QPointF(x, bar.bottom()))
        for level_db in (-80, -60, -40, -20, 0):
            x = bar.left() + bar.width() * _share(level_db)
            align = LEFT if level_db == -80 else RIGHT if level_db == 0 else CENTRE
            left = x if align is LEFT else x - 4 * em if align is RIGHT else x - 2 * em
            where = QtCore.QRectF(left, bar.bottom() + 0.2 * em, 4 * em, em)
            self.write(painter, where, f"{level_db} dB", self.theme.muted, align, scale=0.85)


def _share(level_db: float) -> float:
    return min(1.0, max(0.0, 1 - level_db / _QUIETEST_DB))


class CuePicture(Picture):
    """The cue: what to do, the emotion large, the words, and how long still. Tells when it was painted."""

    def __init__(self, theme: Theme, painted: Callable[[], None]) -> None:
        super().__init__(theme, tr("what to do now"))
        self._painted = painted
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(330)

    def told(self, model: Cue) -> str:
        """All of it."""
        return ". ".join(words for words in (model.head, model.large, model.words) if words)

    def paintEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Paint, and say so."""
        super().paintEvent(event)
        if self.model is not None:
            self._painted()

    def draw(self, painter: Any, model: Cue) -> None:
        """From top to bottom."""
        em, width, height = self.em, self.width(), self.height()
        colour = {"now": self.theme.good, "bad": self.theme.bad, "wait": self.theme.accent}.get(
            model.level, self.theme.muted
        )
        ground = QtCore.QRectF(0.5, 0.5, width - 1, height - 1)
        painter.setPen(pen(colour if model.level in ("now", "bad") else self.theme.border, 2.0))
        painter.setBrush(QtGui.QColor(self.theme.panel))
        painter.drawRoundedRect(ground.adjusted(1, 1, -1, -1), 8, 8)
        self.write(
            painter,
            QtCore.QRectF(em, 1.2 * em, width - 2 * em, 2.2 * em),
            model.head,
            colour,
            CENTRE,
            scale=1.7,
        )
        self._large(painter, QtCore.QRectF(em, 0.19 * height, width - 2 * em, 0.28 * height), model.large)
        self._words(painter, QtCore.QRectF(3 * em, 0.49 * height, width - 6 * em, 0.32 * height), model.words)
        self._draw_left(painter, model, colour)

    def _large(self, painter: Any, rect: Any, words: str) -> None:
        metrics = self.set_font(painter, _LARGE, bold=True)
        wide = metrics.horizontalAdvance(words)
        scale = _LARGE if wide <= rect.width() else max(1.5, _LARGE * rect.width() / wide * 0.98)
        self.write(painter, rect, words, self.theme.text, CENTRE, scale=scale, bold=True)

    def _words(self, painter: Any, rect: Any, words: str) -> None:
        for scale in (2.3, 2.0, 1.7, 1.4, 1.1):
            metrics = self.set_font(painter, scale)
            if metrics.boundingRect(rect, _WRAP, words).height() <= rect.height():
                break
        painter.setPen(QtGui.QColor(self.theme.text))
        painter.drawText(rect, _WRAP, words)

    def _draw_left(self, painter: Any, model: Cue, colour: str) -> None:
        if not model.left:
            return
        em, width, height = self.em, self.width(), self.height()
        bar = QtCore.QRectF(3 * em, height - 2.6 * em, width - 11 * em, 0.9 * em)
        painter.setPen(pen(self.theme.border))
        painter.setBrush(QtGui.QColor(self.theme.field))
        painter.drawRoundedRect(bar, 5, 5)
        full = QtCore.QRectF(bar)
        full.setWidth(max(0.0, bar.width() * model.left_share))
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(QtGui.QColor(colour))
        painter.drawRoundedRect(full, 5, 5)
        where = QtCore.QRectF(bar.right() + em, bar.top() - 0.5 * em, 6 * em, 1.9 * em)
        self.write(painter, where, model.left, self.theme.text, LEFT, scale=1.4)


class CurvePicture(Picture):
    """The loss on trials held out, of every way of fitting as far as it was tried."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, tr("loss on trials held out of the fit"))
        self.setMinimumHeight(250)
        policy = QtWidgets.QSizePolicy.Policy
        self.setSizePolicy(policy.Expanding, policy.Expanding)

    def told(self, model: Curve) -> str:
        """The best so far."""
        return model.words

    def draw(self, painter: Any, model: Curve) -> None:
        """A line for each way that learns, a dot for those that do not."""
        if not model.lines:
            self.empty(painter, tr("the curve begins with the first part"))
            return
        em = self.em
        area = QtCore.QRectF(4.2 * em, 0.8 * em, self.width() - 18 * em, self.height() - 3.4 * em)
        self._draw_axes(painter, area, model)
        ends: list[float] = []
        for i, line in enumerate(model.lines):
            colour = self.theme.series[i % len(self.theme.series)]
            spots = [self._spot(area, model, n, loss) for n, loss in line.points]
            painter.setPen(pen(colour, 2.0))
            painter.drawPolyline(QtGui.QPolygonF(spots))
            painter.setBrush(QtGui.QColor(colour))
            for spot in spots:
                painter.drawEllipse(spot, 3.0, 3.0)
            painter.setBrush(QtCore.Qt.BrushStyle.NoBrush)
            y = 0.8 * em + i * 1.25 * em
            ends.append(y)
            where = QtCore.QRectF(area.right() + 1.2 * em, y, 12.5 * em, 1.2 * em)
            self.write(painter, where, f"● {line.words}", colour, LEFT, scale=0.95)

    def _draw_axes(self, painter: Any, area: Any, model: Curve) -> None:
        em = self.em
        painter.setPen(pen(self.theme.border))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        for value in (model.low, (model.low + model.high) / 2, model.high):
            y = self._spot(area, model, 0, value).y()
            painter.setPen(pen(self.theme.border))
            painter.drawLine(QtCore.QPointF(area.left(), y), QtCore.QPointF(area.right(), y))
            where = QtCore.QRectF(0, y - 0.6 * em, area.left() - 0.4 * em, 1.2 * em)
            self.write(painter, where, f"{value:.2f}", self.theme.muted, RIGHT, scale=0.9)
        for n in model.steps:
            x = self._spot(area, model, n, model.low).x()
            where = QtCore.QRectF(x - 2 * em, area.bottom() + 0.2 * em, 4 * em, 1.1 * em)
            self.write(painter, where, str(n), self.theme.muted, CENTRE, scale=0.9)
        where = QtCore.QRectF(area.left(), area.bottom() + 1.3 * em, area.width(), 1.2 * em)
        self.write(painter, where, tr("steps of the fit"), self.theme.muted, CENTRE, scale=0.9)

    def _spot(self, area: Any, model: Curve, n_steps: int, loss: float) -> Any:
        """Steps are doubled from one to the next, and so drawn evenly."""
        at = model.steps.index(n_steps) if n_steps in model.steps else 0
        x = area.left() + area.width() * (at + 0.5) / max(1, len(model.steps))
        share = (loss - model.low) / ((model.high - model.low) or 1.0)
        return QtCore.QPointF(x, area.bottom() - share * area.height())


class FilePicture(QtWidgets.QWidget):
    """A picture from a file, as large as there is room."""

    def __init__(self) -> None:
        super().__init__()
        self._picture: Any = None
        policy = QtWidgets.QSizePolicy.Policy
        self.setSizePolicy(policy.Ignored, policy.Ignored)

    def show_file(self, path: Path) -> None:
        """Another picture; nothing is drawn where it cannot be read."""
        self._picture = QtGui.QPixmap(str(path))
        self.setAccessibleName(path.stem)
        self.update()

    def paintEvent(self, _event: Any) -> None:  # noqa: N802 - Qt's name
        """The whole of it, centred."""
        if self._picture is None or self._picture.isNull():
            return
        size = self._picture.size().scaled(self.size(), QtCore.Qt.AspectRatioMode.KeepAspectRatio)
        where = QtCore.QRect(QtCore.QPoint(0, 0), size)
        where.moveCenter(self.rect().center())
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(where, self._picture)
        painter.end()


class StepLine(QtWidgets.QLabel):
    """Where one is, of all the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(tr("steps"))
        self.setTextFormat(QtCore.Qt.TextFormat.RichText)

    def show_steps(self, steps: tuple[str, ...], now: str, theme: Theme) -> None:
        """``now`` stands out; what is past is read, what comes is pale."""
        at = steps.index(now) if now in steps else -1
        words = []
        for i, step in enumerate(steps):
            mark = "✓ " if i < at else ""
            style = f"color:{theme.accent};font-weight:700" if i == at else f"color:{theme.muted}"
            words.append(f"<span style='{style}'>{mark}{tr(step)}</span>")
        text = f" <span style='color:{theme.border}'>→</span> ".join(words)
        if text != self.text():
            self.setText(text)
            self.setAccessibleDescription(
                tr("step {i} of {n}: {words}").format(i=at + 1, n=len(steps), words=now)
            )
