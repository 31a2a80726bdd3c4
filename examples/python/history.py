"""The history query: who changed which field of a record, when and why; and the record as it was at any instant.

    python3 history.py TYPE ID [INSTANT]
"""

import sys

from counterfoil import Counterfoil


def history(counterfoil, type, id):
    """One line for each field that changed, oldest change first."""
    for change in reversed(list(counterfoil.history(type, id))):
        for field in change["fields"]:
            yield {"when": change["changed_at"], "who": change["actor"], "why": change["reason"], "field": field["path"],
                   "old": field.get("old"), "new": field.get("new")}


def main():
    type, id, *at = sys.argv[1:]
    counterfoil = Counterfoil.from_environment()
    for line in history(counterfoil, type, id):
        print(line["when"], line["who"], line["field"], line["old"], "->", line["new"], f"({line['why'] or 'no reason'})")
    if at:
        state = counterfoil.state(type, id, at[0])
        print("at", at[0], "version", state["version"], state["document"])


if __name__ == "__main__":
    main()
