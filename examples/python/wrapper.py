"""The wrapper: whatever happens to an object inside `with audited(...)` is recorded, field by field."""

import contextlib
import copy
import dataclasses

from counterfoil import Counterfoil


@contextlib.contextmanager
def audited(counterfoil, type, id, value, **who_and_why):
    """Records what differs when the block ends; what an exception ends is not recorded, because it is not done."""
    before = copy.deepcopy(dataclasses.asdict(value))
    yield value
    after = dataclasses.asdict(value)
    if after != before:
        counterfoil.record(counterfoil.change(type, id, "update", before=before, after=after, **who_and_why))


@dataclasses.dataclass
class Account:
    owner: str
    limit: int
    tags: list


def main():
    counterfoil = Counterfoil.from_environment()
    account = Account("Ann", 100, ["new"])
    who = {"actor": "teller-4", "session_id": "s-9", "ip": "192.0.2.9"}
    with audited(counterfoil, "account-settings", "A-1", account, reason="asked for by letter", **who):
        account.limit = 250
        account.tags.append("checked")
    with audited(counterfoil, "account-settings", "A-1", account, **who):
        pass
    with contextlib.suppress(RuntimeError):
        with audited(counterfoil, "account-settings", "A-1", account, **who):
            account.limit = 9_999
            raise RuntimeError("the bank's own transaction was rolled back")
    for change in counterfoil.history("account-settings", "A-1"):
        fields = {field["path"]: (field.get("old"), field.get("new")) for field in change["fields"]}
        print(change["actor"], change["reason"], fields["/limit"], fields["/tags"])


if __name__ == "__main__":
    main()
