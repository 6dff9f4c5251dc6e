"""status: how it stands, in one look."""

import time

from ordergate.cli import reading, say
from ordergate.cli.caller import Caller, open_bus, open_line
from ordergate.cli.exits import Exit
from ordergate.runtime.jetstream import Refusal
from ordergate.runtime.presence import present
from ordergate.trading.order import State
from ordergate.wire import keys, streams
from ordergate.wire.messages import KillDocument

LIMIT_SECONDS = 10.0


async def status(caller: Caller) -> Exit:
    """1 if a sender is missing, an order is unknown, the switch is thrown, or a lane is far behind."""
    limit = caller.limit(LIMIT_SECONDS)
    problems: list[str] = []
    async with open_bus(caller, limit_seconds=limit) as bus:
        senders = sorted(await present(bus, service=streams.ORDER_SUBMISSION))
        lags: dict[str, int] = {}
        for spec in streams.consumers(caller.venue, caller.account):
            answer = await bus.jetstream.api(f"CONSUMER.INFO.{spec.stream}.{spec.durable}")
            if isinstance(answer, Refusal):
                problems.append(f"the consumer {spec.durable} is missing: run `python -m services.provision`")
            else:
                lags[spec.durable] = int(answer["num_pending"])
    async with open_line(caller, limit_seconds=limit) as line:
        live, _ = await reading.live_orders(line, caller)
        kills = [
            await reading.bucket_value(line, streams.CONTROL, key)
            for key in (keys.KILL_EVERYTHING, keys.kill(caller.venue, caller.account))
        ]
    now_ms = time.time_ns() // 1_000_000
    unknown = {
        name: now_ms - (order.unknown_since_ms or order.revised_at_ms)
        for name, order in live.items()
        if order.state is State.UNKNOWN
    }
    thrown = [document for kill in kills if kill and (document := KillDocument.of(kill)).thrown]
    problems += [] if senders else ["no order_submission is running: nothing is sent"]
    problems += [f"{name} is unknown for {say.duration(age)}" for name, age in unknown.items()]
    problems += [f"the kill switch is thrown: {document.reason}" for document in thrown]
    if caller.as_json:
        say.document({"senders": senders, "lag": lags, "live": len(live), "unknown": unknown, "problems": problems})
    else:
        say.line(f"{caller.venue}/{caller.account} on {caller.url}")
        say.line(f"senders   {', '.join(senders) or 'none'}")
        say.line(f"live      {len(live)} orders, {len(unknown)} of them unknown")
        for name, lag in lags.items():
            say.line(f"waiting   {lag} in {name}")
        for problem in problems:
            say.line(f"PROBLEM   {problem}")
    return Exit.NOT_DONE if problems else Exit.DONE
