#!/usr/bin/python3
"""Checks the habits that a formatter does not see.

    tidy.py [ROOT]        prints each breach as file:line, and exits 1 if there is one

Lines fit in 100 columns (SQL, Python and shell in some more), nothing ends in blanks or is indented by
tabs, a C file begins with the comment that says its one job or with the header that does, no note is
left for later, and what is dangerous is not called outside tests, with its replacement named.
"""

import re
import sys
from pathlib import Path

COLUMNS = {".c": 100, ".h": 100, ".sql": 140, ".py": 120, ".sh": 120, "": 130}
SKIPPED = {"build", ".dev", ".git", ".cache", "__pycache__", "corpus", ".pytest_cache"}
LATER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
BANNED = {
    r"\b(strcpy|strcat|sprintf|vsprintf|gets)\s*\(": "unbounded: snprintf, or memcpy with a length",
    r"\b(strtok|localtime|gmtime|asctime|ctime)\s*\(": "keeps its state in a static: the _r function",
    r"\b(atoi|atol|atof|atoll)\s*\(": "cannot fail: strtol and its like",
    r"\balloca\s*\(": "unbounded stack: the call's arena",
}


def breaches(path, text):
    """What is wrong with this text of a file of this name, as (line, what)."""
    suffix = path.suffix
    own_header = tuple(f'#include "{place}{path.stem}.h"\n' for place in ("", path.parent.name + "/"))
    if suffix in (".c", ".h") and not text.startswith(("/*", *own_header)):
        yield 1, "no comment at the top that says the file's one job"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no end of line at the end of the file"
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > COLUMNS[suffix]:
            yield number, f"{len(line)} columns"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        if line.startswith("\t"):
            yield number, "indented by a tab"
        if LATER.search(line):
            yield number, "a note for later"
        if suffix in (".c", ".h") and "tests" not in path.parts:
            for pattern, instead in BANNED.items():
                if re.search(pattern, line):
                    yield number, instead


def files_of(root):
    """The text files that people write: C, SQL, Python, and scripts without a suffix."""
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if SKIPPED.intersection(parts) or not path.is_file() or path.suffix not in COLUMNS:
            continue
        if path.suffix or path.read_bytes()[:2] == b"#!":
            yield path


def check(root):
    """All breaches under root, as lines."""
    return [f"{path.relative_to(root)}:{number}: {what}"
            for path in files_of(root) for number, what in breaches(path, path.read_text())]


if __name__ == "__main__":
    found = check(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
    print("\n".join(found) or "tidy")
    sys.exit(bool(found))
