"""The synchroniser's rules for one book, slow and obvious: what engine/feed/sync.pyx must agree with.

Source: developers.binance.com, "How to manage a local order book correctly", spot and USD-M futures.
"""

from typing import NamedTuple

from ipc.messages import BookReason, BookState, Refusal


class Diff(NamedTuple):
    """Update ids of one depth update: U, u, and pu (-1 for spot)."""

    first: int
    last: int
    previous: int = -1


Said = tuple[
    str, int, int
]  # ("diff", u, 0), ("snapshot", id, 0), ("state", BookState, BookReason), ("refusal", code, n)


class ReferenceSync:
    """What is said downstream for each diff and each snapshot of one book, and why."""

    def __init__(self, spot: bool) -> None:
        self.spot = spot
        self.state = BookState.SYNCING
        self.seen: int | None = None  # u of the last diff of the stream
        self.snapshot_id: int | None = None  # sent on, not yet joined by a diff
        self.waiting: list[Diff] = []

    def on_diff(self, diff: Diff) -> list[Said]:
        said: list[Said] = []
        if self.seen is not None and not self._follows(diff, self.seen):
            if diff.last <= self.seen:
                return [("refusal", Refusal.UPDATE_DUPLICATE, self.seen)]
            self.state, self.snapshot_id, self.waiting = BookState.GAP, None, []
            said.append(("state", BookState.GAP, BookReason.MISSING_UPDATE))
        self.seen = diff.last
        if self.state == BookState.VALID:
            return [*said, ("diff", diff.last, 0)]
        if self.snapshot_id is None:
            self.waiting.append(diff)
            return said
        if self._before(diff, self.snapshot_id):
            return [*said, ("refusal", Refusal.UPDATE_BEFORE_SNAPSHOT, 1)]
        joins = self._joins(diff, self.snapshot_id)
        self.snapshot_id = None
        if joins:
            self.state = BookState.VALID
            return [*said, ("diff", diff.last, 0), ("state", BookState.VALID, BookReason.NONE)]
        self.state = BookState.GAP
        self.waiting = [diff]
        return [*said, ("state", BookState.GAP, BookReason.SNAPSHOT_TOO_OLD)]

    def on_snapshot(self, update_id: int) -> list[Said]:
        if self.state == BookState.VALID:
            return []
        said: list[Said] = []
        later = [diff for diff in self.waiting if not self._before(diff, update_id)]
        self.state = BookState.SYNCING
        if later and not self._joins(later[0], update_id):
            return [("state", BookState.SYNCING, BookReason.SNAPSHOT_TOO_OLD)]
        if len(later) < len(self.waiting):
            said.append(("refusal", Refusal.UPDATE_BEFORE_SNAPSHOT, len(self.waiting) - len(later)))
        said += [("state", BookState.SYNCING, BookReason.NONE), ("snapshot", update_id, 0)]
        said += [("diff", diff.last, 0) for diff in later]
        self.waiting = []
        self.snapshot_id = update_id
        if later:
            self.snapshot_id = None
            self.state = BookState.VALID
            said.append(("state", BookState.VALID, BookReason.NONE))
        return said

    def on_disconnect(self) -> list[Said]:
        self.state, self.seen, self.snapshot_id, self.waiting = BookState.SYNCING, None, None, []
        return [("state", BookState.SYNCING, BookReason.DISCONNECTED)]

    def _follows(self, diff: Diff, seen: int) -> bool:
        return diff.first == seen + 1 if self.spot else diff.previous == seen

    def _before(self, diff: Diff, snapshot_id: int) -> bool:
        return diff.last <= snapshot_id if self.spot else diff.last < snapshot_id

    def _joins(self, diff: Diff, snapshot_id: int) -> bool:
        if self.spot:
            return diff.first <= snapshot_id + 1
        return diff.first <= snapshot_id or diff.previous <= snapshot_id
