"""What a stream that went away must be to be taken back, and what the user has agreed to. Pure.

Announced headers are judged first, then the full header of the one that may be it. Whatever was refused by
its full header is no candidate any more: it is not asked again, and makes no twin of the true one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bci_stream.errors import StreamFormatError
from bci_stream.messages import StreamInfo
from bci_stream.sources.lsl_identity import DESCRIPTION, can_agree, differences, match, refusal


class Return:
    """The way back of one stream. ``bound``: its full header; another one once the user has agreed to it.

    Attributes:
        refusal: why what is there is not taken; empty where nothing like it is there.
        asked: the stream that would be taken if the user agreed to what has changed.
    """

    def __init__(self, bound: StreamInfo) -> None:
        self.bound = bound
        self.refusal = ""
        self.asked: StreamInfo | None = None
        self._refused: dict[str, str] = {}  # why, by uid: a header is asked for once
        self._described: set[str] = set()  # uids of those of which only the description has changed
        self._agreed: frozenset[str] = frozenset()
        self._agreed_uid = ""

    def candidate(
        self, streams: Sequence[StreamInfo], present_uid: str = "", alive_until_s: float = math.nan
    ) -> StreamInfo | None:
        """The stream whose full header is to be asked for; None, with :attr:`refusal`, where there is none.

        ``present_uid``: of the stream that is only silent. ``alive_until_s``: see
        :func:`~bci_stream.sources.lsl_identity.match`.
        """
        able = [info for info in streams if info.uid not in self._refused]
        known = next((info for info in streams if info.uid in self._refused), None)
        found = match(self.bound, able, alive_until_s)
        self.asked = found.asked
        if known is not None and known.uid in self._described:
            self.asked = self.asked or known
        if self.asked is not None and self.asked.uid == self._agreed_uid:
            return self.asked
        if found.info is None:
            self.refusal = found.refusal or (self._refused[known.uid] if known is not None else "")
            return None
        return found.info if found.info.uid != present_uid else None

    def check(self, header: StreamInfo) -> None:
        """Raise StreamFormatError, in words for the user, where a full header is not the bound one."""
        if changed := differences(self.bound, header, agreed=self._agreed):
            hint = " (or agree to it)" if changed == DESCRIPTION else ""
            if hint:
                self._described.add(header.uid)
            raise StreamFormatError(refusal(self.bound, changed) + hint)

    def refuse(self, uid: str, why: str) -> None:
        """That stream is not taken, and not asked again."""
        self.refusal = self._refused[uid] = why
        self._agreed_uid = ""  # what was agreed to was not all that had changed

    def take(self, header: StreamInfo) -> None:
        """It is back."""
        self.bound = header
        self.rest()
        self._agreed, self._agreed_uid = frozenset(), ""

    def rest(self) -> None:
        """Nothing is missing."""
        self.asked, self.refusal = None, ""

    def agree(self) -> bool:
        """The user takes the changed stream that is there as it is; False when there is none."""
        asked = self.asked
        if asked is None:
            return False
        described = {DESCRIPTION} if asked.uid in self._described else set()
        self._agreed, self._agreed_uid = can_agree(self.bound, asked) | described, asked.uid
        return True
