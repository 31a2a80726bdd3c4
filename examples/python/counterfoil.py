"""A client of Counterfoil's HTTP interface in plain Python: the standard library and nothing else.

Sending again is always safe: the server knows each source_ref for ever and records it once.
Money is text or Decimal, never a float.
"""

import datetime as dt
import decimal
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

ATTEMPTS = 6
ROWS_MAX = 200


class Refused(Exception):
    """The server refused it for good; `problem` says why (`code` for programs, `detail` for people)."""

    def __init__(self, problem):
        super().__init__(f"{problem.get('code')}: {problem.get('detail')}")
        self.problem = problem


class Away(Exception):
    """The server is not there, or cannot take it now: send it again later."""


def plain(value):
    """A value as JSON that loses nothing: no float gets through."""
    if isinstance(value, float):
        raise TypeError(f"{value!r} is a float; use Decimal or text")
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return str(value)
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def problem_of(error):
    """What the server said; whatever stands before it may answer something else."""
    try:
        return json.load(error)
    except ValueError:
        return {"code": f"http_{error.code}", "detail": error.reason}


def now():
    return dt.datetime.now(dt.timezone.utc).isoformat()


class Counterfoil:
    def __init__(self, url, key, attempts=ATTEMPTS):
        self.url, self.key, self.attempts = url.rstrip("/"), key, attempts

    @classmethod
    def from_environment(cls):
        return cls(os.environ["COUNTERFOIL_URL"], os.environ["COUNTERFOIL_KEY"])

    def change(self, type, id, action, *, before=None, after=None, source_ref=None, changed_at=None, **who_and_why):
        """A change as it is sent: `actor`, `session_id`, `ip`, `reason`, `class`, `sensitive` may be said too."""
        row = {"source_ref": source_ref or uuid.uuid4().hex, "type": type, "id": str(id), "action": action,
               "changed_at": changed_at or now(), "before": before, "after": after, **who_and_why}
        return plain({name: value for name, value in row.items() if value is not None})

    def record(self, change):
        """Records one change and gives its receipt."""
        return self._call("POST", "/api/v1/changes", change)

    def record_all(self, changes):
        """Records changes in their order, and gives what became of each."""
        results = []
        for at in range(0, len(changes), ROWS_MAX):
            results += self._call("POST", "/api/v1/changes", changes[at:at + ROWS_MAX])["results"]
        return results

    def entry(self, **fields):
        """Records one balance change."""
        return self._call("POST", "/api/v1/entries", plain(fields))

    def state(self, type, id, at=None):
        """A record as it is, or as it was at an instant."""
        query = "?" + urllib.parse.urlencode({"at": at}) if at else ""
        return self._call("GET", self._path(type, id) + query)

    def history(self, type, id):
        """Every change of a record, newest first."""
        after = ""
        while True:
            page = self._call("GET", self._path(type, id) + "/changes?limit=1000" + after)
            yield from page["items"]
            if page["next"] is None:
                return
            after = "&after=" + urllib.parse.quote(page["next"])

    def _path(self, type, id):
        return f"/api/v1/records/{type}/{urllib.parse.quote(str(id), safe='')}"

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        why = None
        for attempt in range(self.attempts):
            request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
            wait = 0.2 * 2 ** attempt
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.load(answer, parse_float=decimal.Decimal)
            except urllib.error.HTTPError as error:
                why = problem_of(error)
                if error.code not in (429, 502, 503, 504):
                    raise Refused(why) from None
                asked = error.headers.get("retry-after", "")
                wait = max(wait, min(float(asked), 60) if asked.isdigit() else 0)
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                why = error
            if attempt + 1 < self.attempts:
                time.sleep(wait)
        raise Away(f"{self.url} did not take it: {why}")
