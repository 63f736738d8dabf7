"""The side of a bench's peer that runs in Python: JSON, one document a line, on stdin and stdout.

The first line that comes says what to build. The answer is {"ready": {...}}, or {"missing": module} where a package is not there, or
{"unable": why}. Then each {"do": "run"} is answered by {"ms": ...}, and {"do": "outputs"} by {"outputs": [...]}. Where stdin closes, because
the bench has ended or was killed, the process ends at once, whatever it is doing.
"""

import json
import os
import queue
import signal
import sys
import threading
import time


def read_floats(numpy, path, shape, dtype="float32"):
    return numpy.fromfile(path, dtype=dtype).reshape(shape)


def read_weights(numpy, config):
    """The variables in the order in which the network uses them."""
    flat = numpy.fromfile(config["weights"], dtype="float32")
    weights, at = [], 0
    for shape in config["shapes"]:
        size = int(numpy.prod(shape))
        weights.append(flat[at : at + size].reshape(shape))
        at += size
    return weights


def serve(build):
    """`build(config)` gives the versions, a function that makes one run, and one that gives the outputs of inference, or None."""
    # Only what the protocol says goes to stdout; libraries print, too.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the bench, which closes stdin
    lines = queue.Queue()

    def read():
        for line in sys.stdin:
            lines.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()

    def answer(document):
        channel.write(json.dumps(document) + "\n")
        channel.flush()

    config = lines.get()
    try:
        versions, run, outputs, build_ms = build(config)
    except ModuleNotFoundError as error:
        answer({"missing": (error.name or "").split(".")[0], "python": sys.executable})
        return
    except Exception as error:  # whatever it is, the bench tells it
        answer({"unable": f"{type(error).__name__}: {error}"})
        return
    answer({"ready": {"versions": f"{versions}, Python {sys.version.split()[0]}", "ms": build_ms}})
    while True:
        command = lines.get()
        try:
            if command["do"] == "outputs":
                answer({"outputs": outputs()})
                continue
            start = time.perf_counter()
            run()
            answer({"ms": 1000 * (time.perf_counter() - start)})
        except Exception as error:
            answer({"unable": f"{type(error).__name__}: {error}"})
