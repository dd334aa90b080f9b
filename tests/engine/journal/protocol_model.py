"""An exhaustive model of who writes what, where and when, and of what each does after a crash.

Explicit states, breadth first, every interleaving of core, journal process, gateway, network and crash within small
bounds (Holzmann, "The model checker SPIN", 1997). One transition is one store that another process, or the next
incarnation, can see. A crash takes a process, or all, between any two; its memory is gone, shared memory is not. A
power cut takes all, and shared memory too; what the journal had not synced may be gone.

    market inputs ──► core ──► journal ring ──► journal        the n-th order is number n, at place n of the order ring;
                       ▲ └───► order ring ──► gateway ─► net ─► venue      what an order says depends on every input
                       └────── report ring ◄────┘                         before it, in the order they were taken in

`Rules` are the design's; every switch of them is a wrong order of steps or a wrong restart, and must be found wanting.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from typing import NamedTuple

Record = tuple[str, int, int | str]  # ("M", k, 0) market input, ("R", n, result) report, ("O", n, content) order
Records = tuple[Record, ...]
Order = tuple[int, int]  # number, content
FOUND, NOT_FOUND = "found", "not found"


@dataclass(frozen=True)
class Rules:
    """The protocol; each default is the design's, the other value is a mistake."""

    journals_outputs_before_publishing: bool = True
    journals_input_first: bool = True
    restart_waits_for_drained_ring: bool = True
    restart_appends_missing_outputs: bool = True
    restart_publishes_beyond_head_only: bool = True
    restart_resumes_after_journaled_inputs: bool = True
    restart_journals_before_publishing: bool = True
    journal_resumes_after_its_last_block: bool = True  # not at the ring's cursor
    marks_before_sending: bool = True
    never_sends_an_attempted_number_again: bool = True
    not_found_waits_for_what_is_under_way: bool = True
    sends_only_what_is_journaled: bool = True  # durability = "disk"
    counts_a_commit_as_on_disk_after_the_next: bool = True  # MDB_NOMETASYNC: its own meta page is not synced yet


@dataclass(frozen=True)
class Bounds:
    orders_of_input: tuple[int, ...] = (1, 2)  # how many orders each market input causes
    crashes: int = 2
    power_cuts: int = 0


class Core(NamedTuple):
    inputs: Records  # taken so far, in order
    steps: tuple[tuple[str, Record], ...]  # ("journal" or "publish", record), still to do


class Gateway(NamedTuple):
    step: str  # "idle", "mark", "send", "ask" (wait or query), "report"
    number: int = 0
    result: str = ""


class State(NamedTuple):
    core: Core | None  # None: dead
    journaling: bool  # the journal process lives
    gateway: Gateway | None
    ring: Records = ()  # the journal ring, from the run's first record
    cursor: int = 0  # the journal process's hint for flow control
    journal: Records = ()
    taken: int = 0  # ring position after the last block, kept in that block
    durable: int = 0  # records of the journal that a power cut leaves
    orders: tuple[Order, ...] = ()  # the order ring
    attempted: int = 0  # numbers marked; they are marked in order
    under_way: tuple[Order, ...] = ()
    venue: tuple[Order, ...] = ()
    reports: Records = ()  # the report ring
    crashes: int = 0
    power_cuts: int = 0


class Wanting(Exception):
    """An invariant does not hold."""


@cache
def content_of(inputs: Records) -> int:
    """What an order says: another value for every history."""
    return hash(inputs)


@cache
def said_to(inputs: Records, orders_of_input: tuple[int, ...]) -> tuple[Order, ...]:
    """The orders caused by the last of these inputs, numbered after those of the inputs before it."""
    kind, which, _ = inputs[-1]
    if kind != "M":
        return ()
    before = sum(orders_of_input[k] for kind, k, _ in inputs[:-1] if kind == "M")
    return tuple((before + i + 1, content_of(inputs)) for i in range(orders_of_input[which]))


