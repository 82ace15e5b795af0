#!/usr/bin/env python3
"""Makes the corpora that `cargo xtask bench ingest` and `bench lake` read.

usage: corpora.py CORPORA OUT NAME MEGABYTES

CORPORA is the folder of real logs, NAME is `cloudtrail`, `windows`, `mix` or `lake`, MEGABYTES the
size aimed at. Files go to OUT/NAME/<log source>/. Prints one line of JSON: events and decompressed
bytes for each log source, a hash over everything, and for `lake` what to look for. What is there
already is kept.
"""

import glob
import gzip
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys

# The generator's kinds, with the log sources that read them.
MIX = {
    "cloudtrail": "bench_cloudtrail",
    "sysmon": "windows_events",
    "zeek": "bench_zeek",
    "nginx": "nginx_access",
    "okta": "bench_okta",
    "gcp_audit": "bench_gcp_audit",
    "k8s": "bench_k8s_audit",
    "sshd": "linux_sshd",
}


def cloudtrail(corpora, out, size):
    """Objects as AWS delivers them (gzip, a `Records` array), larger: some 3,200 records each."""
    records = []
    for path in sorted(glob.glob(f"{corpora}/cloudtrail/*/*.json.gz")):
        document = json.load(gzip.open(path))
        records += document["Records"] if isinstance(document, dict) else document
    text = json.dumps({"Records": records}, separators=(",", ":")).encode()
    folder = f"{out}/aws_cloudtrail"
    os.makedirs(folder)
    packed = gzip.compress(text, 6, mtime=0)
    copies = max(1, round(size / len(text)))
    for copy in range(copies):
        with open(f"{folder}/{copy:05}.json.gz", "wb") as file:
            file.write(packed)
    facts = {"events": copies * len(records), "bytes": copies * len(text)}
    return {"aws_cloudtrail": facts}, hashlib.sha256(text).hexdigest()


def windows(corpora, out, size):
    """The recorded attacks as they are: one zstd file of NDJSON, as often as needed."""
    source = f"{corpora}/mordor/windows-attacks.ndjson.zst"
    digest, lines, length = hashlib.sha256(), 0, 0
    with subprocess.Popen(["zstd", "-dcq", source], stdout=subprocess.PIPE) as process:
        while chunk := process.stdout.read(1 << 20):
            digest.update(chunk)
            lines += chunk.count(b"\n")
            length += len(chunk)
    folder = f"{out}/windows_events"
    os.makedirs(folder)
    copies = max(1, round(size / length))
    for copy in range(copies):
        shutil.copyfile(source, f"{folder}/{copy:05}.ndjson.zst")
    facts = {"events": copies * lines, "bytes": copies * length}
    return {"windows_events": facts}, digest.hexdigest()


def mix(corpora, out, size, days=7):
    """What a company sends: eight kinds of logs, uncompressed."""
    made = f"{out}/made"
    command = [sys.executable, f"{corpora}/gen_corpus.py", "--out", made, "--bytes", str(size)]
    command += ["--days", str(days)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    truth = json.load(open(f"{made}/truth.json"))
    sources, digest = {}, hashlib.sha256()
    for kind, log_source in MIX.items():
        folder = f"{out}/{log_source}"
        os.makedirs(folder)
        os.rename(f"{made}/{kind}.log", f"{folder}/{kind}.log")
        facts = truth["sources"][kind]
        digest.update(facts["sha256"].encode())
        sources[log_source] = {"events": facts["lines"], "bytes": facts["bytes"]}
    return sources, digest.hexdigest()


# A tool of an attacker that no real log has heard of, fetched a few times in the middle of the day.
PLANTED = (
    '203.0.113.77 - - [01/Mar/2026:11:{minute:02}:07 +0000] "GET /up/invoke-zharkloader{minute}.ps1'
    ' HTTP/1.1" 200 5120 "-" "curl/8.4.0"\n'
)


def lake(corpora, out, size):
    """The mix on one day, a few lines more, and what `bench lake` looks for in it."""
    sources, digest = mix(corpora, out, size, days=1)
    lines = "".join(PLANTED.format(minute=minute) for minute in range(10, 15))
    with open(f"{out}/nginx_access/planted.log", "w") as file:
        file.write(lines)
    sources["nginx_access"]["events"] += lines.count("\n")
    sources["nginx_access"]["bytes"] += len(lines)
    with open(f"{out}/needles.json", "w") as file:
        json.dump(needles(out), file)
    return sources, hashlib.sha256((digest + lines).encode()).hexdigest()


def needles(out):
    """An id, an address and a user that the mix has, the last two rarely; always the same."""
    text = b"".join(open(path, "rb").read() for path in sorted(glob.glob(f"{out}/*/*.log")))
    events = open(f"{out}/bench_cloudtrail/cloudtrail.log", "rb").read()
    chance = random.Random(7)
    ids = re.findall(rb'"eventID":"([0-9a-f-]{36})"', events)
    # Addresses of the generator, which are not a part of something longer.
    addresses = rarely(re.findall(rb"(?<![\w.-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w.-])", text))
    users = rarely(re.findall(rb"\buser[0-9]{4}@", text))
    return {
        "id": chance.choice(ids).decode(),
        "address": chance.choice(addresses).decode(),
        "user": chance.choice(users).decode().rstrip("@"),
    }


def rarely(found):
    """What was found two to nine times."""
    counts = {}
    for one in found:
        counts[one] = counts.get(one, 0) + 1
    return sorted(one for one, count in counts.items() if 2 <= count <= 9)


def main():
    corpora, out, name, megabytes = sys.argv[1:]
    out = f"{out}/{name}-{megabytes}"
    facts = f"{out}/facts.json"
    if not os.path.exists(facts):
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(out)
        make = {"cloudtrail": cloudtrail, "windows": windows, "mix": mix, "lake": lake}[name]
        sources, digest = make(corpora, out, int(megabytes) * 10**6)
        with open(facts, "w") as file:
            json.dump({"folder": out, "sources": sources, "sha256": digest}, file)
    print(open(facts).read())


if __name__ == "__main__":
    main()
