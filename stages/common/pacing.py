"""How fast an endpoint is asked: so many requests at once as it bears, within its limits a minute."""

from __future__ import annotations

CREDIT = 0.1  # seconds that may be made up for: without them a timer that fires late would lower the rate


class Pace:
    """Additive increase, multiplicative decrease, as TCP shares a line (RFC 5681): "too many requests" halves how many go at once, answers raise it again.

    Times are seconds of one monotonic clock, which the caller reads.
    """

    def __init__(self, at_once: int, requests_per_minute: float | None = None, tokens_per_minute: float | None = None):
        self.most = at_once
        self.limit = float(at_once)  # the endpoint tells soon enough where that is too many
        self._closed_until = 0.0
        self._shrunk_at = float("-inf")
        self._calm_after = 0  # answers until the limit may grow again
        self.waves = 0
        self._meters = Meter(requests_per_minute), Meter(tokens_per_minute)

    def free(self, running: int) -> bool:
        """Whether one more may run beside so many."""
        return running < int(self.limit)

    def wait(self, now: float) -> float:
        """Seconds until the next request may go: none where no limit holds it."""
        return max(0.0, self._closed_until - now, *(meter.next - now for meter in self._meters))

    def went(self, tokens: int, now: float) -> None:
        """A request of probably so many tokens went out."""
        for meter, amount in zip(self._meters, (1, tokens), strict=True):
            meter.take(amount, now)

    def answered(self) -> None:
        """An answer came: grow by one for as many answers as go at once."""
        self.waves = 0
        if self._calm_after > 0:
            self._calm_after -= 1
        else:
            self.limit = min(self.most, self.limit + 1 / self.limit)

    def stumbled(self) -> None:
        """A server error or a time-out: no growth until as many answers have come as go at once."""
        self._calm_after = int(self.limit)

    def refused(self, sent: float, now: float) -> int:
        """Too many requests: half as many at once. The number of waves of refusals since the last answer.

        Of one wave (sent before the last halving) only the first refusal halves.
        """
        if sent > self._shrunk_at:
            self.limit, self._shrunk_at = max(1.0, self.limit / 2), now
            self.waves += 1
        self.stumbled()
        return self.waves

    def close(self, until: float) -> None:
        """Nobody asks before that time."""
        self._closed_until = max(self._closed_until, until)


class Meter:
    """So much a minute, evenly: whoever takes an amount is followed by a gap as long as that amount lasts, so that no minute holds its worth and a burst."""

    def __init__(self, a_minute: float | None):
        self.seconds_each = 60 / a_minute if a_minute else 0.0
        self.next = float("-inf")
        """When the next one may take."""

    def take(self, amount: float, now: float) -> None:
        self.next = max(self.next, now - CREDIT) + amount * self.seconds_each
