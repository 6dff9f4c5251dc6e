"""How a service opens an account's sessions: keys, share of the budget, journal of requests."""

import random
from collections.abc import Callable
from dataclasses import replace

from ordergate.access.budget import Scope
from ordergate.access.http import parse_origin
from ordergate.access.opening import Opening, Vitals
from ordergate.access.streaming import KeptStream, StreamOpening
from ordergate.runtime.keys import AccountKeys
from ordergate.runtime.requests import RequestJournal
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings
from ordergate.runtime.vitals import StreamVitals, VenueVitals


def open_account(frame: Frame, account: AccountSettings, keys: AccountKeys) -> Opening:
    """With this service's own keys and share. Raises Misconfigured."""
    opening = _opening(frame, account, _share(frame, account))
    return replace(opening, keychain=keys.keychain, slot=keys.slot, mark=keys.marks)


def open_public(frame: Frame, account: AccountSettings) -> Opening:
    """Without a key: public facts only."""
    return _opening(frame, account, _share(frame, account))


def open_stream(
    frame: Frame, account: AccountSettings, venue_url: str | None, open_kept: Callable[[StreamOpening], KeptStream]
) -> KeptStream | None:
    """The account's private stream, closed when the service stops, its counts among the metrics. venue_url: where the venue has it, None: nowhere.

    Raises Misconfigured.
    """
    url = account.stream_url or venue_url
    if url is None:
        return None
    opening = StreamOpening(
        origin=parse_origin(url, plain="ws", encrypted="wss"), clock=frame.clock, draw=random.SystemRandom().random
    )
    stream = open_kept(opening)
    frame.at_stop(stream.close)
    frame.sample(
        StreamVitals(venue=account.venue, account=account.account, stream=stream, metrics=frame.metrics).sample
    )
    return stream


def _share(frame: Frame, account: AccountSettings) -> float:
    return next((share for signer, share in account.shares.items() if signer == frame.name), 0.0)


def _opening(frame: Frame, account: AccountSettings, request_share: float) -> Opening:
    return Opening(
        watched=lambda vitals: _watch(frame, account, vitals),
        url=account.base_url,
        clock=frame.clock,
        record=RequestJournal(
            venue=account.venue_name,
            account=account.account_name,
            service=frame.name,
            instance=frame.instance,
            publisher=frame.publisher,
            trace=frame.trace,
            metrics=frame.metrics,
        ),
        draw=random.SystemRandom().random,
        request_share=request_share,
        limits={Scope(name): limit for name, limit in account.limits.items()},
        deviation=account.venue_deviation,
        order_entry=account.order_entry,
        socket_url=account.stream_url,
        budget=frame.share_budget(account),
    )


def _watch(frame: Frame, account: AccountSettings, vitals: Vitals) -> None:
    """Sessions are numbered in the order in which this process opens them, which is the same after each start."""
    seen = VenueVitals(
        venue=account.venue,
        account=account.account,
        session=f"{frame.name}-{len(frame.samples) + 1}",
        vitals=vitals,
        metrics=frame.metrics,
        log=frame.log,
    )
    frame.sample(seen.sample)
