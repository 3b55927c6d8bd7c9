"""How fast an endpoint is asked: so many requests at once as it bears, within its limits a minute."""

from __future__ import annotations


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
        self._buckets = [Bucket(requests_per_minute / 60) if requests_per_minute else None, Bucket(tokens_per_minute / 60) if tokens_per_minute else None]

    def free(self, running: int) -> bool:
        """Whether one more may run beside so many."""
        return running < int(self.limit)

    def wait(self, now: float) -> float:
        """Seconds until the next request may go: none where no limit holds it."""
        return max([self._closed_until - now, *(bucket.wait(now) for bucket in self._buckets if bucket)])

    def went(self, tokens: int) -> None:
        """A request of probably so many tokens went out."""
        for bucket, amount in zip(self._buckets, (1, tokens), strict=True):
            if bucket:
                bucket.take(amount)

    def answered(self) -> None:
        """An answer came: grow by one for as many answers as go at once."""
        if self._calm_after > 0:
            self._calm_after -= 1
        else:
            self.limit = min(self.most, self.limit + 1 / self.limit)

    def stumbled(self) -> None:
        """A server error or a time-out: no growth until as many answers have come as go at once."""
        self._calm_after = int(self.limit)

    def refused(self, sent: float, seconds: float, now: float) -> None:
        """Too many requests: nobody asks for so many seconds. Of the refusals of one wave (sent before the last halving) only the first one halves."""
        self._closed_until = max(self._closed_until, now + seconds)
        if sent > self._shrunk_at:
            self.limit, self._shrunk_at = max(1.0, self.limit / 2), now
        self.stumbled()


class Bucket:
    """So much a second, and a second's worth at once. Whoever finds anything may take more than there is; the next one waits until that is paid back."""

    def __init__(self, a_second: float):
        self.rate, self.level, self.filled_at = a_second, max(1.0, a_second), 0.0

    def wait(self, now: float) -> float:
        """Seconds until there is anything."""
        self.level = min(max(1.0, self.rate), self.level + (now - self.filled_at) * self.rate)
        self.filled_at = now
        return max(0.0, -self.level / self.rate) if self.level <= 0 else 0.0

    def take(self, amount: float) -> None:
        self.level -= amount
