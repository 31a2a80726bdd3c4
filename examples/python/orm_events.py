"""ORM events: SQLAlchemy tells what a flush changes, and an outbox table in the same transaction keeps it until it is sent.

Nothing is recorded that was rolled back, and nothing is lost that was committed: the row and what tells of it are
written together. `drain` sends in order and deletes what was taken.
"""

import json

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session, declarative_base

from counterfoil import Away, Counterfoil

Base = declarative_base()


class Customer(Base):
    __tablename__ = "customers"
    __audited__ = "customer"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String, nullable=False)
    city = sa.Column(sa.String)
    credit_limit = sa.Column(sa.Integer)


class Outbox(Base):
    __tablename__ = "outbox"
    id = sa.Column(sa.Integer, primary_key=True, autoincrement=True)
    change = sa.Column(sa.Text, nullable=False)


class Rejected(Base):
    __tablename__ = "outbox_rejected"
    id = sa.Column(sa.Integer, primary_key=True)
    change = sa.Column(sa.Text, nullable=False)
    problem = sa.Column(sa.Text, nullable=False)


def states(record):
    """What the database had, and what it will have."""
    before, after = {}, {}
    for column in sa.inspect(record).mapper.column_attrs:
        if column.key == "id":
            continue
        history = sa.inspect(record).attrs[column.key].load_history()
        after[column.key] = getattr(record, column.key)
        before[column.key] = history.deleted[0] if history.deleted else (None if history.added else after[column.key])
    return before, after


def listen(session_class, counterfoil):
    """Has every flush of these sessions put its changes into the outbox."""

    @event.listens_for(session_class, "after_flush")
    def keep(session, _flush):
        rows = []
        def add(record, action, before, after):
            if hasattr(record, "__audited__"):
                change = counterfoil.change(record.__audited__, record.id, action, before=before, after=after, **session.info)
                rows.append({"change": json.dumps(change)})
        for record in session.new:
            if hasattr(record, "__audited__"):
                add(record, "create", None, states(record)[1])
        for record in session.dirty:
            if hasattr(record, "__audited__") and session.is_modified(record):
                add(record, "update", *states(record))
        for record in session.deleted:
            if hasattr(record, "__audited__"):
                add(record, "delete", states(record)[0], None)
        if rows:
            session.execute(sa.insert(Outbox.__table__), rows)


def drain(engine, counterfoil):
    """Sends what waits, in order, and deletes it by its ids; what is refused for good is kept with its reason."""
    sent = 0
    while True:
        with engine.connect() as connection:
            waiting = connection.execute(sa.select(Outbox.id, Outbox.change).order_by(Outbox.id).limit(200)).all()
        if not waiting:
            return sent
        results = counterfoil.record_all([json.loads(row.change) for row in waiting])
        with engine.begin() as connection:
            for row, result in zip(waiting, results):
                if result["status"] == "rejected":
                    if result["problem"]["status"] >= 500:
                        return sent
                    kept = {"id": row.id, "change": row.change, "problem": json.dumps(result["problem"])}
                    connection.execute(sa.insert(Rejected.__table__), [kept])
                connection.execute(sa.delete(Outbox.__table__).where(Outbox.id == row.id))
                sent += 1


def main():
    counterfoil = Counterfoil.from_environment()
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)

    class Audited(Session):
        pass

    listen(Audited, counterfoil)
    who = {"actor": "john_doe", "session_id": "s-17", "ip": "192.0.2.7", "reason": "by letter"}
    with Audited(engine, info=who) as session:
        session.add(Customer(id=1, name="Ann", city="Bern", credit_limit=100))
        session.commit()
        ann = session.get(Customer, 1)
        ann.city = "Basel"
        session.commit()
        ann.name = "Rolled back"
        session.flush()
        session.rollback()
        session.delete(session.get(Customer, 1))
        session.commit()
    try:
        drain(engine, Counterfoil("http://127.0.0.1:1", "x", attempts=1))
    except Away:
        with engine.connect() as connection:
            print("away, waiting", connection.scalar(sa.select(sa.func.count()).select_from(Outbox)))
    print("sent", drain(engine, counterfoil))
    print("sent", drain(engine, counterfoil))
    for change in reversed(list(counterfoil.history("customer", 1))):
        print(change["action"], change["actor"], {field["path"]: field.get("new") for field in change["fields"]}, change["breaks"])


if __name__ == "__main__":
    main()