@cache
def replay(journal: Records, orders_of_input: tuple[int, ...]) -> tuple[Records, tuple[Order, ...], tuple[Order, ...]]:
    """(inputs, all orders said to them, those the journal does not have). Raises Wanting when the journal differs."""
    inputs: Records = ()
    expected: list[Order] = []
    said: list[Order] = []
    for kind, number, value in journal:
        if kind == "O":
            if not expected or expected.pop(0) != (number, value):
                raise Wanting(f"the journal does not replay: order {number}")
            continue
        if expected:
            raise Wanting("the journal does not replay: an output is missing before an input")
        inputs = (*inputs, (kind, number, value))
        expected = list(said_to(inputs, orders_of_input))
        said += expected
    return inputs, tuple(said), tuple(expected)


def orders_in(records: Records) -> tuple[Order, ...]:
    return tuple((number, int(value)) for kind, number, value in records if kind == "O")


class Model:
    """One set of rules within bounds. `check` walks every reachable state; `counterexample` is the way to a bad one."""

    def __init__(self, rules: Rules, bounds: Bounds) -> None:
        self.rules = rules
        self.bounds = bounds
        self.states = 0
        self.counterexample: list[str] = []

    def check(self) -> None:
        """Raises Wanting at the nearest state in which an invariant does not hold."""
        first = State(core=Core((), ()), journaling=True, gateway=Gateway("idle"))
        came_from: dict[State, tuple[State, str] | None] = {first: None}
        queue = deque([first])
        while queue:
            state = queue.popleft()
            try:
                self._explore(state, came_from, queue)
            except Wanting:
                self.counterexample = self._way_to(state, came_from)
                raise
        self.states = len(came_from)

    def _explore(self, state: State, came_from: dict[State, tuple[State, str] | None], queue: deque[State]) -> None:
        self._check_always(state)
        goes_on = False
        for name, following in self._steps(state):
            goes_on = True
            if following not in came_from:
                came_from[following] = (state, name)
                queue.append(following)
        if not goes_on:
            self._check_at_rest(state)
        for name, following in self._crashes(state):
            if following not in came_from:
                came_from[following] = (state, name)
                queue.append(following)

    def _way_to(self, state: State, came_from: dict[State, tuple[State, str] | None]) -> list[str]:
        names: list[str] = []
        at: State | None = state
        while at is not None and (step := came_from[at]) is not None:
            at, name = step
            names.append(name)
        return names[::-1]

    # -- invariants --

    def _check_always(self, state: State) -> None:
        numbers = [number for number, _ in state.venue]
        if len(set(numbers)) != len(numbers):
            raise Wanting(f"an order was sent twice to the venue: {numbers}")
        replay(state.journal, self.bounds.orders_of_input)
        for place, (number, _) in enumerate(state.orders):
            if number != place + 1:
                raise Wanting(f"order {number} lies at place {place + 1} of the order ring")
        journaled = set(orders_in(state.ring))  # whatever the build that restarts would say, the record was there first
        for number, content in state.orders + state.under_way + state.venue:
            if (number, content) not in journaled:
                raise Wanting(f"order {number} can reach the venue and is not in the journal ring")
        for _, number, result in state.reports:
            if result == NOT_FOUND and number in numbers:
                raise Wanting(f"order {number} is at the venue and was reported as not found: lost")

    def _check_at_rest(self, state: State) -> None:
        inputs, said, missing = replay(state.journal, self.bounds.orders_of_input)
        market = [which for kind, which, _ in inputs if kind == "M"]
        if missing or market != list(range(len(self.bounds.orders_of_input))):
            raise Wanting(f"at rest the journal has inputs {market} and lacks {missing}")
        told = {number: result for kind, number, result in inputs if kind == "R"}
        for number, _ in state.venue:
            if told.get(number) != FOUND:
                raise Wanting(f"order {number} is at the venue and the core was told {told.get(number)}: lost")
        if sorted(told) != [number for number, _ in said]:
            raise Wanting(f"orders {[number for number, _ in said]}, reports of {sorted(told)}")

    # -- steps --

    def _steps(self, state: State) -> Iterator[tuple[str, State]]:
        yield from self._core_steps(state)
        yield from self._journal_steps(state)
        yield from self._gateway_steps(state)
        for order in state.under_way:
            rest = tuple(other for other in state.under_way if other != order)
            yield f"order {order[0]} arrives", state._replace(under_way=rest, venue=(*state.venue, order))
            if state.gateway is None:
                yield f"order {order[0]} is lost with its connection", state._replace(under_way=rest)

    def _core_steps(self, state: State) -> Iterator[tuple[str, State]]:
        core = state.core
        if core is None:
            if state.taken == len(state.ring) or not self.rules.restart_waits_for_drained_ring:
                yield "core restarts", state._replace(core=self._restarted_core(state))
            return
        if core.steps:
            (action, record), rest = core.steps[0], core.steps[1:]
            following = state._replace(core=core._replace(steps=rest))
            if action == "journal":
                yield f"core journals {record[:2]}", following._replace(ring=(*state.ring, record))
            else:
                order = (record[1], int(record[2]))
                yield f"core publishes {record[1]}", following._replace(orders=(*state.orders, order))
            return
        which = sum(kind == "M" for kind, _, _ in core.inputs)
        if which < len(self.bounds.orders_of_input):
            yield f"core takes market {which}", state._replace(core=self._taking(core, ("M", which, 0)))
        heard = sum(kind == "R" for kind, _, _ in core.inputs)
        if heard < len(state.reports):
            yield f"core takes report {heard}", state._replace(core=self._taking(core, state.reports[heard]))

    def _taking(self, core: Core, record: Record) -> Core:
        inputs = (*core.inputs, record)
        outputs: list[Record] = [
            ("O", number, content) for number, content in said_to(inputs, self.bounds.orders_of_input)
        ]
        copy_in: list[tuple[str, Record]] = [("journal", record)]
        copy_out: list[tuple[str, Record]] = [("journal", output) for output in outputs]
        publish: list[tuple[str, Record]] = [("publish", output) for output in outputs]
        if not self.rules.journals_input_first:
            steps = copy_out + copy_in + publish
        elif not self.rules.journals_outputs_before_publishing:
            steps = copy_in + publish + copy_out
        else:
            steps = copy_in + copy_out + publish
        return Core(inputs, tuple(steps))

    def _restarted_core(self, state: State) -> Core:
        inputs, said, missing = replay(state.journal, self.bounds.orders_of_input)
        append: list[tuple[str, Record]] = [("journal", ("O", number, content)) for number, content in missing]
        if not self.rules.restart_appends_missing_outputs:
            append = []
        beyond = len(state.orders) if self.rules.restart_publishes_beyond_head_only else 0
        publish: list[tuple[str, Record]] = [
            ("publish", ("O", number, content)) for number, content in said if number > beyond
        ]
        if not self.rules.restart_resumes_after_journaled_inputs:
            inputs = inputs[:-1]
        steps = append + publish if self.rules.restart_journals_before_publishing else publish + append
        return Core(inputs, tuple(steps))

    def _journal_steps(self, state: State) -> Iterator[tuple[str, State]]:
        if not state.journaling:
            start = state.taken if self.rules.journal_resumes_after_its_last_block else state.cursor
            yield "journal restarts", state._replace(journaling=True, taken=start, cursor=start)
            return
        if state.taken < len(state.ring):
            grown = state.journal + state.ring[state.taken :]
            # this commit syncs the meta page of the one before it (engine/journal/segment.py)
            durable = len(state.journal) if self.bounds.power_cuts else 0
            yield "journal commits", state._replace(journal=grown, taken=len(state.ring), durable=durable)
        elif self.bounds.power_cuts and state.durable < len(state.journal):
            yield "journal syncs", state._replace(durable=len(state.journal))
        if state.cursor < state.taken:
            yield "journal frees the ring", state._replace(cursor=state.taken)

    def _gateway_steps(self, state: State) -> Iterator[tuple[str, State]]:
        gateway = state.gateway
        if gateway is None:
            yield "gateway restarts", state._replace(gateway=self._asking(state))
        elif gateway.step == "idle":
            yield from self._next_order(state)
        elif gateway.step == "mark":
            step = "send" if self.rules.marks_before_sending else "ask"
            yield (
                f"gateway marks {gateway.number}",
                state._replace(attempted=gateway.number, gateway=gateway._replace(step=step)),
            )
        elif gateway.step == "send":
            step = "ask" if state.attempted >= gateway.number else "mark"
            order = state.orders[gateway.number - 1]
            yield (
                f"gateway sends {gateway.number}",
                state._replace(under_way=(*state.under_way, order), gateway=gateway._replace(step=step)),
            )
        elif gateway.step == "ask":
            yield from self._answer(state, gateway)
        else:
            report = ("R", gateway.number, gateway.result)
            following = state._replace(reports=(*state.reports, report))
            yield f"gateway reports {gateway.number}", following._replace(gateway=self._asking(following))

    def _next_order(self, state: State) -> Iterator[tuple[str, State]]:
        number = state.attempted + 1
        if number > len(state.orders):
            return
        if self.bounds.power_cuts and self.rules.sends_only_what_is_journaled:
            lagging = self.rules.counts_a_commit_as_on_disk_after_the_next
            on_disk = orders_in(state.journal[: state.durable] if lagging else state.journal)
            if number not in [number for number, _ in on_disk]:
                return
        first = "mark" if self.rules.marks_before_sending else "send"
        yield f"gateway takes {number}", state._replace(gateway=Gateway(first, number))

    def _asking(self, state: State) -> Gateway:
        """What a gateway does that has nothing under way itself: an attempted number without a report comes first."""
        reported = {number for _, number, _ in state.reports}
        for number in range(1, state.attempted + 1):
            if number not in reported:
                again = not self.rules.never_sends_an_attempted_number_again
                return Gateway("send" if again else "ask", number)
        return Gateway("idle")

    def _answer(self, state: State, gateway: Gateway) -> Iterator[tuple[str, State]]:
        number = gateway.number
        if number in [other for other, _ in state.venue]:
            yield f"venue has {number}", state._replace(gateway=Gateway("report", number, FOUND))
        elif (
            number not in [other for other, _ in state.under_way]
            or not self.rules.not_found_waits_for_what_is_under_way
        ):
            yield f"venue never had {number}", state._replace(gateway=Gateway("report", number, NOT_FOUND))

    # -- crashes --

    def _crashes(self, state: State) -> Iterator[tuple[str, State]]:
        if state.crashes < self.bounds.crashes:
            hit = state._replace(crashes=state.crashes + 1)
            if state.core is not None:
                yield "CORE DIES", hit._replace(core=None)
            if state.journaling:
                yield "JOURNAL DIES", hit._replace(journaling=False)
            if state.gateway is not None:
                yield "GATEWAY DIES", hit._replace(gateway=None)
            yield "ALL DIE", hit._replace(core=None, journaling=False, gateway=None)
        if state.power_cuts < self.bounds.power_cuts:
            for left in {state.durable, len(state.journal)}:
                yield f"POWER CUT, {left} records left", self._after_power_cut(state, left)

    def _after_power_cut(self, state: State, left: int) -> State:
        """The rings begin anew after the journal's last record; every journaled order may have been attempted."""
        journal = state.journal[:left]
        orders = orders_in(journal)
        return state._replace(
            core=None,
            journaling=False,
            gateway=None,
            ring=journal,
            cursor=left,
            journal=journal,
            taken=left,
            durable=left,
            orders=orders,
            attempted=len(orders),
            reports=tuple(record for record in journal if record[0] == "R"),
            power_cuts=state.power_cuts + 1,
        )


def switches() -> list[str]:
    """Names of the rules, each of which can be broken alone."""
    return [field.name for field in fields(Rules)]
