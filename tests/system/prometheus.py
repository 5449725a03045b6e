"""Reads /metrics, as strictly as Prometheus' text format 0.0.4 is written down, and no further."""

import re

import harness

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?\d+(?:\.\d+)?)")
TYPES = {"counter", "gauge", "histogram"}


class Family:
    def __init__(self, name, text):
        self.name, self.help = name, text
        self.type = None
        self.samples = {}  # (name, labels as a sorted tuple) -> value


def parse(text):
    """The families by name. Fails where the text is not what Prometheus takes, or is not neat."""
    assert text.endswith("\n")
    families, current = {}, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, name, text_of = line.split(" ", 3)
            assert re.fullmatch(NAME, name) and name not in families, line
            assert "\\" not in text_of, line
            current = families[name] = Family(name, text_of)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current.name and current.type is None and not current.samples and kind in TYPES, line
            current.type = kind
        else:
            found = SAMPLE.fullmatch(line)
            assert found and current.type, line
            add(current, found[1], dict(re.findall(LABEL, found[2] or "")), float(found[7]))
    for family in families.values():
        assert family.samples, family.name
        assert (family.type == "counter") == family.name.endswith("_total"), family.name
        if family.type == "histogram":
            check_histogram(family)
    return families


def add(family, name, labels, value):
    suffixes = {"_bucket", "_sum", "_count"} if family.type == "histogram" else {""}
    assert name.startswith(family.name) and name[len(family.name):] in suffixes, name
    key = name, tuple(sorted(labels.items()))
    assert key not in family.samples, key
    family.samples[key] = value


def check_histogram(family):
    series = {}
    for (name, labels), value in family.samples.items():
        others = tuple(label for label in labels if label[0] != "le")
        part = series.setdefault(others, {"buckets": []})
        if name.endswith("_bucket"):
            part["buckets"].append((dict(labels)["le"], value))
        else:
            part[name.rsplit("_", 1)[1]] = value
    for part in series.values():
        uppers = [float(upper) for upper, _ in part["buckets"]]
        counts = [count for _, count in part["buckets"]]
        assert uppers == sorted(set(uppers)) and part["buckets"][-1][0] == "+Inf", uppers
        assert counts == sorted(counts) and counts[-1] == part["count"], counts
        assert part["sum"] >= 0


def scrape(server):
    status, headers, body = harness.get(server.http_address, "/metrics")
    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parse(body)


class Watch:
    """What a server's numbers went up by since this was made, or since again()."""

    def __init__(self, server):
        self.server = server
        self.again()

    def again(self):
        self.before = scrape(self.server)

    def __call__(self, name, **labels):
        return value(scrape(self.server), name, **labels) - value(self.before, name, **labels)


def value(families, name, **labels):
    """The sum of all samples of this name that have these labels."""
    found = [v for family in families.values() for (sample, its), v in family.samples.items()
             if sample == name and labels.items() <= dict(its).items()]
    assert found, f"no sample {name} {labels}"
    return sum(found)
