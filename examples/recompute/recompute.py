"""Recomputes stored decisions from an export, with nothing but Python's standard library.

    consensus runs --export | python recompute.py

Prints each decision that its reviews and its policy do not give, and how many it looked at; exit 1 for any.
"""

import json
import sys
from decimal import ROUND_HALF_UP, Decimal, localcontext

LABELS = ["approve", "revise", "reject"]
BUILT_IN = """{"thresholds": {"approve": "0.8", "revise": "0.6"}, "blocking_weight": "0.5",
    "least_fresh_weight": "0.4", "strategy": "WEIGHTED_MEAN",
    "vetoes": [{"persona_id": "", "flag": "SECURITY_CRITICAL", "at_most": "revise"}]}"""


def log_odds(policy, scores):
    fitted, given = policy["parameters"], policy["correlation"].get("fitted")
    known = {who: each for who, each in fitted["confusions"].items() if who in scores}
    pseudo, heat, rho = Decimal(fitted["pseudo_count"]), Decimal(fitted["temperature"]), Decimal(given or 0)
    if rho > 0 and len(known) < len(fitted["confusions"]):  # fewer copy less from one another
        alike = 1 + (len(fitted["confusions"]) - 1) * rho
        heat = max(heat, min(Decimal(1), heat * alike / (1 + (max(len(known), 1) - 1) * rho)))
    logs = []
    for row, prior in enumerate(fitted["prior_counts"]):
        logs.append(((prior + pseudo) / sum(each + pseudo for each in fitted["prior_counts"])).ln())
        for who, each in known.items():
            cells = each["counts"][row]
            cell = cells[sum(scores[who] >= Decimal(cut) for cut in each["cuts"])]
            logs[-1] += heat * ((cell + pseudo) / (sum(cells) + pseudo * len(cells))).ln()
    powers = [(log - max(logs)).exp() for log in logs]
    return [power / sum(powers) for power in powers]


def logistic(policy, scores):
    terms = {who: term for who, term in policy["parameters"]["terms"].items() if who in scores}
    x = sum(
        Decimal(term["coefficient"]) * (scores[who] - Decimal(term["mean"])) for who, term in terms.items()
    )
    reached = [1 / (1 + (-(Decimal(cut) + x)).exp()) for cut in policy["parameters"]["cuts"]] + [Decimal(1)]
    return [each - before for each, before in zip(reached, [Decimal(0), *reached], strict=False)]


def first_label(policy, scores, mean, is_blocked):
    approve, revise = (Decimal(policy["thresholds"][name]) for name in ("approve", "revise"))
    if policy["strategy"] == "WEIGHTED_MEAN":
        return 0 if mean >= approve else 1 if mean >= revise else 2
    shares = (log_odds if policy["strategy"] == "LOG_ODDS_TEMPERED" else logistic)(policy, scores)
    likely = dict(zip(policy["parameters"]["labels"], shares, strict=True))
    losses = [sum(p * Decimal(policy["loss"][name][right]) for right, p in likely.items()) for name in LABELS]
    losses = [loss.quantize(Decimal("0.000001"), ROUND_HALF_UP) for loss in losses]
    agree = min(scores.values()) >= approve and not is_blocked
    return min([1, 0] if agree else [2, 1, 0], key=lambda label: losses[label])


def decide(run):
    asked, reviews = run["specification"], run["personaReviews"]
    policy = json.loads(BUILT_IN) | json.loads(asked.get("policy", {}).get("content", "{}"))
    weights = {each["personaId"]: Decimal(repr(each["weight"])) for each in asked["personas"]}
    weights |= {who: Decimal(weight) for who, weight in policy.get("weights", {}).items() if who in weights}
    scores = {each["personaId"]: Decimal(repr(each["confidenceScore"])) for each in reviews}
    issues = {
        each["personaId"]: [i for i in each["blockingIssues"] if not i.get("unsupported")] for each in reviews
    }
    blocking = [who for who, found in issues.items() if found]
    present = sum(weights[who] for who in scores)
    mean = sum(weights[who] * score for who, score in scores.items()) / present
    label = first_label(policy, scores, mean.quantize(Decimal("0.0001"), ROUND_HALF_UP), blocking)
    holders = {each["personaId"] for each in asked["personas"] if each["holdsVeto"]}
    for veto in policy["vetoes"]:
        found = [
            i
            for who in [veto["persona_id"]] * bool(veto["persona_id"]) or holders
            for i in issues.get(who, [])
        ]
        if any(veto["flag"] == "BLOCKING" or issue.get("securityCritical") for issue in found):
            label = max(label, LABELS.index(veto["at_most"]))
    people = {"human"} - weights.keys() if Decimal(policy.get("human_weight", 0)) else set()
    holders |= {veto["persona_id"] for veto in policy["vetoes"] if veto["persona_id"]} - people
    required = {*holders, *asked.get("quorum", {}).get("requiredPersonas", [])}
    required |= set(policy.get("quorum", {}).get("required_personas", []))
    fresh = {each["personaId"] for each in reviews if not each.get("staleSections")}
    share, least = policy["blocking_weight"], policy["least_fresh_weight"]
    # Only the built-in policy is another in each version.
    version = "pinned" if asked.get("policy") else asked["policyVersion"]
    is_stale = version != "1.0.0" and least and len(fresh) < len(scores)
    read = (sum(weights[who] for who in fresh) / sum(weights.values())).quantize(
        Decimal("0.0001"), ROUND_HALF_UP
    )
    rules = [
        share is not None and blocking and sum(weights[who] for who in blocking) >= Decimal(share) * present,
        required - scores.keys(),
        is_stale and (read < Decimal(least) or (holders and not fresh & holders)),
        version not in ("1.0.0", "1.1.0") and run.get("suspicions") and not policy.get("approve_suspected"),
    ]
    return LABELS[max(label, 1) if any(rules) else label]


def main():
    looked_at = wrong = 0
    with localcontext(prec=34):
        for run in filter(lambda run: run.get("decision"), map(json.loads, sys.stdin)):
            stored = run["decision"]["label"].removeprefix("DECISION_LABEL_").lower()
            looked_at, wrong = looked_at + 1, wrong + (decide(run) != stored)
            if decide(run) != stored:
                print(f"{run['runId']}: {stored} is stored, {decide(run)} follows")
    print(f"{looked_at} decisions recomputed, {wrong} of them otherwise than they are stored")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
