"""Measure how many planted near duplicates are found, how many texts are mistaken for one, and the time.

    python bench/accuracy/near_duplicates.py [--seed 1] [--files FILE.jsonl ...] [--speed 300 5000 50000]

Copies are made from the texts of this project's datasets, on which no rule was tuned. Texts of a family that differ in
meaning are compared each with each, and together with the datasets' texts. The families marked "held out" were written
after the last change of the rules. `--files` counts and prints what is found in
other sets: JSONL with `text`, or the pairs `s1` and `s2`.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import string
import time
from collections.abc import Callable, Iterable
from itertools import combinations, product
from pathlib import Path

from harness.core.types import Case
from harness.project import duplicates

ROOT = Path(__file__).parents[2]
SETS = ("ticket_triage", "comment_moderation", "help_center_search")
Edit = Callable[[str, random.Random], str]


def texts() -> list[str]:
    """All texts of the datasets, with the passages of the help center."""
    found = []
    files = [*(f"{name}/cases.jsonl" for name in SETS), f"{SETS[2]}/passages.jsonl"]
    for path in (ROOT / "datasets" / file for file in files):
        rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        found += [row["inputs"]["text"] if "inputs" in row else row["text"] for row in rows]
    return [text for text in found if len(text.split()) >= 6]


def mistyped(word: str, rng: random.Random) -> str:
    """One typing error behind the first letter."""
    i = rng.randrange(1, len(word) - 1)
    other = rng.choice(string.ascii_lowercase)
    kinds = (
        word[:i] + word[i + 1] + word[i] + word[i + 2 :],
        word[:i] + word[i + 1 :],
        word[: i + 1] + word[i:],
        word[:i] + other + word[i + 1 :],
    )
    return rng.choice([kind for kind in kinds if kind != word] or [word + word[-1]])


def with_typing_error(text: str, rng: random.Random) -> str:
    """A long lower-case word is mistyped; the text is unchanged if it has none."""
    words = text.split(" ")
    places = [i for i, word in enumerate(words) if re.fullmatch("[a-z]{6,}", word)]
    if places:
        i = rng.choice(places)
        words[i] = mistyped(words[i], rng)
    return " ".join(words)


def doubled(text: str, rng: random.Random) -> str:
    """A word stands twice."""
    words = text.split(" ")
    places = [i for i, word in enumerate(words) if word.isalpha()]
    i = rng.choice(places)
    return " ".join([*words[:i], words[i], *words[i:]])


def without_article(text: str, _: random.Random) -> str:
    """The first article is left out."""
    return text.replace(" the ", " ", 1) if " the " in text else text.replace(" a ", " ", 1)


def all_of(*edits: Edit) -> Edit:
    """Several edits, one after the other."""

    def edit(text: str, rng: random.Random) -> str:
        for one in edits:
            text = one(text, rng)
        return text

    return edit


def spaced(text: str, rng: random.Random) -> str:
    """Other spaces and line breaks."""
    return "".join(rng.choice(("  ", "\n", "\u00a0", " ")) if sign == " " else sign for sign in f" {text}\n")


def cased(text: str, rng: random.Random) -> str:
    """All in lower or upper case."""
    return rng.choice((text.lower(), text.upper()))


def punctuated(text: str, rng: random.Random) -> str:
    """Commas left out, other quotes, another end."""
    plain = text.replace(", ", " ").replace("'", "’").replace(" - ", " – ")
    return plain.rstrip(".!?") + rng.choice(("!", "", "..", "."))


def shouted(text: str, rng: random.Random) -> str:
    """A greeting before and thanks behind the text."""
    return rng.choice(("Hi, ", "Hello! ", "Please: ")) + text + rng.choice(("", " Thanks!"))


COPIES: dict[str, Edit] = {
    "case": cased,
    "spaces, line breaks": spaced,
    "punctuation, quotes": punctuated,
    "case, spaces and punctuation": all_of(punctuated, cased, spaced),
    "one typing error": with_typing_error,
    "typing error, case, spaces": all_of(with_typing_error, cased, spaced),
    "a word doubled": doubled,
    "an article left out": without_article,
    "greeting or thanks added": shouted,
}


def number_changed(text: str, rng: random.Random) -> str:
    """One digit is another."""
    places = [i for i, sign in enumerate(text) if sign in string.digits]
    if not places:
        return text
    i = rng.choice(places)
    return text[:i] + rng.choice([d for d in string.digits if d != text[i]]) + text[i + 1 :]


def negated(text: str, _: random.Random) -> str:
    """`not` behind the first verb that can have it, or one taken out."""
    if " not " in text:
        return text.replace(" not ", " ", 1)
    for verb in (" is ", " are ", " can ", " was ", " do ", " will ", " have "):
        if verb in text:
            return text.replace(verb, f"{verb}not ", 1)
    return text


def antonym(text: str, _: random.Random) -> str:
    """One small word turns the meaning."""
    for pair in ("on off", "before after", "with without", "more less", "my your", "in out"):
        one, two = pair.split()
        if f" {one} " in text:
            return text.replace(f" {one} ", f" {two} ", 1)
    return text


CHANGES: dict[str, Edit] = {"one digit": number_changed, "negation": negated, "antonym": antonym}

CONFUSABLE = [
    "desert", "dessert", "angle", "angel", "country", "county", "dairy", "diary",
    "message", "massage", "affect", "effect", "import", "export", "enable", "unable",
    "marble", "marbled", "trial", "trail", "shipping", "shopping", "contact", "contract",
]  # fmt: skip

HELD_OUT = [
    "bridge", "bride", "planet", "plant", "prince", "price", "friend", "fried",
    "storm", "store", "board", "beard", "coach", "couch", "stable", "table",
    "wonder", "wander", "chance", "change", "course", "coarse", "sweet", "sweat",
    "steal", "steel", "brake", "break", "whether", "weather", "peace", "piece",
    "advice", "advise", "device", "devise", "later", "latter", "breath", "breathe",
    "thorough", "through",
]  # fmt: skip

PRODUCTS = [
    "mercury", "mercure", "meridian", "polaris", "solaris", "vertex", "vortex", "cortex", "matrix", "zenith", "zenit",
    "falcon", "nimbus", "nimbus pro", "nimbus plus", "android", "opera", "sopera", "sentry", "sentra", "datalog",
    "datalab", "netsuite", "netsite", "cloudera", "cloudier", "postman", "podman", "kubeflow", "kubelow",
]  # fmt: skip

TEMPLATES: dict[str, tuple[str, list[tuple[str, ...]]]] = {
    "names with capitals": (
        "My invoice was sent to {} instead of {}, please correct the address.",
        list(product(("Anna", "Anne", "Hanna", "Hansen", "Jansen", "Janssen"), ("Maier", "Meier", "Meyer", "Mayer"))),
    ),
    "labels, states and units": (
        "The ticket is {} and the file has {} of data in the {} folder of the team.",
        list(product(("open", "opened", "closed", "reopened"), ("kilobytes", "megabytes"), ("public", "private"))),
    ),
    "codes": (
        "The export stops with error {} after the second page of the list.",
        [(f"sync-{i}",) for i in range(1, 80)],
    ),
    "months, lower case": (
        "i was charged twice in {} and once more in {}, please refund one of the payments",
        list(product(("january", "june", "july", "may", "march"), ("april", "august", "october"))),
    ),
    "roles swapped": (
        "please move the money from {} to {} before the end of the week",
        [("savings", "checking"), ("checking", "savings"), ("checking", "deposit"), ("deposit", "checking")],
    ),
    "names in lower case, each once": (
        "please send the contract of {} to the branch office and call me back",
        [(name,) for name in ("jansen", "janssen", "maria", "marie", "martin", "martina", "simon", "simone", "peters")],
    ),
    "rare words, one letter apart": (
        "could you look at the {} again before the meeting starts on the next day",
        [(word,) for word in CONFUSABLE],
    ),
    "more such words (held out)": (
        "somebody wrote {} on the whiteboard and nobody in the office knows what it means",
        [(word,) for word in HELD_OUT],
    ),
    "product names (held out)": (
        "our licence for {} ends soon and we would like to keep it for another year",
        [(name,) for name in PRODUCTS],
    ),
}


def found_in(rows: Iterable[str]) -> duplicates.Duplicates:
    """The duplicates among these texts."""
    return duplicates.find([Case(str(i), {"text": text}, "x", split="test") for i, text in enumerate(rows)])


def share_found(base: list[str], edit: Edit, rng: random.Random) -> tuple[int, int]:
    """Edited copies that are found, and copies made."""
    copies = [(text, edit(text, rng)) for text in base]
    copies = [(text, copy) for text, copy in copies if text != copy]
    found = found_in([*base, *(copy for _, copy in copies)])
    return len({pair.case for pair in found.within if pair.case >= len(base)}), len(copies)


def in_file(path: Path) -> None:
    """Print the duplicates of another set."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    base = [text for row in rows for text in ((row["text"],) if "text" in row else (row["s1"], row["s2"]))]
    found = found_in(base)
    near = [pair for pair in found.within if not pair.is_exact]
    print(f"{path.name}: {len(base):,} texts, {len(found.within) - len(near)} exact, {len(near)} near")
    for pair in near:
        print(f"    {base[pair.earlier]!r:.150}\n    {base[pair.case]!r:.150}\n")
    rated = [row for row in rows if "s1" in row and row["s1"] != row["s2"]]
    if alike := [row["gold"] for row in rated if found_in([row["s1"], row["s2"]]).within]:
        print(f"    of {len(rated):,} rated pairs, {len(alike)} near; lowest score {min(alike)}")


