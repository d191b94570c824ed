"""The story of a report, section by section: what was chosen, what it gives, against what, how sure, at what cost."""

from __future__ import annotations

from grouping.recommendation import Halving, Network, Recommendation
from grouping.report import tables
from grouping.report.adaptive_view import expectations, trained_next
from grouping.report.blocks import (
    Block,
    Card,
    Cards,
    Code,
    Fact,
    Folded,
    Forest,
    Gallery,
    Measured,
    Paragraph,
    Picture,
    Points,
    Section,
    forest,
    picture,
)
from grouping.report.budget_view import budget_blocks
from grouping.report.controls_view import controls_blocks
from grouping.report.domination_view import domination_blocks
from grouping.report.labels import Figure
from grouping.report.no_harm_view import no_harm_table, no_harm_text
from grouping.report.palette import GROUP_ROLES
from grouping.report.policy_view import policy_blocks
from grouping.report.regret_view import regret_text
from grouping.report.settings_view import settings_blocks
from grouping.report.trainer_view import paired_over, snt_text, trainer_text
from grouping.report.ways_view import tuning_table, ways_table, ways_text
from grouping.report.wording import (
    MISSING,
    change,
    chosen_score,
    cost,
    count,
    difference,
    duration,
    interval,
    loss,
    metric,
    number,
    plain,
    sentence,
    share,
)

__all__ = ["GLOSSARY", "facts", "sections"]

GLOSSARY = (
    (
        "A loss against single-task is a task's loss divided by that of its own standard network, as a change in "
        "percent: +1 % is one percent more loss, lower is better. Means over tasks use the tasks' weights."
    ),
    (
        "An interval is of 95 %; one that holds zero means: not distinguishable. No winner is named there. Only the "
        "verdict takes wider ones, of 97 %: it looks at two comparisons, and noise could name a winner in either."
    ),
    (
        "Selection frequency is how often re-solves on resampled search losses chose the same grouping. It is not a "
        "probability of being right."
    ),
)


_MOST_GROUPINGS = 5


def facts(recommendation: Recommendation) -> tuple[Fact, ...]:
    """The recommendation in five figures."""
    solution, unit = recommendation.solution, recommendation.unit
    main = sum(task.role == "main" for task in recommendation.tasks)
    at_most = f", at most {recommendation.max_networks} allowed" if recommendation.max_networks else ""
    budget = f"budget {cost(recommendation.budget, unit)}"
    shown = [
        Fact("Networks", str(len(solution.networks)), f"for {count(main, 'task')}{at_most}"),
        Fact("Serving cost", cost(solution.cost, unit), budget),
    ]
    score = chosen_score(recommendation)
    if score:
        ends = interval(score.low, score.high, of="change")
        seeds = count(score.seeds, "fresh seed")
        shown.append(Fact("Loss vs single-task", change(score.mean), f"95 % interval {ends}, {seeds}"))
    random = next((p for p in recommendation.paired if p.against == "random"), None)
    if random:
        ends = interval(random.low, random.high)
        shown.append(Fact("Loss vs random groups", difference(random.difference), f"95 % interval {ends}"))
    if recommendation.stability:
        draws = count(recommendation.stability.draws, "re-solve")
        shown.append(Fact("Selection frequency", share(recommendation.stability.frequency, 1), f"of {draws}"))
    return tuple(shown)


def sections(recommendation: Recommendation, figures: dict[str, Figure]) -> tuple[Section, ...]:
    """Every section that has something to say, in reading order."""
    story = (
        Section("groups", "Groups and routing", _groups(recommendation)),
        Section("tasks", "What each task gets", _tasks(recommendation)),
        Section("alternatives", "Against honest alternatives", _alternatives(recommendation, figures)),
        Section("budget", "Loss against budget", budget_blocks(recommendation, figures)),
        Section("affinity", "Who helps whom", _affinity(recommendation, figures)),
        Section("ways", "Ways to share", _ways(recommendation)),
        Section("settings", "Searched settings", settings_blocks(recommendation, figures)),
        Section("policies", "Searched policies", policy_blocks(recommendation, figures)),
        Section("domination", "Who dominates", domination_blocks(recommendation.domination)),
        Section("certainty", "How sure this is", _certainty(recommendation, figures)),
        Section("training", "Along training", _training(recommendation, figures)),
        Section("search", "What it cost to find out", _search(recommendation)),
        Section("next", "What to do next", (Points(recommendation.next_steps),)),
        Section("reproduce", "Reproduce it", _reproduce(recommendation)),
        Section("reading", "How to read the numbers", (Points((*GLOSSARY, snt_text(recommendation))),)),
    )
    kept = (Section(s.key, s.title, tuple(b for b in s.blocks if b)) for s in story)
    return tuple(section for section in kept if section.blocks)


