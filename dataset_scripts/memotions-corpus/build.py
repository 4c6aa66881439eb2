"""Build the Memotions corpus from its upstream files: Parquet, a card and plots, in a new folder.

    pip install 'memotions-hf[cards]'
    python build.py FOLDER [--exclude SOURCES] [--help]

This is ``memotions corpus build``; the ``datasets`` builder behind it is
``memotions_hf.corpus.builder.MemotionsCorpus``. Loading scripts no longer run from the Hub, so it
runs where the files are: in the folder that MEMOTIONS_MIRROR names, or where ``memotions corpus
download`` keeps them. FOLDER must not be the folder of this script. Afterwards:

    datasets.load_dataset("FOLDER", "merged")
"""

from __future__ import annotations

import sys

from memotions_hf.cli import main

if __name__ == "__main__":
    sys.exit(main(["corpus", "build", *sys.argv[1:]]))
