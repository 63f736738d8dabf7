"""Makes src/models/imagenet-labels.ts from torchvision's list of ImageNet classes (BSD-3-Clause).

Every label is first checked against timm's own lists (synset of each index, and the names of each synset), so that the
order is that of the published weights.
"""

import textwrap
from pathlib import Path

import timm
from torchvision.models._meta import _IMAGENET_CATEGORIES

HEADER = """\
/**
 * Names of the 1000 classes of ImageNet (ILSVRC 2012), in the index order of the published EfficientNet weights.
 * Made by scripts/goldens/make_labels.py from torchvision's list of categories: copyright (c) Soumith Chintala 2016,
 * BSD-3-Clause; NOTICE has the licence's text.
 */
"""


def check(labels) -> None:
    info = Path(timm.__file__).parent / "data/_info"
    synsets = (info / "imagenet_synsets.txt").read_text().split()
    lemmas = dict(line.split("\t", 1) for line in (info / "imagenet_synset_to_lemma.txt").read_text().splitlines())

    def plain(text):
        return "".join(c for c in text.lower() if c.isalnum())

    assert len(labels) == len(synsets) == 1000
    for index, (label, synset) in enumerate(zip(labels, synsets)):
        # torchvision lengthens two names that two classes share: "crane bird", "maillot tank suit".
        names = [plain(name) for name in lemmas[synset].split(",")]
        if plain(label) not in names and label not in ("crane bird", "maillot tank suit"):
            raise SystemExit(f"{index}: {label!r} is not among {lemmas[synset]!r}")


def main() -> None:
    labels = [label.strip() for label in _IMAGENET_CATEGORIES]
    check(labels)
    assert len(set(labels)) == 1000
    assert not any(c in label for label in labels for c in "|`$\\\\\n")
    # Spaces inside a label must not break a line: wrap on the separators only.
    packed = "|".join(label.replace(" ", "\0") for label in labels).replace("|", "| ")
    lines = [
        line.strip().rstrip("|").replace("| ", "|").replace("\0", " ")
        for line in textwrap.wrap(packed, 118, break_long_words=False, break_on_hyphens=False)
    ]
    assert "|".join(lines).split("|") == labels
    target = Path(__file__).resolve().parents[2] / "src/models/imagenet-labels.ts"
    target.parent.mkdir(parents=True, exist_ok=True)
    body = "\n".join(lines)
    target.write_text(
        HEADER
        + "export const imagenetLabels: readonly string[] = /* @__PURE__ */ `\n"
        + body
        + "\n`\n  .trim()\n  .split(/[|\\n]/)\n"
    )
    print(target, target.stat().st_size)


if __name__ == "__main__":
    main()
