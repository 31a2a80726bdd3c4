"""The simple audit log: one call for each thing that was done, with old and new values."""

from counterfoil import Counterfoil, Refused


class AuditLog:
    def __init__(self, counterfoil, **who):
        self.counterfoil, self.who = counterfoil, who

    def log(self, table, record_id, action, old_values=None, new_values=None, **why):
        change = self.counterfoil.change(table, record_id, action, before=old_values, after=new_values, **self.who, **why)
        return self.counterfoil.record(change)


def main():
    counterfoil = Counterfoil.from_environment()
    log = AuditLog(counterfoil, actor="john_doe", session_id="sess-7f3a9c", ip="192.0.2.7", user_agent="Mozilla/5.0")
    log.log("customer", "C-1", "create", new_values={"name": "Ann", "city": "Bern"})
    log.log("customer", "C-1", "update", {"name": "Ann", "city": "Bern"}, {"name": "Ann", "city": "Basel"}, reason="moved house")
    log.log("customer", "C-1", "delete", {"name": "Ann", "city": "Basel"}, reason="account closed")
    try:
        log.log("customer", "C-1", "rename")
    except Refused as refused:
        print("refused", refused.problem["code"])
    for change in reversed(list(counterfoil.history("customer", "C-1"))):
        print(change["version"], change["action"], change["actor"], change["reason"] or "-", [field["path"] for field in change["fields"]])
    # The balance changes of the same program are entries: continuity and rules are checked on them.
    receipt = counterfoil.entry(source_ref="T-1", account="ACC-1", currency="USD", kind="deposit", amount="15000.00",
                                balance_before="0.00", balance_after="15000.00", booked_at="2026-03-02T10:00:00Z", actor="john_doe")
    print("hits", [hit["rule"] for hit in receipt["hits"]], "breaks", receipt["breaks"])


if __name__ == "__main__":
    main()
