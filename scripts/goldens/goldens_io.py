"""Where the goldens lie, and how they are written: JSON with one entry a line, small yet readable in a diff."""

import json
from pathlib import Path

GOLDENS = Path(__file__).resolve().parents[2] / "test/goldens"


def dump(value: dict) -> str:
    """JSON text; a list of lists or objects, and an object of objects, get a line for each of their entries."""

    def line(v) -> str:
        return json.dumps(v, ensure_ascii=False)

    parts = []
    for key, v in value.items():
        if isinstance(v, list) and v and isinstance(v[0], (dict, list)):
            parts.append(f"{line(key)}: [\n" + ",\n".join("  " + line(x) for x in v) + "\n]")
        elif isinstance(v, dict) and v and all(isinstance(x, dict) for x in v.values()):
            parts.append(f"{line(key)}: {{\n" + ",\n".join(f"  {line(k)}: {line(x)}" for k, x in v.items()) + "\n}")
        else:
            parts.append(f"{line(key)}: {line(v)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def write(name: str, value: dict) -> None:
    """Writes test/goldens/`name`."""
    path = GOLDENS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(value), encoding="utf-8")
    print(f"{name}: {path.stat().st_size} bytes")
