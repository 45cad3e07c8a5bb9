"""Labels whose values come from outside: so many are told apart, and no metric grows beyond that."""

OTHER = "other"
_MOST_CHARACTERS = 200


class BoundedLabel:
    """Makes a label's value of a name from outside: the first `most` names are their own, all others `other`.

    With `most` 0 the value is empty, which to Prometheus is no label at all. Any thread may call it; several
    that meet may go beyond `most` by their number.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._known: set[str] = set()

    def __call__(self, name: str) -> str:
        """The value for a name."""
        if not self.most:
            return ""
        if name in self._known:
            return name
        if len(self._known) >= self.most or len(name) > _MOST_CHARACTERS:
            return OTHER
        self._known.add(name)
        return name


tenant_label = BoundedLabel(0)
"""Tenants, of whom a process tells as many apart as METRICS_TENANTS says."""
