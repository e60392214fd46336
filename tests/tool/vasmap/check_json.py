#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks documents of vasmap on standard input against the schema vas.map/1, and that docs/vasmap-json.md names
every field. Numbers must be exact, addresses strings, fields of the same type everywhere."""
import json
import re
import sys

ADDRESS = re.compile(r"0x(0|[1-9a-f][0-9a-f]{0,15})\Z")


def address(value):
    return isinstance(value, str) and ADDRESS.match(value)


def number(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def text(value):
    return isinstance(value, str)


def boolean(value):
    return isinstance(value, bool)


def digits(value):
    return isinstance(value, str) and value.isdigit()


def device(value):
    return isinstance(value, str) and re.match(r"\d+:\d+\Z", value)


def prot(value):
    return isinstance(value, str) and re.match(r"[r-][w-][x-][ps]\Z", value)


def kind(value):
    return value in "arena malloc image file device stack anon guard reserve kernel".split()


class Nullable:
    def __init__(self, inner):
        self.inner = inner


class Each:
    def __init__(self, inner):
        self.inner = inner


ROW = {
    "start": address, "end": address, "size": number, "prot": Nullable(prot), "kind": kind, "vmas": number,
    "name": Nullable(text), "names": number, "thread_stacks": number, "deleted": Nullable(boolean),
    "offset": Nullable(address), "inode": Nullable(digits), "device": Nullable(device),
}
NEIGHBOUR = {"kind": kind, "name": Nullable(text)}
SUM = {"vmas": number, "size": number, "prot_none": number, "largest": number}
HEAD = {
    "schema": lambda value: value == "vas.map/1",
    "command": text,
    "process": Nullable({
        "pid": number, "starttime": Nullable(number), "comm": Nullable(text), "uid": Nullable(number),
        "threads": Nullable(number),
    }),
    "file": Nullable(text),
    "source": lambda value: value in ("maps", "query", "file"),
    "consistent": lambda value: value is False,
    "page_size": Nullable(number),
    "vma_limit": Nullable(number),
    "window": {"min": address, "max": address, "bits": number},
    "complete": boolean,
}
COMMANDS = {
    "list": {"mappings": Each(ROW), "totals": {"vmas": number, "size": number, "prot_none": number}},
    "gaps": {
        "min_size": number,
        "gaps": Each({
            "start": address, "end": address, "size": number, "align": number,
            "below": Nullable(NEIGHBOUR), "above": Nullable(NEIGHBOUR),
        }),
        "total": number,
    },
    "summary": {
        "kinds": Each(dict(SUM, kind=kind)),
        "totals": SUM,
        "free": {"size": number, "gaps": number, "largest": number, "largest_start": Nullable(address)},
    },
    "find": {
        "request": {
            "size": number, "align": Nullable(number), "min": Nullable(address), "max": Nullable(address),
            "near": Nullable(address), "reach": Nullable(number),
            "avoid": Each({"start": address, "end": address}), "count": number,
        },
        "places": Each({
            "start": address, "end": address, "size": number, "distance": Nullable(number),
            "gap_start": Nullable(address), "gap_end": Nullable(address),
        }),
        "largest": Nullable(number),
        "largest_start": Nullable(address),
    },
    "at": {
        "address": address,
        "mapping": Nullable(ROW),
        "gap": Nullable({"start": address, "end": address, "size": number}),
    },
}


def check(value, schema, where, wrong, named):
    if isinstance(schema, Nullable):
        if value is not None:
            check(value, schema.inner, where, wrong, named)
    elif isinstance(schema, Each):
        if not isinstance(value, list):
            wrong.append(f"{where}: not a list")
            return
        for index, element in enumerate(value):
            check(element, schema.inner, f"{where}[{index}]", wrong, named)
    elif isinstance(schema, dict):
        if not isinstance(value, dict) or list(sorted(value)) != list(sorted(schema)):
            wrong.append(f"{where}: has {sorted(value) if isinstance(value, dict) else value!r}, "
                         f"not {sorted(schema)}")
            return
        for key in schema:
            named.add(key)
            check(value[key], schema[key], f"{where}.{key}", wrong, named)
    elif not schema(value):
        wrong.append(f"{where}: {value!r}")


def check_row(row, wrong):
    start, end = int(row["start"], 16), int(row["end"], 16)
    if start >= end or row["size"] > end - start or (row["vmas"] == 1 and row["size"] != end - start):
        wrong.append(f"row {row['start']}: sizes do not fit")
    if row["vmas"] > 1 and any(row[key] is not None for key in ("deleted", "offset", "inode", "device")):
        wrong.append(f"row {row['start']}: says of one mapping what is many")


def check_order(elements, wrong):
    last = 0
    for element in elements:
        if int(element["start"], 16) < last:
            wrong.append(f"{element['start']}: out of order")
        last = int(element["end"], 16)


def twice(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError(f"a key comes twice in {keys}")
    return dict(pairs)


def main():
    wrong, named, count = [], set(), 0
    source = sys.stdin.buffer.read().decode("utf-8")
    decoder = json.JSONDecoder(object_pairs_hook=twice)
    while source.strip():
        source = source.lstrip()
        document, used = decoder.raw_decode(source)
        source = source[used:]
        count += 1
        schema = dict(HEAD, **COMMANDS[document["command"]])
        check(document, schema, document["command"], wrong, named)
        if list(document)[0] != "schema" or list(document)[-1] != "complete":
            wrong.append("schema is not the first field, or complete not the last")
        window = document["window"]
        if not int(window["min"], 16) < int(window["max"], 16) <= 1 << window["bits"]:
            wrong.append(f"a window of {window}")
        if document["command"] == "list" and not wrong:
            for row in document["mappings"]:
                check_row(row, wrong)
            check_order(document["mappings"], wrong)
            for total, part in (("vmas", "vmas"), ("size", "size")):
                if document["totals"][total] != sum(row[part] for row in document["mappings"]):
                    wrong.append(f"{total} of the rows do not add up")
        if document["command"] == "at" and None not in (document["mapping"], document["gap"]):
            wrong.append("the address is both mapped and free")
        if document["command"] == "gaps" and not wrong:
            check_order(document["gaps"], wrong)
            for gap in document["gaps"]:
                start, end = int(gap["start"], 16), int(gap["end"], 16)
                if gap["size"] != end - start or gap["align"] != start & -start:
                    wrong.append(f"gap {gap['start']}: numbers do not fit")
    with open(sys.argv[1], encoding="utf-8") as file:
        documented = set(re.findall(r"`[^`]*`", file.read()))
    documented = set(re.findall(r"[a-z_]+", " ".join(documented)))
    wrong += [f"{name} is not in {sys.argv[1]}" for name in sorted(named - documented)]
    if count != int(sys.argv[2]):
        wrong.append(f"{count} documents, not {sys.argv[2]}")
    for line in wrong[:20]:
        print(line)
    return bool(wrong)


sys.exit(main())
