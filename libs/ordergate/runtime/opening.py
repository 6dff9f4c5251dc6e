"""How a service opens an account's sessions: key file, share of the budget, journal of requests."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from ordergate.access.budget import Scope
from ordergate.access.keys import read_key
from ordergate.access.opening import Opening, Vitals
from ordergate.runtime.requests import RequestJournal
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings, Signer
from ordergate.runtime.vitals import VenueVitals
from ordergate.trading.errors import Misconfigured


def open_account(frame: Frame, account: AccountSettings) -> Opening:
    """With this service's own key and share. Raises UnsafeKeyFile, Misconfigured where the account names no key for it."""
    signer = _SIGNERS.get(frame.name)
    key_file = None if signer is None else account.keys.get(signer)
    if signer is None or key_file is None:
        raise Misconfigured(f"account {account.venue}/{account.account} names no key file for {frame.name}")
    return _opening(frame, account, account.shares[signer], key_file)


def open_public(frame: Frame, account: AccountSettings) -> Opening:
    """Without a key: public facts only."""
    signer = _SIGNERS.get(frame.name)
    return _opening(frame, account, 0.0 if signer is None else account.shares[signer], None)


_SIGNERS: Mapping[str, Signer] = {name: name for name in get_args(Signer)}


def _opening(frame: Frame, account: AccountSettings, request_share: float, key_file: Path | None) -> Opening:
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
        key=None if key_file is None else read_key(key_file),
        request_share=request_share,
        limits={Scope(name): limit for name, limit in account.limits.items()},
        deviation=account.venue_deviation,
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
