"""The price tracker: prices as exact text, their changes in per cent, the largest first."""

from decimal import Decimal

from counterfoil import Counterfoil

LARGE = Decimal("50")


class PriceTracker:
    def __init__(self, counterfoil, **who):
        self.counterfoil, self.who = counterfoil, who

    def set(self, product, price, at, reason):
        change = self.counterfoil.change("price", product, "update", after={"price": str(price), "currency": "CHF"},
                                         changed_at=at, reason=reason, **self.who)
        return self.counterfoil.record(change)["status"]

    def changes(self, product):
        """Old and new price with the change in per cent, oldest first."""
        for change in reversed(list(self.counterfoil.history("price", product))):
            for field in change["fields"]:
                if field["path"] == "/price" and "old" in field:
                    old, new = Decimal(field["old"]), Decimal(field["new"])
                    yield change["changed_at"][:10], old, new, ((new - old) / old * 100).quantize(Decimal("0.1"))

    def price_at(self, product, instant):
        return Decimal(self.counterfoil.state("price", product, instant)["document"]["price"])


def main():
    tracker = PriceTracker(Counterfoil.from_environment(), actor="buyer-2")
    for price, day, reason in [("19.90", 1, "first"), ("21.90", 2, "supplier"), ("21.90", 3, "the same"), ("39.90", 4, "a mistake?")]:
        print(day, price, tracker.set("P-1", Decimal(price), f"2026-03-0{day}T09:00:00Z", reason))
    for day, old, new, percent in tracker.changes("P-1"):
        print(day, old, "->", new, f"{percent:+} %", "LARGE" if abs(percent) > LARGE else "")
    print("on the third:", tracker.price_at("P-1", "2026-03-03T12:00:00Z"))


if __name__ == "__main__":
    main()