def speed(base: list[str], sizes: list[int], rng: random.Random) -> None:
    """Print the time for texts of 200 characters, of which one in twenty is a copy with a typing error."""
    words = [word for text in base for word in text.split()]
    for n in sizes:
        made = [" ".join(rng.choices(words, k=50))[:200] for _ in range(n - n // 20)]
        made += [with_typing_error(text, rng) for text in made[: n // 20]]
        start = time.perf_counter()
        found = found_in(made)
        took, memory = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
        print(f"{n:8,} texts  {took:6.2f} s  {memory} MB  {len(found.within)} found of {n // 20}", flush=True)


def main() -> None:
    """Print the tables of docs/datasets.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=Path, nargs="*", default=())
    parser.add_argument("--speed", type=int, nargs="*", default=())
    options = parser.parse_args()
    rng = random.Random(options.seed)
    base = texts()
    print(f"{len(base)} texts, of which near duplicates: {len(found_in(base).within)}\n\ncopies found")
    for name, edit in COPIES.items():
        found, n = share_found(base, edit, rng)
        print(f"  {name:35} {found:4} of {n:4}  {found / n:6.1%}")
    print("\ndifferent texts mistaken for copies")
    for name, edit in CHANGES.items():
        found, n = share_found(base, edit, rng)
        print(f"  {name:35} {found:4} of {n:4}  {found / n:6.1%}")
    for name, (template, values) in TEMPLATES.items():
        made = [template.format(*value) for value in values]
        found, n = len(found_in([*base, *made]).within), sum(1 for _ in combinations(made, 2))
        print(f"  {name:35} {found:4} of {n:4}  {found / n:6.1%}")
    for path in options.files:
        in_file(path)
    speed(base, list(options.speed), rng)


if __name__ == "__main__":
    main()
