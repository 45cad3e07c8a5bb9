"""Holds back every call of this process to a model that asked to be left alone."""

# Rates are limited by the minute: a wait up to this is the route's, and every call keeps it.
MAX_PAUSE_SECONDS = 60.0
# A longer one is an account's, a mistake or malice. Whoever was told so keeps it, or gives up; the others
# hold back briefly, and find out for themselves.
ODD_PAUSE_SECONDS = 5.0


class RouteGate:
    """For each model, the instant before which no call to it begins. One per process."""

    __slots__ = ("_opens_at",)

    def __init__(self) -> None:
        self._opens_at: dict[str, float] = {}

    def pause(self, model: str, seconds: float, now: float) -> None:
        """Closes the route to a model; a pause never shortens an earlier one."""
        opens_at = now + (seconds if seconds <= MAX_PAUSE_SECONDS else ODD_PAUSE_SECONDS)
        if opens_at > self._opens_at.get(model, now):
            self._opens_at[model] = opens_at

    def seconds_until_open(self, model: str, now: float) -> float:
        """How long calls to a model still wait; 0 when the route is open."""
        opens_at = self._opens_at.get(model)
        if opens_at is None:
            return 0.0
        if opens_at <= now:
            del self._opens_at[model]  # names of models come from callers: keep none for good
            return 0.0
        return opens_at - now