def _groups(recommendation: Recommendation) -> tuple[Block, ...]:
    solution = recommendation.solution
    cards = tuple(_card(recommendation, i, n) for i, n in enumerate(solution.networks))
    return (
        Cards(cards),
        tables.routing(recommendation, solution),
        Folded(tables.networks(recommendation, solution.networks, "The chosen networks and what they cost")),
    )


def _card(recommendation: Recommendation, i: int, network: Network) -> Card:
    measured = {c.task: c.mean for c in tables.relative_losses(recommendation)}
    helpers = tuple(task for task in network.tasks if task not in network.serves)
    facts_shown = [
        ("FLOPs per row", number(network.flops, 6)),
        ("Parameters", number(network.parameters, 6)),
        ("Latency (ms)", number(network.latency_ms)),
    ]
    return Card(
        number=i + 1,
        role=GROUP_ROLES[i % len(GROUP_ROLES)],
        cost=cost(network.cost, recommendation.unit) + (f", {network.candidate}" if network.candidate else ""),
        summary=f"{len(network.tasks)} trained, {len(network.serves)} served",
        served=tuple((task, change(measured.get(task))) for task in network.serves),
        helpers=helpers,
        facts=tuple(fact for fact in facts_shown if fact[1] != MISSING),
    )


def _tasks(recommendation: Recommendation) -> tuple[Block, ...]:
    rows = tables.relative_losses(recommendation)
    serving = {task: tables.short_title(n) for n in recommendation.solution.networks for task in n.serves}
    panel = forest(
        "Test loss of each task against its own network",
        "Change of the test loss against the task's own standard network, in percent; left of zero is better. "
        f"Lines are 95 % intervals over {paired_over(recommendation)}.",
        (Measured(c.task, serving.get(c.task, ""), c.mean - 1, _less_one(c.low), _less_one(c.high)) for c in rows),
    )
    if not rows:
        return (Paragraph("The choice was not confirmed on fresh seeds: there are no test losses to show."),)
    trainer = recommendation.trainer
    whose = () if trainer is None else (Paragraph(trainer_text(trainer)),)
    found = recommendation.no_harm
    harm = () if found is None else (Paragraph(no_harm_text(found)), no_harm_table(found))
    return (*whose, panel, *harm, tables.metrics(recommendation), Folded(tables.confirmed_elsewhere(recommendation)))


def _less_one(end: float | None) -> float | None:
    return None if end is None else end - 1


def _alternatives(recommendation: Recommendation, figures: dict[str, Figure]) -> tuple[Block, ...]:
    if not (recommendation.baselines or recommendation.paired or recommendation.random):
        return (Paragraph("No alternatives were trained, so nothing can be said about them."),)
    blocks: list[Block] = [
        _paired_forest(recommendation),
        Folded(tables.paired(recommendation)),
        tables.alternatives(recommendation),
        Folded(tables.alternative_networks(recommendation)),
    ]
    if recommendation.random:
        random = recommendation.random
        text = (
            f"{count(len(random.values), 'random grouping')} of the same cost and sizes, trained on "
            f"{count(random.seeds, 'fresh seed')} each: mean {change(random.mean)}."
        )
        blocks.append(Paragraph(text))
        blocks += picture(
            figures, "random", "Random groupings", "Each tick is one random grouping; the dot is their mean."
        )
        blocks.append(Folded(tables.random_groupings(recommendation)))
    if recommendation.runner_up:
        second = recommendation.runner_up
        proven = "proven" if second.proven_optimal else "not proven"
        text = (
            f"The runner-up, the next best solution with a different routing: objective {loss(second.objective)} "
            f"(bound {loss(second.bound)}, gap {share(second.gap, 3)}, {proven} for the {second.optimal_for}) at "
            f"{cost(second.cost, recommendation.unit)} of {cost(second.budget, recommendation.unit)}."
        )
        blocks.append(Paragraph(text))
        blocks.append(Folded(tables.networks(recommendation, second.networks, "The runner-up's networks")))
        blocks.append(Folded(tables.runner_up(recommendation)))
    return tuple(blocks)


