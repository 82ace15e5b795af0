#!/usr/bin/env python3
"""Asks other programs what `cargo xtask bench lake` asks dab.

usage: peers.py files TABLE           the files of a table, as a JSON list
       peers.py duckdb|chdb SQL       one query, on one thread
       peers.py tantivy-build CORPUS INDEX    an index of every record of the logs
       peers.py tantivy INDEX WORD    how many records have the word
       peers.py version ENGINE

Answers are JSON: rows of values, each as text.
"""

import glob
import json
import os
import sys


def files(table):
    import deltalake

    return sorted(deltalake.DeltaTable(table).file_uris())


def duckdb(sql):
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    return rows(connection.execute(sql).fetchall())


def chdb(sql):
    import chdb

    said = chdb.query(f"{sql} SETTINGS max_threads = 1", "JSONCompact")
    return rows(json.loads(said.bytes())["data"])


def rows(found):
    return [["" if value is None else str(value) for value in row] for row in found]


def tantivy_build(corpus, folder):
    import tantivy

    builder = tantivy.SchemaBuilder()
    # Positions, as an id or an address is several words in a row.
    builder.add_text_field("record", stored=False, index_option="position")
    os.makedirs(folder, exist_ok=True)
    index = tantivy.Index(builder.build(), path=folder)
    writer = index.writer(heap_size=256 << 20, num_threads=1)
    for path in sorted(glob.glob(f"{corpus}/*/*.log")):
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                writer.add_document(tantivy.Document(record=line))
    writer.commit()
    writer.wait_merging_threads()
    return [[str(sum(os.path.getsize(path) for path in glob.glob(f"{folder}/*")))]]


def tantivy_ask(folder, word):
    import tantivy

    index = tantivy.Index.open(folder)
    query = index.parse_query(f'"{word}"', ["record"])
    return [[str(index.searcher().search(query, 1, count=True).count)]]


def version(engine):
    from importlib import metadata

    return metadata.version(engine)


ACTIONS = {
    "files": files,
    "duckdb": duckdb,
    "chdb": chdb,
    "tantivy-build": tantivy_build,
    "tantivy": tantivy_ask,
    "version": version,
}

if __name__ == "__main__":
    print(json.dumps(ACTIONS[sys.argv[1]](*sys.argv[2:])))
