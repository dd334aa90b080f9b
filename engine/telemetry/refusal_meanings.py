"""What each refusal means and what an operator does about it: shown in reports and in docs/RUNBOOK.md, one source."""

from ipc.messages import Refusal

# code -> (what it means, what to do)
MEANINGS: dict[Refusal, tuple[str, str]] = {
    Refusal.FRAME_MALFORMED: (
        "The feed got a frame that is not what the venue's protocol says.",
        "Look at logs/feed.log; if it repeats, the venue changed its format: stop, do not trade on it.",
    ),
    Refusal.FRAME_TOO_LARGE: (
        "A frame is larger than the feed accepts.",
        "Harmless once; if it repeats, check the address and feed settings.",
    ),
    Refusal.FRAME_UNKNOWN_STREAM: (
        "A frame of a stream that was not asked for.",
        "Harmless; if it repeats, the venue renamed a stream.",
    ),
    Refusal.FRAME_UNKNOWN_SYMBOL: (
        "A frame of a symbol that is not in instruments.",
        "Harmless; add the instrument if it is wanted.",
    ),
    Refusal.DECIMAL_INEXACT: (
        "A price or quantity is no whole number of ticks or lots.",
        "The venue changed tick or lot size: restart with the new instrument filters.",
    ),
    Refusal.UPDATE_DUPLICATE: (
        "A book update that was already applied.",
        "None: it is dropped. Many at once follow a reconnect.",
    ),
    Refusal.UPDATE_BEFORE_SNAPSHOT: (
        "A book update older than the snapshot.",
        "None: part of every synchronisation.",
    ),
    Refusal.BOOK_NOT_VALID: (
        "The book is SYNCING, SUSPECT, STALE or in a GAP; no order is let through on it.",
        "Wait for the resync; if it lasts, see `bot4 status` and logs/feed.log.",
    ),
    Refusal.STALE_DATA: (
        "No book update for longer than risk.stale_data_ms.",
        "Check the feed and the venue; on a quiet market raise risk.stale_data_ms.",
    ),
    Refusal.KILL_SWITCH: (
        "Trading is halted: by an operator, or by a rule of risk.",
        "`bot4 status` says why; mend it, then `bot4 resume`.",
    ),
    Refusal.PRICE_NOT_TICK: (
        "The strategy gave a price that is no whole number of ticks; it is never rounded.",
        "Mend the strategy: compute prices in integer ticks.",
    ),
    Refusal.PRICE_COLLAR: (
        "The price is farther from the mid than risk.price_collar_bp.",
        "Usually the strategy is wrong; widen the collar only after looking.",
    ),
    Refusal.QUANTITY_ZERO: (
        "The quantity is not positive.",
        "Mend the strategy, or its sizing.",
    ),
    Refusal.QUANTITY_TOO_LARGE: (
        "The quantity exceeds risk.order_quantity_lots or the venue's largest.",
        "Lower the size, or raise the limit.",
    ),
    Refusal.ORDER_VALUE: (
        "The order is worth more than risk.order_value_quote.",
        "Lower the size, or raise the limit.",
    ),
    Refusal.POSITION_LIMIT: (
        "The worst case position would exceed risk.position_lots or risk.position_value_quote.",
        "Expected at the limit; `bot4 risk` shows the headroom.",
    ),
    Refusal.GROSS_NOTIONAL: (
        "The worst case over all instruments would exceed risk.gross_notional_quote.",
        "Expected at the limit; `bot4 risk` shows the headroom.",
    ),
    Refusal.MESSAGE_RATE: (
        "More orders or cancels than the rate limit and its burst allow.",
        "Slow the strategy down; the venue's own limits lie close behind ours.",
    ),
    Refusal.REPEATED_ORDER: (
        "The same order too many times within risk.repeat_window_ms.",
        "The strategy loops: halt it and look.",
    ),
    Refusal.DAILY_LOSS: (
        "The loss since 00:00 UTC, or since the run began if that is later, reached risk.daily_loss_quote; "
        "trading is halted.",
        "Decide whether to go on; raising the limit is a decision of the desk, not of the operator alone.",
    ),
    Refusal.OPEN_ORDERS: (
        "As many orders are open as risk.open_orders allows.",
        "Lower the number of quotes, or raise the limit.",
    ),
    Refusal.INSTRUMENT_HALTED: (
        "The venue has halted the instrument.",
        "Wait; orders go through again when the venue says so.",
    ),
    Refusal.INSTRUMENT_UNKNOWN: (
        "An order for an instrument that is not in the table.",
        "A programming error: stop and report it with the journal.",
    ),
    Refusal.ARITHMETIC_OVERFLOW: (
        "Price times quantity leaves 128 bits or the limits' range.",
        "The price or quantity is absurd: mend the strategy.",
    ),
    Refusal.REDUCE_ONLY: (
        "A reduce-only order would open or turn the position.",
        "Expected in a race with a fill; otherwise mend the strategy.",
    ),
    Refusal.ORDER_VALUE_TOO_SMALL: (
        "The order is worth less than the venue's minimum or risk.order_value_minimum_quote.",
        "Raise the quantity: the strategy's parameter or its sizing.",
    ),
    Refusal.NO_REFERENCE_PRICE: (
        "There is no mid price to hold the order against: a side of the book is empty.",
        "Wait for the book.",
    ),
    Refusal.LIMIT_IMPOSSIBLE: (
        "A change of a limit that means nothing; the limit stays as it was.",
        "Send a value within the limit's bounds.",
    ),
    Refusal.RISK_STALE: (
        "The risk process has published nothing for longer than risk.results_age_ms. The conservative rule holds: "
        "CVaR is taken as risk.conservative_loss_bp of everything that can be held, without diversification, and "
        "Kelly sizing bets nothing. "
        "Observed: the age.",
        "See whether the risk process lives (`bot4 status`, logs/risk.log); it is started again by itself.",
    ),
    Refusal.RISK_RESULT_INVALID: (
        "A batch of the risk process holds a NaN, has a hole, contradicts itself, or is dated ahead of the core's time "
        "by more than risk.results_age_ms: it was refused whole.",
        "The last good results stay until they are too old. If it repeats, look at logs/risk.log.",
    ),
    Refusal.CVAR_LIMIT: (
        "With this order, everything open filled at its worst, the CVaR of the book would exceed risk.cvar_quote.",
        "Expected at the limit; `bot4 risk` shows the headroom. What lowers the CVaR passes.",
    ),
    Refusal.CVAR_UNDECIDED: (
        "The limit lies between the two bounds of the book's CVaR and risk.cvar_between is refuse.",
        'Set risk.cvar_between = "exact", or lower the size.',
    ),
    Refusal.DRAWDOWN_SOFT: (
        "Equity is below its peak by more than risk.drawdown_soft_bp: only orders that add nothing pass.",
        "It ends by itself when the loss is made good; raising the limit is a decision of the desk.",
    ),
    Refusal.DRAWDOWN_HARD: (
        "Equity is below its peak by more than risk.drawdown_hard_bp; trading is halted, and Kelly's position is none.",
        "Decide whether to go on; raising the limit is a decision of the desk, not of the operator alone.",
    ),
    Refusal.LEVERAGE: (
        "The worst case over all instruments would exceed risk.leverage_bp of the equity.",
        "Expected at the limit; after a loss the limit has shrunk with the equity.",
    ),
    Refusal.CONCENTRATION: (
        "The worst case of one instrument would exceed risk.concentration_bp of the equity.",
        "Spread over instruments, or raise the limit.",
    ),
    Refusal.CORRELATION: (
        "The instrument moves with what is held already by more than risk.correlation_bp, and the order adds to it.",
        "Expected when the book leans one way; a hedge passes.",
    ),
    Refusal.SIZE_NO_EDGE: (
        "Kelly sizing: the forecast does not pay cost and funding, or its model's card gives no reason to believe it.",
        "None: that is what it is for. If all are refused, `bot4 status` shows every term; look at the model's score.",
    ),
    Refusal.SIZE_ROUNDED_TO_ZERO: (
        "Sizing made less than one lot of it, or Kelly's position is held or open already.",
        "Raise the strategy's sizing, or trade a smaller lot; `bot4 status` shows what the last one was made of.",
    ),
    Refusal.ORDER_TABLE_FULL: (
        "More orders are open than the order table holds.",
        "Raise the table's size in [execution]; it is set before the start.",
    ),
    Refusal.ORDER_UNKNOWN: (
        "A cancel or replace of an order that does not exist.",
        "Mend the strategy; once after a restart it is harmless.",
    ),
    Refusal.ORDER_NOT_CANCELLABLE: (
        "The order is already ending.",
        "None: a race with a fill or an earlier cancel.",
    ),
    Refusal.ORDER_RING_FULL: (
        "The gateway does not take orders as fast as the core makes them.",
        "See whether the gateway lives (`bot4 status`); the venue may be slow.",
    ),
    Refusal.OUTBOX_FULL: (
        "A strategy asked for more than 16 things in one call.",
        "Mend the strategy.",
    ),
    Refusal.STRATEGY_FAILED: (
        "A strategy did something impossible and was switched off; its orders are cancelled.",
        "See `bot4 status` for which; run it with --uncompiled in a backtest to find the line.",
    ),
    Refusal.FORECAST_MISSING: (
        "A forecast was wanted, by a change of model or by Kelly sizing, and there is none that is fresh enough.",
        "See whether the model's process lives; check the model with `bot4 model check`.",
    ),
    Refusal.VENUE_REJECTED: (
        "The venue refused the order for a reason of its own.",
        "logs/gateway.log holds the venue's words.",
    ),
    Refusal.VENUE_DISCONNECTED: (
        "There was no session with the venue, or it had just come back and orders in doubt were asked for first.",
        "Wait for the reconnect; nothing was sent.",
    ),
    Refusal.VENUE_RATE_LIMIT: (
        "The venue's rate limit is used up.",
        "Slow down: going on leads to a ban.",
    ),
    Refusal.VENUE_INSUFFICIENT_BALANCE: (
        "The account cannot pay for the order.",
        "Fund the account, or lower the size.",
    ),
    Refusal.VENUE_WOULD_TAKE: (
        "A LIMIT_MAKER order would have traded at once.",
        "None: the price moved. If most are refused, quote less tightly.",
    ),
    Refusal.VENUE_FILTER: (
        "The order breaks a filter of the venue (tick, lot, notional, percent price).",
        "Compare the instrument's row with the venue's filters; restart when they changed.",
    ),
    Refusal.VENUE_TIMEOUT: (
        "The venue did not answer in time; the order is UNKNOWN and is being queried.",
        "Wait for the answer; `bot4 status` shows UNKNOWN orders. Never send it again by hand.",
    ),
    Refusal.VENUE_UNKNOWN_ORDER: (
        "The venue does not know the order that was to be cancelled or replaced.",
        "None when a fill overtook it; otherwise compare with the venue's own list.",
    ),
    Refusal.GATEWAY_HALTED: (
        "The halt word is set: the gateway sends no new order, whatever the core does.",
        "Mend the reason, then `bot4 resume`.",
    ),
    Refusal.GATEWAY_DUPLICATE_NUMBER: (
        "An order number came to the gateway twice; it was sent once.",
        "Once after a restart it is the promise being kept; otherwise report it with the journal.",
    ),
    Refusal.JOURNAL_FULL: (
        "The disk of the journal is full or below its reserve: trading is halted by rule.",
        "Make room (old runs, [journal] retention), then `bot4 resume`.",
    ),
}


def meaning(name: str) -> str:
    """What the refusal of that name means, or nothing for a name that is none."""
    try:
        return MEANINGS[Refusal[name]][0]
    except KeyError:
        return ""
