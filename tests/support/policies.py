"""Policies of each strategy over the built-in panel, as fitting would make them; the numbers are made up."""

from dataclasses import replace
from decimal import Decimal

from consensus_decision.labels import LABELS
from consensus_decision.policy import (
    DEFAULT,
    Confusion,
    Correlation,
    LogisticParameters,
    LogOddsParameters,
    MeanParameters,
    Ordinal,
    Policy,
    Provenance,
    ScoreTerm,
    Selection,
    Strategy,
)
from tests.support.engine import PANEL

FITTED = replace(
    DEFAULT,
    correlation=Correlation(fitted=Decimal("0.5")),
    provenance=Provenance(labelled_runs=100, data_sha256="5" * 64),
)

LOGISTIC = replace(
    FITTED,
    strategy=Strategy.LOGISTIC_SCORES,
    parameters=LogisticParameters(
        ordinal=Ordinal(labels=LABELS, cuts=(Decimal("-1.5"), Decimal("0.5"))),
        terms={
            persona_id: ScoreTerm(Decimal(coefficient), Decimal("0.65"))
            for persona_id, coefficient in zip(PANEL.ids, ("4.25", "3", "0.5", "2.5", "-1"), strict=True)
        },
    ),
)

LOG_ODDS = replace(
    FITTED,
    strategy=Strategy.LOG_ODDS_TEMPERED,
    parameters=LogOddsParameters(
        labels=LABELS,
        prior_counts=(20, 35, 45),
        confusions={
            persona_id: Confusion(
                cuts=(Decimal("0.6"), Decimal("0.8")),
                counts=((1, 4, 15), (8, 20, 7), (30 - index, 10, 5 + index)),
            )
            for index, persona_id in enumerate(PANEL.ids)
        },
        temperature=Decimal("0.4"),
    ),
)

MEAN = replace(
    FITTED,
    parameters=MeanParameters(
        ordinal=Ordinal(labels=LABELS, cuts=(Decimal(-1), Decimal(1))),
        term=ScoreTerm(Decimal("9.5"), Decimal("0.7")),
    ),
)

POLICIES: dict[str, Policy] = {
    "default": DEFAULT,
    "fitted mean": MEAN,
    "logistic": LOGISTIC,
    "log-odds": LOG_ODDS,
    "log-odds, selective": replace(LOG_ODDS, selection=Selection(Decimal("0.15"), Decimal("0.6"))),
}
"""One of each kind."""
