"""Planted bugs: each is a change of the source that somebody could make, and must be caught. Run by `make mutants`.

A bug is put into a copy of the tree, by a replacement that must fit exactly once; then the narrow tests that should
notice are run, or some seeds of the simulation, of which one must break a law that the bug is known to break. A bug
that nobody catches, or that does not fit any more, fails. First the same is run without any bug: it must be clean.
"""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from proof.mutation import ROOT, copy_tree


@dataclasses.dataclass(frozen=True)
class Bug:
    """One change of the source."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ()  # what should notice it,
    laws: tuple[
        int, ...
    ] = ()  # or the laws of which it must break one in the simulation; another one does not count

    def problem(self, root: Path = ROOT) -> str:
        """Return why it does not fit the source as it is, or nothing."""
        count = (root / self.file).read_text().count(self.old)
        return "" if count == 1 else f"{self.name}: {self.file} has its place {count} times, not once"

    def plant(self, root: Path) -> None:
        """Put it into a copy of the tree."""
        path = root / self.file
        path.write_text(path.read_text().replace(self.old, self.new))


SYNC: Final = "shared/settings_sync/workflow.py"
TURNS: Final = "shared/settings_sync/transitions.py"
HOSTS: Final = "shared/artifact_hosts/workflow.py"
HOLD: Final = "shared/incidents/hold.py"
DETECT = "shared/incidents/detect.py"
INCIDENTS: Final = "shared/incidents/transitions.py"
DRILLS: Final = "shared/drills/workflow.py"
HOLDS: Final = "shared/incidents/workflow.py"
STORIES: Final = "tests/proof/test_stories.py"

BUGS: Final = (
    Bug(
        "the re-read before the PUT is skipped",
        SYNC,
        "        seen = await _read_all(self.group, self.tools, claimed)\n        if why_not := stale(",
        "        seen = self._seen\n        if why_not := stale(",
        laws=(3,),
    ),
    Bug(
        "what was read before the PUT is not compared with the plan",
        SYNC,
        "if why_not := stale(flight, seen.sides, resumed=step.resumed):",
        "if why_not := '':",
        laws=(3,),
    ),
    Bug(
        "another key than the store's is taken for its own",
        SYNC,
        "        owner = row.key_id\n",
        "        owner = tools.secret.id\n",
        laws=(3,),
    ),
    Bug(
        "the permit is not asked for",
        "shared/disruption/workflow.py",
        "answer = permit(asked, seen, row.permit if row else None, now)",
        "answer = Granted(Permit(id=asked.id, kind=asked.kind, region=asked.region, granted_at=now, "
        'until=now + asked.at_most, reason="always"))',
        laws=(1,),
    ),
    Bug(
        "a drill asks for no permit",
        DRILLS,
        "        return await request(tools.store, name, asked, seen.health, now, audit_only=tools.audit_only)",
        "        until = now + asked.at_most\n"
        "        return Granted(Permit(id=asked.id, kind=asked.kind, region=asked.region, granted_at=now, "
        "until=until, reason=name))",
        ("tests/drills/test_workflow.py",),
    ),
    Bug(
        "a hold asks for none",
        HOLDS,
        "        answer = await request(tools.store, name, asked, health, now, audit_only=tools.hold.audit_only)\n",
        "        from shared.disruption.model import Permit\n"
        "        answer = Granted(Permit(id=asked.id, kind=asked.kind, region=asked.region, "
        'granted_at=now, until=now + asked.at_most, reason="always"))\n',
        ("tests/incidents/test_hold.py", "tests/incidents/test_workflow.py"),
    ),
    Bug(
        "the permit is never given back",
        "shared/disruption/workflow.py",
        "return Held() if held.disturbed_at is None else None",
        "return None",
        laws=(3,),
    ),
    Bug(
        "a region that was put back is not waited for",
        SYNC,
        "await self._release(flight, disturbed=not well, well=well)",
        "await self._release(flight, disturbed=False)",
        ("tests/settings_sync/test_workflow.py",),
    ),
    Bug(
        "another piece of work's permit is overlooked",
        "shared/disruption/permit.py",
        "if held and held.id != asked.id and stands(held, seen, now):",
        "if held and held.id != asked.id and stands(held, seen, held.until):",
        ("tests/disruption",),
    ),
    Bug(
        "a stale health counts as fresh",
        "shared/disruption/permit.py",
        "FRESH = timedelta(seconds=60)",
        "FRESH = timedelta(seconds=6000)",
        ("tests/disruption",),
    ),
    Bug(
        "a refuge that is down is accepted",
        "shared/disruption/permit.py",
        "if health.state is State.HEALTHY and name != asked.region",
        "if health.state is not State.UNKNOWN and name != asked.region",
        laws=(1,),
    ),
    Bug(
        "the region itself is its own refuge",
        "shared/disruption/permit.py",
        "if health.state is State.HEALTHY and name != asked.region",
        "if health.state is State.HEALTHY",
        laws=(1,),
    ),
    Bug(
        "the soak is ignored",
        TURNS,
        "    return seen.at - max(changed_at, seen.since) >= soak or (not soak and now >= changed_at)",
        "    return True",
        laws=(2,),
    ),
    Bug(
        "the soak counts from when the source was well, not from its last change",
        TURNS,
        "    return seen.at - max(changed_at, seen.since) >= soak or",
        "    return seen.at - seen.since >= soak or",
        laws=(2,),
    ),
    Bug(
        "the deadline of the verification is forgotten",
        TURNS,
        '    if view.now < deadline:\n        return f"given until',
        '    if view.now < deadline or deadline:\n        return f"given until',
        ("tests/settings_sync/test_workflow.py",),
    ),
    Bug(
        "the written region is not verified",
        TURNS,
        "    return came_back(view.health.get(flight.target), flight.start, written_at, rules.soak)",
        "    return True",
        laws=(1,),
    ),
    Bug(
        "nobody asks how the references of a written region fare",
        TURNS,
        "        return flight.target, tuple(planned.key for planned in flight.keys) if written else ()",
        "        return flight.target, ()",
        laws=(2,),
    ),
    Bug(
        "a reference travels though its own region cannot resolve it",
        TURNS,
        "    if set_.forced or (lasted and not view.unresolved):",
        "    if set_.forced or lasted:",
        laws=(2,),
    ),
    Bug(
        "a reference to a secret that is not there counts as resolved",
        "shared/groups/model.py",
        "        return self._read[0]",
        '        return self.status != "AccessToKeyVaultDenied"',
        laws=(2,),
    ),
    Bug(
        "what was reverted by policy is reverted though it has mended",
        TURNS,
        "        if verdict.by == POLICY and (verdict.key, verdict.state) in well",
        "        if False",
        ("tests/settings_sync/test_transitions.py",),
    ),
    Bug(
        "a hold ends the wait for what was done to its region before",
        "shared/disruption/permit.py",
        "until, awaited = max(until, held.until), held.disturbed_at or held.awaited",
        "until, awaited = max(until, held.until), None",
        ("tests/disruption",),
    ),
    Bug(
        "what was undone is tried again at once",
        TURNS,
        "    states = set() if retry else {decision.state for decision in view.decisions if decision.key in names}",
        "    states = set[str]()",
        ("tests/settings_sync/test_workflow.py",),
    ),
    Bug(
        "the copy of old values is not deleted",
        SYNC,
        "                await self._forget(flight, turned.rollout.reason)\n"
        "                await self._release(flight, disturbed=not well, well=well)",
        "                await self._release(flight, disturbed=not well, well=well)",
        ("tests/settings_sync/test_workflow.py",),  # over the timer's turns its sweep deletes it
    ),
    Bug(
        "the row is saved after the write, not before it",
        SYNC,
        "                claimed = await self._save(turned.rollout)\n"
        "                return await self._ours(flight, self._write(claimed, flight, turned.step))",
        "                claimed = turned.rollout\n"
        "                return await self._ours(flight, self._write(claimed, flight, turned.step))",
        laws=(3,),
    ),
    Bug(
        "a value is logged",
        SYNC,
        '            log.info("%s: %s: %s", self.group.name, rollout.state, rollout.reason)',
        '            log.info("%s: %s", self.group.name, [it.reveal() for one in self._seen.settings.values() '
        "for it in one.app.values()])",
        laws=(4,),
    ),
    Bug(
        "a value stands for itself, not its fingerprint",
        "shared/settings_sync/fingerprint.py",
        'return self._digest(b"app", _bytes(key), *_fields(value))',
        "return value.reveal()",
        laws=(4,),
    ),
    Bug(
        "the app settings are written without those that did not change",
        "shared/settings_sync/patch.py",
        "{**settings.app, **patch.app}.items()",
        "patch.app.items()",
        laws=(3,),
    ),
    Bug(
        "an endpoint that was held is not given back",
        HOLD,
        "    if _sound_for(hold, rules.soak):",
        "    if _sound_for(hold, 1e12):",
        laws=(6,),
    ),
    Bug(
        "a hold is ended by a profile that was read too early",
        HOLDS,
        "    if row.hold is not None and turned.row.hold is None:\n",
        "    if row.hold is not None and turned.row.hold is row.hold:\n",
        laws=(6,),
    ),
    Bug(
        "the last endpoint may be disabled",
        "shared/groups/routing.py",
        "        if endpoint is not own and endpoint.enabled and endpoint.status in ANSWERED",
        "        if endpoint.enabled",
        ("tests/incidents/test_hold.py",),
    ),
    Bug(
        "a card is told twice",
        INCIDENTS,
        "    due = tuple(telling for telling in _due(named, incident, now, rules) if telling not in named.told)",
        "    due = tuple(_due(named, incident, now, rules))",
        ("tests/incidents/test_workflow.py",),
    ),
    Bug(
        "a letter is sent without being claimed",
        "shared/outbox.py",
        "claimed = None if row[0].subject in stuck else await _claim(store, row, clock.now())",
        "claimed = None if row[0].subject in stuck else row",
        laws=(3,),
    ),
    Bug(
        "a letter is given up too early",
        "shared/outbox.py",
        "GIVE_UP_AFTER = timedelta(days=1)",
        "GIVE_UP_AFTER = timedelta(hours=6)",
        laws=(3,),
    ),
    Bug(
        "a letter is given up in silence",
        "shared/outbox.py",
        '        log.error(\n            "message %s could not be told to %s within a day and is given up: %s",',
        '        log.warning(\n            "message %s could not be told to %s within a day and is given up: %s",',
        laws=(3,),
    ),
    Bug(
        "a letter is given up before a timeline says so",
        "shared/outbox.py",
        "        await note(letter)\n    await _save(store, letter, claimed[1])\n",
        "        await _save(store, letter, claimed[1])\n        await note(letter)\n"
        "        return letter, problem\n    await _save(store, letter, claimed[1])\n",
        laws=(3,),
    ),
    Bug(
        "an older package is taken",
        "shared/artifact_hosts/choose.py",
        "FIT = frozenset({Relation.EQUAL, Relation.NEWER})",
        "FIT = frozenset({Relation.EQUAL, Relation.NEWER, Relation.OLDER})",
        ("tests/artifact_hosts/test_choose.py",),
    ),
    Bug(
        "the new host is not looked at just before the rotation",
        HOSTS,
        "        if why_not := await self._gone_bad(claimed, flight, url):",
        '        if why_not := "":',
        ("tests/artifact_hosts/test_workflow.py",),
    ),
    Bug(
        "a rotation is made though the region was moved meanwhile",
        HOSTS,
        "        if why_not := self._moved(flight, settings.app) or self._late(flight):",
        '        if why_not := "":',
        ("tests/artifact_hosts/test_workflow.py",),
    ),
    Bug(
        "a rotation is not undone",
        "shared/artifact_hosts/transitions.py",
        "    return _undoing(enter(row, State.UNDOING, failed, view.now), flight, view, rules)",
        "    return _close(row, flight, view, failed)",
        ("tests/artifact_hosts/test_workflow.py",),
    ),
    Bug(
        "of two different changes one wins",
        "shared/settings_sync/merge.py",
        "    if len(set(moved.values())) > 1:",
        "    if len(set(moved.values())) > 9:",
        laws=(3,),
    ),
    Bug(
        "the timer reads the settings at every turn",
        SYNC,
        "    return age(rollout.looked_at, now) >= timedelta(seconds=rules.sweep)",
        "    return True",
        laws=(7,),
    ),
    Bug(
        "the two sweeps each read at a time of their own",
        HOSTS,
        "SWEEPS_MISSED = 2\n",
        "SWEEPS_MISSED = 1\n",
        laws=(7,),
    ),
    Bug(
        "a region that is to come back from a drill is left out for half an hour more",
        DRILLS,
        "    try:\n        await tools.control.enable_endpoint(drill.group_id, drill.region)",
        "    if tools.clock.now() - drill.since < timedelta(minutes=30):\n        return None\n"
        "    try:\n        await tools.control.enable_endpoint(drill.group_id, drill.region)",
        laws=(6,),
    ),
    Bug(
        "an outage is not told",
        INCIDENTS,
        "        if told or sure or waited:",
        "        if told:",
        laws=(3,),
    ),
    Bug(
        "the end of an outage is not told",
        INCIDENTS,
        "    elif _is_past(incident, now, rules) and (told or sure):",
        "    elif _is_past(incident, now, rules) and not (told or sure):",
        laws=(3,),
    ),
    Bug(
        "an end that was told before counts for the outage after it",
        INCIDENTS,
        "    again = (Telling.RESOLVED,) if Telling.RESOLVED in first.told else ()",
        "    again = ()",
        ("tests/incidents/test_transitions.py",),
    ),
    Bug(
        "a held change is told as an outage of a region",
        "shared/reconcile/incidents.py",
        "                Topic.SETTINGS, since=since, now=now, cause=HELD, id=id_, text=text, evidence=evidence\n",
        "                Topic.SERVICE, region=rollout.footprints[0].region, since=since, now=now, cause=HELD,\n"
        "                text=text\n",
        laws=(5,),
    ),
    Bug(
        "an outage of one region is told as everybody's",
        "shared/groups/classify.py",
        "    return Cause.ONE_REGION if Standing.SERVING in stand.values() else Cause.UNKNOWN",
        "    return Cause.SHARED if Standing.SERVING in stand.values() else Cause.UNKNOWN",
        laws=(5,),
    ),
    Bug(
        "an outage of one region is told as the end of the service",
        DETECT,
        "        if other != name\n",
        "        if other == name\n",
        laws=(5,),
    ),
    Bug(
        "devices are said to be led away from a region that Traffic Manager offers",
        DETECT,
        "    if its is None or its.monitor in _ANSWERED or not answer.names or answer.leads_to(region.host):",
        "    if its is None or not answer.names or answer.leads_to(region.host):",
        laws=(5,),
    ),
    Bug(
        "one certificate authority is told as several",
        "shared/groups/classify.py",
        "    if len({proof.ca_sha256 for proof in proofs.values()}) < 2:",
        "    if len({proof.ca_sha256 for proof in proofs.values()}) < 1:",
        laws=(5,),
    ),
    Bug(
        "no host is said to be left while another one is up",
        "shared/artifact_hosts/choose.py",
        "    if not up:\n        others =",
        "    if up:\n        others =",
        laws=(5,),
    ),
    Bug(
        "what has converged is told as held",
        "shared/reconcile/incidents.py",
        "_WAITING = frozenset({State.HELD, State.CONTAINED})",
        "_WAITING = frozenset({State.HELD, State.CONTAINED, State.CONVERGED})",
        laws=(5,),
    ),
    Bug(
        "an answer shows values",
        "handlers/decision.py",
        "    return Answer(200, {**rollout_facts(done.group, done.rollout), **advice_facts(advice)})",
        "    seen = await ports.settings_reads.get_settings(done.group.regions[0].site_id)\n"
        "    return Answer(200, [it.reveal() for it in seen.app.values()])",
        laws=(4,),
    ),
    Bug(
        "the page of what is held shows values",
        "handlers/decision_page.py",
        "    shown = decision_page(group, rollout, fingerprint, advice)",
        "    shown = decision_page(group, rollout, fingerprint, advice)\n"
        '    if rollout.state != "held":\n        return Answer(200, rollout_facts(group, rollout), shown)\n'
        "    seen = await ports.settings_reads.get_settings(group.regions[0].site_id)\n"
        "    return Answer(200, [it.reveal() for it in seen.app.values()])",
        laws=(4,),
    ),
    Bug(
        "who asks how a drill goes is not told why",
        "shared/drills/report.py",
        '        "reason": drill.reason,',
        '        "reason": drill.reason if drill.ended else "",',
        laws=(5,),
    ),
    Bug(
        "a drill ends without saying why",
        "shared/drills/transitions.py",
        "    over = msgspec.structs.replace(done, state=state, reason=clipped(reason, LINE), since=now)",
        '    over = msgspec.structs.replace(done, state=state, reason="", since=now)',
        laws=(5,),
    ),
    Bug(
        "a card is a headline and nothing else",
        "shared/incidents/card.py",
        "        lines=tuple(_lines(incident, telling, siblings)),",
        "        lines=(),",
        laws=(5,),
    ),
    Bug(
        "a wrong clock writes all the same",
        "shared/store.py",
        "        if (why := self._compared.wrong) and not key.startswith(MESSAGES):",
        "        if (why := self._compared.wrong) and not key:",
        laws=(1, 3),
    ),
    Bug(
        "a site that is not found is no region any more",
        "shared/groups/workflow.py",
        'cannot be found: %s", error)\n        return known',
        'cannot be found: %s", error)\n        return None',
        laws=(3,),
    ),
    Bug(
        "an endpoint that one answer leaves out is gone",
        "shared/absence.py",
        "return self.readings >= READINGS and self.last - self.since >= OVER",
        "return self.readings >= 1",
        laws=(3,),
    ),
    Bug(
        "a copy that the vault misses once is lost",
        SYNC,
        "        if gone is not None and not gone.is_proof:\n            raise Unavailable(why)",
        "        if gone is not None and not gone.is_proof:\n            return found",
        laws=(3,),
    ),
    Bug(
        "a decision that is good no longer ends in silence",
        TURNS,
        "    if not gone:\n        return rollout\n    said = ",
        "    if gone is not None:\n        return rollout\n    said = ",
        laws=(5,),
    ),
    Bug(
        "an older answer of Traffic Manager counts",
        SYNC,
        "    if not has_regions(row, group.regions):",
        "    if has_regions(row, ()):",
        ("tests/settings_sync/test_workflow.py",),
    ),
    Bug(
        "an endpoint that was away ends its hold",
        HOLD,
        "        if view.now - since >= GONE:",
        "        if view.now >= since:",
        laws=(6,),
    ),
    Bug(
        "what another worker has claimed is left to it for ever",
        TURNS,
        "view.now < flight.worker_until:\n        return Turn(rollout, Rest())\n    sound = ",
        "True:\n        return Turn(rollout, Rest())\n    sound = ",
        laws=(8,),
    ),
    Bug(
        "an incident of different authorities never ends",
        DETECT,
        'elif (Topic.AUTHORITY, "") in live and proved_one(health):',
        'elif (Topic.AUTHORITY, "") in live and not health:',
        laws=(8,),
    ),
    Bug(
        "a region without its package setting is left as it is",
        "shared/artifact_hosts/transitions.py",
        "            case NotWatched(missing=True) if fetched:",
        "            case NotWatched(missing=True) if fetched and not region:",
        laws=(8,),
    ),
    Bug(
        "a region that is down waits for its package to be written",
        "shared/reconcile/hindrance.py",
        "seen.state is State.DOWN:",
        "seen.state is None:",
        (STORIES,),
    ),
    Bug(
        "the facts of a ledger have no end",
        INCIDENTS,
        "    room = kept if len(kept) <= MOST_FACTS else _thinned(kept, anchors)",
        "    room = kept",
        (STORIES,),
    ),
    Bug(
        "a deadline is over though nobody looked",
        TURNS,
        "    if judged or _seen_failing(view.health.get(flight.target), view.now, rules):",
        "    if judged or flight:",
        laws=(3,),
    ),
    Bug(
        "what is dated later than now is as fresh as can be",
        "shared/ages.py",
        "    return at - now > AHEAD",
        "    return at - now > timedelta(days=1)",
        (STORIES,),
    ),
    Bug(
        "a copy of a group that is not managed any more is left in the vault",
        "shared/reconcile/copies.py",
        "        if why == OVER or (gone is not None and gone.is_proof):",
        "        if why == OVER:",
        (STORIES,),
    ),
    Bug(
        "a letter is called sent that nobody took",
        "shared/outbox.py",
        "        await channel.send(_as_shown(channel, letter))\n    except AppError as error:",
        "        if letter.tries > 1:\n            await channel.send(letter)\n    except AppError as error:",
        laws=(3,),
    ),
)


def clean(bugs: Sequence[Bug], place: Path) -> str:
    """Return what goes wrong without any bug in the tests and seeds that are to catch them, or nothing."""
    copy_tree(place)
    tests = sorted({test for bug in bugs for test in bug.tests})
    for by in [_tests(*tests)] * bool(tests) + [_seeds()] * any(bug.laws for bug in bugs):
        done = run(by, place)
        if done.returncode:
            return f"{by[0]} fails without any bug:\n{done.stdout}{done.stderr}"
    return ""


def caught(bug: Bug, place: Path) -> str:
    """Return what caught the bug, or nothing."""
    copy_tree(place)
    bug.plant(place)
    done = run(_seeds(*bug.laws) if bug.laws else _tests(*bug.tests), place)
    # Whatever else went wrong, such as no such test, has caught nothing.
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR", "seed "))]
    return lines[0] if done.returncode == 1 and lines else ""


def _tests(*chosen: str) -> list[str]:
    return ["pytest", "-q", "-x", "-p", "no:cacheprovider", *chosen]


def _seeds(*laws: int) -> list[str]:
    return ["proof", "bite", *(f"--law={law}" for law in laws)]


def run(module: Sequence[str], place: Path) -> subprocess.CompletedProcess[str]:
    """`python -m` this, with a copy of the tree for the tree."""
    return subprocess.run(
        [sys.executable, "-m", *module],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
        capture_output=True,
        text=True,
    )


def main(arguments: Sequence[str]) -> int:
    """`python -m proof.planted [WORD]`: every bug, or those that have the word in their name."""
    chosen = [bug for bug in BUGS if not arguments or any(word in bug.name for word in arguments)]
    if not chosen:
        print(f"no planted bug has {' or '.join(arguments)} in its name")
        return 2
    place = ROOT / "build" / f"planted-{os.getpid()}"
    problems = [problem for bug in chosen if (problem := bug.problem())] or [clean(chosen, place)]
    if any(problems):
        print("\n".join(problems))
        return 1
    print(
        f"{len(chosen)} planted bugs; without them the same tests pass and the same seeds break no law",
        flush=True,
    )
    missed = 0
    for bug in chosen:
        by = caught(bug, place)
        missed += not by
        print(f"{'caught' if by else 'NOT CAUGHT'}: {bug.name}{f' ({by[:110]})' if by else ''}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} planted bugs were caught")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
