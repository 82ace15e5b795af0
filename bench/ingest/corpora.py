#!/usr/bin/env python3
"""Makes the corpora that `cargo xtask bench ingest` reads.

usage: corpora.py CORPORA OUT NAME MEGABYTES

CORPORA is the folder of real logs, NAME is `cloudtrail`, `windows` or `mix`, MEGABYTES the size
aimed at. Files go to OUT/NAME/<log source>/. Prints one line of JSON: events and decompressed
bytes for each log source, and a hash over everything. What is there already is kept.
"""

import glob
import gzip
import hashlib
import json
import os
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


def mix(corpora, out, size):
    """What a company sends: eight kinds of logs, uncompressed."""
    made = f"{out}/made"
    command = [sys.executable, f"{corpora}/gen_corpus.py", "--out", made, "--bytes", str(size)]
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


def main():
    corpora, out, name, megabytes = sys.argv[1:]
    out = f"{out}/{name}-{megabytes}"
    facts = f"{out}/facts.json"
    if not os.path.exists(facts):
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(out)
        make = {"cloudtrail": cloudtrail, "windows": windows, "mix": mix}[name]
        sources, digest = make(corpora, out, int(megabytes) * 10**6)
        with open(facts, "w") as file:
            json.dump({"folder": out, "sources": sources, "sha256": digest}, file)
    print(open(facts).read())


if __name__ == "__main__":
    main()
