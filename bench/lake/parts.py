#!/usr/bin/env python3
"""What of ingest and of a scan no program can do without, done by others, on one thread.

usage: parts.py TABLES CORPUS

TABLES is the folder of a lake's tables, CORPUS the folder of the logs that they were made from.
Prints one line of JSON with processor seconds: `parquet_read`, from the tables' files to columns in
memory; `parquet_write`, from there to files again, in the encodings and compression that they had,
in memory; `cold`, the raw bytes by zstd. The first two are by Arrow's C++ library, the last by
zstd's own.
"""

import glob
import json
import sys
import time

import deltalake
import pyarrow
import pyarrow.parquet as parquet

# dab's levels.
PARQUET_LEVEL = 1
COLD_LEVEL = 1
PIECE = 4 << 20


def rewrite(path):
    """Reads a file, and writes it again. Answers the seconds of both, and its bytes then."""
    began = time.process_time()
    table = parquet.read_table(path, use_threads=False, partitioning=None)
    read = time.process_time() - began
    # Columns without a dictionary have an encoding of their own.
    columns = parquet.ParquetFile(path).metadata.row_group(0)
    columns = [columns.column(index) for index in range(columns.num_columns)]
    plain = {}
    for column in columns:
        special = [name for name in column.encodings if name.startswith("DELTA")]
        if special:
            plain[column.path_in_schema] = special[0]
    names = [column.path_in_schema for column in columns if column.path_in_schema not in plain]
    sink = pyarrow.BufferOutputStream()
    began = time.process_time()
    parquet.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=PARQUET_LEVEL,
        use_dictionary=names,
        column_encoding=plain,
    )
    return read, time.process_time() - began, sink.getvalue().size


def compress(path):
    """Compresses a file. Answers the seconds, and its bytes then."""
    codec = pyarrow.Codec("zstd", compression_level=COLD_LEVEL)
    seconds, size = 0.0, 0
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            began = time.process_time()
            size += codec.compress(piece).size
            seconds += time.process_time() - began
    return seconds, size


def main():
    tables, corpus = sys.argv[1:]
    pyarrow.set_cpu_count(1)
    answer = {"arrow": pyarrow.__version__, "parquet_read": 0.0, "parquet_write": 0.0}
    answer |= {"parquet_bytes": 0, "cold": 0.0, "cold_bytes": 0}
    for table in sorted(glob.glob(f"{tables}/*/")):
        for path in sorted(deltalake.DeltaTable(table).file_uris()):
            read, written, size = rewrite(path)
            answer["parquet_read"] += read
            answer["parquet_write"] += written
            answer["parquet_bytes"] += size
    for path in sorted(glob.glob(f"{corpus}/*/*.log")):
        seconds, size = compress(path)
        answer["cold"] += seconds
        answer["cold_bytes"] += size
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