def _paired_forest(recommendation: Recommendation) -> Forest:
    comparable = {b.name: b.comparable for b in recommendation.baselines}
    return forest(
        "The choice minus each alternative",
        "Paired differences of the mean relative test loss, in percent of a single-task loss; left of zero the choice "
        "is better. Lines are 95 % intervals; where one holds zero, nothing is called better.",
        (
            Measured(
                sentence(p.label),
                "" if comparable.get(p.against, True) else "not comparable",
                p.difference,
                p.low,
                p.high,
            )
            for p in recommendation.paired
        ),
    )


def _affinity(recommendation: Recommendation, figures: dict[str, Figure]) -> tuple[Block, ...]:
    if not recommendation.affinity:
        return controls_blocks(recommendation.controls)
    significant = sum(e.significant for e in recommendation.affinity)
    text = (
        f"Affinity is directed: the effect on one task of training with another. Of {len(recommendation.affinity)} "
        f"directed pairs, {significant} differ from zero at a false discovery rate of 5 %."
    )
    measured_at = "; ".join(f"{key} {plain(value)}" for key, value in recommendation.affinity_measured_at.items())
    return (
        Paragraph(text),
        *picture(
            figures, "affinity", "Effect on ROW of training with COLUMN",
            "Relative gain of the row's task, in percent, from training with the column's task; blue helps, vermilion "
            "hurts. A dot marks effects that are significant at that rate; numbers in parentheses are not "
            "distinguishable from zero. Tasks are ordered by clustering.",
        ),
        *picture(
            figures, "graph", "The strongest effects as a graph",
            "An arrow runs from the partner to the task it affects; solid blue helps, dashed vermilion hurts, thicker "
            "is stronger, pale is not distinguishable from zero. Numbers name the network that serves the task.",
        ),
        *((Paragraph(f"Measured at {measured_at}."),) if measured_at else ()),
        Folded(tables.affinity(recommendation)),
        *controls_blocks(recommendation.controls),
    )  # fmt: skip


def _ways(recommendation: Recommendation) -> tuple[Block, ...]:
    ways = recommendation.ways
    tuning = recommendation.tuning
    told = (Paragraph(ways_text(ways, tuning)), ways_table(ways)) if ways else ()
    return (*told, Folded(tuning_table(tuning))) if tuning else told


def _certainty(recommendation: Recommendation, figures: dict[str, Figure]) -> tuple[Block, ...]:
    solution, stability, audit = recommendation.solution, recommendation.stability, recommendation.audit
    proof = (
        "Proven: no grouping within the budget has a lower objective"
        if solution.proven_optimal
        else "Not proven to be the best: a better grouping may exist, down to the bound"
    )
    blocks: list[Block] = [
        Paragraph(
            f"{proof}. This holds for the {solution.optimal_for}: objective {loss(solution.objective)}, bound "
            f"{loss(solution.bound)}, gap {share(solution.gap, 3)}, cost {cost(solution.cost, recommendation.unit)} of "
            f"{cost(solution.budget, recommendation.unit)}."
        ),
        Paragraph(_audit_text(recommendation)),
    ]
    if recommendation.regret:
        blocks.insert(1, Paragraph(regret_text(recommendation.regret)))
    if recommendation.halving:
        blocks.append(Paragraph(_halving_audit_text(recommendation.halving)))
    if audit and audit.losses:
        blocks += picture(
            figures, "audit", "Estimates against measurements",
            "Each mark is a task in a group. On the dashed line the estimate came true; above it the group is worse "
            "than estimated. Chosen groups tend to lie above it, because their estimates were the lowest.",
        )  # fmt: skip
        blocks.append(Folded(tables.audited(recommendation)))
    elif audit and audit.networks:
        blocks.append(Paragraph(f"Audited groups: {', '.join(audit.networks)}."))
    blocks.append(tables.estimates(recommendation))
    if stability:
        blocks.append(
            Paragraph(
                f"The same grouping was chosen in {share(stability.frequency, 1)} of "
                f"{count(stability.draws, 're-solve')} on resampled search losses. This is a selection frequency, "
                "not a probability."
            )
        )
        blocks.append(tables.groupings(recommendation, _MOST_GROUPINGS))
        if len(stability.groupings) > _MOST_GROUPINGS:
            blocks.append(Folded(tables.groupings(recommendation)))
        blocks += picture(
            figures, "pairs", "How stable each pair is",
            "Percentage of re-solves in which two tasks were trained in one chosen network.",
        )  # fmt: skip
        blocks.append(Folded(tables.pairs(recommendation)))
    else:
        blocks.append(Paragraph("No selection frequency: the search losses were not resampled."))
    blocks.append(tables.repeated_splits(recommendation))
    return tuple(blocks)


