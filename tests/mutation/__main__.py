"""The command: draw changes, try each, say what became of it."""

from __future__ import annotations

import argparse
import random
import tempfile
import tomllib
from pathlib import Path

from tests.mutation import __doc__ as about
from tests.mutation.changes import Change, changes_of
from tests.mutation.rooms import pure_modules
from tests.mutation.trial import Copy

CHECKOUT = Path(__file__).parents[2]
EQUAL = Path(__file__).with_name("equal.toml")


def main() -> int:
    """Return 1 where a change survives that is not known to be equal in behaviour."""
    arguments = _arguments()
    places = _places()
    drawn = _drawn(places, arguments.seed, arguments.changes)
    equal = equal_changes()
    for place, old, new in equal.keys() - {_key(change) for _, choices in places for change in choices}:
        print(f"in {EQUAL.name}, and nowhere in the code any more: {place}: {old}  ->  {new}")
    if arguments.list:
        for module, change in drawn:
            print(_sentence(module, change))
        return 0
    survived = known = 0
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Copy(CHECKOUT, Path(folder))
        print(f"all tests without a change: {copy.measure():.0f} s", flush=True)
        for number, (module, change) in enumerate(drawn, start=1):
            reason = equal.get(_key(change))
            killer = None if reason else copy.killer(module, change)
            survived, known = survived + (not killer), known + bool(reason)
            outcome = f"killed by {killer}" if killer else f"survived, as it must: {reason}" if reason else "SURVIVED"
            print(f"{number:3} {_sentence(module, change)}\n    {outcome}", flush=True)
    print(f"{len(drawn)} changes, {len(drawn) - survived} killed, {survived} survived", end="")
    print(f" ({known} of them equal in behaviour)" if known else "")
    return 1 if survived > known else 0


def equal_changes() -> dict[tuple[str, str, str], str]:
    """Return the reasons by what is changed: function, old and new expression, wherever the module has gone."""
    listed = tomllib.loads(EQUAL.read_text(encoding="utf-8"))["equal"]
    return {(one["place"], one["old"], one["new"]): one["reason"] for one in listed}


def _places() -> list[tuple[Path, tuple[Change, ...]]]:
    return [
        (module, choices)
        for module in pure_modules(CHECKOUT)
        for choices in changes_of((CHECKOUT / module).read_bytes())
    ]


def _drawn(places: list[tuple[Path, tuple[Change, ...]]], seed: int, number: int) -> list[tuple[Path, Change]]:
    """Draw places of all rooms alike, and what each becomes; in the order of the tree."""
    chance = random.Random(seed)
    drawn = sorted(chance.sample(range(len(places)), min(number, len(places))))
    return [(places[index][0], chance.choice(places[index][1])) for index in drawn]


def _key(change: Change) -> tuple[str, str, str]:
    return change.place, change.old, change.new


def _sentence(module: Path, change: Change) -> str:
    return f"{module}:{change.line}: {change.old}  ->  {change.new}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.mutation", description=(about or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="which changes are drawn (default 1)")
    parser.add_argument("--changes", type=int, default=40, help="how many (default 40)")
    parser.add_argument("--list", action="store_true", help="only say what is drawn")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
