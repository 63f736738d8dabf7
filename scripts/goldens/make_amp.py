"""Makes test/goldens/amp: graphs, and what TensorFlow's own mixed-precision rewrite does to them.

    make_amp.py graphs FOLDER    builds the graphs and the table of ops; with TensorFlow 2.15
    make_amp.py decide FOLDER    rewrites them; once with each version of TensorFlow
    make_amp.py write FOLDER     writes the goldens, when all versions have decided
"""

import gzip
import json
import sys
from pathlib import Path

import tensorflow as tf
from amp_efficientnet import efficientnets
from amp_graphs import conformance, random_graphs
from amp_rewrite import decisions, name_of, op_lists, port_counts, signature
from goldens_io import GOLDENS, dump

VERSIONS = ("2.15.1", "2.21.0")
RANDOM_GRAPHS = 60


def node_row(node) -> list:
    """[name, op, operands, types and counts of ports]; a fifth entry where the node is not on the GPU."""
    attrs = {}
    counts = port_counts(node.op)
    for key, value in sorted(node.attr.items()):
        kind = value.WhichOneof("value")
        if key.startswith("_"):
            continue
        if kind == "type":
            attrs[key] = name_of(value.type)
        elif kind == "list" and value.list.type:
            attrs[key] = [name_of(t) for t in value.list.type]
        elif key in counts:
            attrs[key] = value.i
    data = [i for i in node.input if not i.startswith("^")]
    return [node.name, node.op, data, attrs] + (["cpu"] if "CPU" in node.device else [])


def check_order(graph) -> None:
    """Node order decides in TensorFlow 2.21, so it must be the same for whoever sorts: operands first."""
    seen = set()
    for node in graph.node:
        missing = {i.removeprefix("^").split(":")[0] for i in node.input} - seen
        assert not missing, (node.name, missing)
        seen.add(node.name)


def all_graphs() -> dict[str, dict]:
    """File -> name -> (graph, fetches)."""
    big = {name: {name: case} for name, case in efficientnets().items()}
    return {"conformance": conformance(), "random": random_graphs(RANDOM_GRAPHS), **big}


def make_graphs(folder: Path) -> None:
    rows: dict[str, dict] = {}
    used = set()
    for file, cases in all_graphs().items():
        rows[file] = {}
        for name, (graph, fetches) in cases.items():
            check_order(graph)
            used |= {node.op for node in graph.node}
            rows[file][name] = {"nodes": [node_row(n) for n in graph.node], "preserved": fetches}
            (folder / f"{name.replace(' ', '_')}.pb").write_bytes(graph.SerializeToString())
    # FusedBatchNorm becomes the V2 op, which has a type of its own for scale and statistics.
    used |= {"FusedBatchNormV2", "FusedBatchNormGradV2"}
    (folder / "graphs.json").write_text(json.dumps({"files": rows, "used": sorted(used)}))


def decide(folder: Path) -> None:
    graphs = json.loads((folder / "graphs.json").read_text())
    made = {}
    for cases in graphs["files"].values():
        for name, case in cases.items():
            graph = tf.compat.v1.GraphDef.FromString((folder / f"{name.replace(' ', '_')}.pb").read_bytes())
            made[name] = decisions(graph, case["preserved"])
    ops = {op: signature(op) for op in graphs["used"]}
    answer = {"graphs": made, "lists": op_lists(), "ops": ops}
    (folder / f"decided-{tf.__version__}.json").write_text(json.dumps(answer))


def write(folder: Path) -> None:
    graphs = json.loads((folder / "graphs.json").read_text())
    answers = {v: json.loads((folder / f"decided-{v}.json").read_text()) for v in VERSIONS}
    first, *others = answers.values()
    assert all(a["ops"] == first["ops"] for a in others), "the versions disagree about an op"
    out = GOLDENS / "amp"
    out.mkdir(parents=True, exist_ok=True)
    for file, cases in graphs["files"].items():
        for name, case in cases.items():
            case["decided"] = {version: answer["graphs"][name] for version, answer in answers.items()}
        text = dump({"tensorflow": VERSIONS, "graphs": cases})
        if file == "conformance":  # the ones that people read
            (out / f"{file}.json").write_text(text)
        else:
            # The same bytes each time: no name, no time.
            (out / f"{file}.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    lists = {version: answer["lists"] for version, answer in answers.items()}
    (out / "ops.json").write_text(dump({"lists": lists, "ops": first["ops"]}))
    for path in sorted(out.iterdir()):
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    command, folder = sys.argv[1:]
    {"graphs": make_graphs, "decide": decide, "write": write}[command](Path(folder))