def _audit_text(recommendation: Recommendation) -> str:
    audit = recommendation.audit
    if audit is None and recommendation.adaptive:
        return expectations(recommendation.adaptive)
    if audit is None:
        return f"The choice was made on {recommendation.estimator} losses; no audit sample was trained."
    correlation = (
        "rank correlation not defined"
        if audit.spearman is None
        else f"rank correlation (Spearman) {metric(audit.spearman)}, 95 % interval "
        f"{interval(audit.low, audit.high, of='number')}"
    )
    error = f", mean absolute error {difference(audit.mean_absolute_error).lstrip('+')}"
    return (
        f"Audit of the estimator {recommendation.estimator} on {count(audit.groups, 'random group')} trained for that "
        f"purpose ({count(audit.cells, 'cell')}): {correlation}"
        f"{error if audit.mean_absolute_error is not None else ''}. The chosen groups below are a biased sample; this "
        "one is not."
    )


def _halving_audit_text(halving: Halving) -> str:
    if not halving.audited:
        return "None of the groups that halving dropped was trained to the end, so what dropping them cost is unknown."
    error = ""
    if halving.mean_absolute_error is not None:
        error = f"; their early losses erred by {difference(halving.mean_absolute_error).lstrip('+')} on average"
    return (
        f"Audit of halving on {count(halving.audited, 'dropped group')}, drawn at random and trained to the end: "
        f"{halving.beaten} would have beaten a survivor on one of their tasks, {halving.best} every survivor{error}."
    )


def _halving_text(halving: Halving) -> str:
    rungs = [
        f"{rung.dropped} of {count(rung.compared, 'group')} after {share(rung.fraction)} of training"
        for rung in halving.rungs
    ]
    return (
        f"Halving dropped {', '.join(rungs)}: groups that were not among the best {share(halving.keep)} for any of "
        f"their tasks. That saved {share(halving.saved, 1)} of the search's network-epochs, with what audits and "
        "checks trained to the end all the same counted as spent."
    )


def _training(recommendation: Recommendation, figures: dict[str, Figure]) -> tuple[Block, ...]:
    pictures = tuple(
        Picture(f"curves-{i}", t.name, f"Validation loss of {t.name}", figures[f"curves-{i}"]["layout"]["height"])
        for i, t in enumerate(recommendation.tasks)
        if f"curves-{i}" in figures
    )
    caption = (
        "Validation loss of each task: solid in the network that serves it, dashed alone; bands reach from the lowest "
        "to the highest seed."
    )
    text = (
        "A served network has one state: the kept epoch has the lowest mean relative validation loss over the group's "
        "tasks. The table shows what a best epoch per task would have given; it is never served."
    )
    shared = tables.sharing_cost(recommendation)
    return (Gallery("Validation curves", caption, pictures), *((Paragraph(text), shared) if shared else ()))


def _search(recommendation: Recommendation) -> tuple[Block, ...]:
    halving = recommendation.halving
    dropped = f"Dropped groups: {', '.join(halving.networks)}." if halving and halving.networks else ""
    return (
        tables.search_cost(recommendation),
        *((Paragraph(_halving_text(halving)),) if halving else ()),
        *trained_next(recommendation.adaptive),
        *((Paragraph(dropped),) if dropped else ()),
        Paragraph(f"Wall time of the whole run: {duration(recommendation.wall_seconds)}."),
    )


def _reproduce(recommendation: Recommendation) -> tuple[Block, ...]:
    return (
        Code(recommendation.command),
        Paragraph(f"Run {recommendation.run}, made {recommendation.created}."),
        Folded(tables.environment(recommendation)),
    )
