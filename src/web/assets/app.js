// Optional keys: j and k move in lists, / searches, g and a letter goes to a page, ? explains. Every page works without this.
(function () {
  "use strict";
  var STORE = "counterfoil.keys";
  var dialog = document.getElementById("keys");
  var toggle = document.getElementById("keys-toggle");
  var opener = document.getElementById("keys-open");

  function enabled() {
    try { return localStorage.getItem(STORE) !== "off"; } catch (e) { return true; }
  }
  function label() {
    if (toggle) { toggle.textContent = enabled() ? "Turn shortcuts off" : "Turn shortcuts on"; }
  }
  function help() {
    if (dialog && dialog.showModal && !dialog.open) { label(); dialog.showModal(); }
  }
  if (opener) { opener.hidden = false; opener.addEventListener("click", help); }
  if (toggle) {
    toggle.addEventListener("click", function () {
      try { localStorage.setItem(STORE, enabled() ? "off" : "on"); } catch (e) { /* stays on */ }
      label();
    });
  }

  // After g, the next key says where to.
  var going = false;
  function typing(el) {
    return el && (el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName));
  }
  function step(by) {
    var rows = Array.prototype.slice.call(document.querySelectorAll("a[data-row]"));
    if (!rows.length) { return; }
    var at = rows.indexOf(document.activeElement);
    var next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by;
    if (rows[next]) {
      rows[next].focus();
      rows[next].scrollIntoView({ block: "nearest" });
    }
  }
  document.addEventListener("keydown", function (e) {
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) { return; }
    if (!enabled() || typing(e.target) || (dialog && dialog.open)) { return; }
    if (going) {
      going = false;
      var place = { t: "Today", a: "Alerts", c: "Accounts", r: "Reports", p: "Approvals", l: "Trail" }[e.key];
      var item = place && document.querySelector(".nav a[data-go='" + place + "']");
      if (!item) { return; }
      e.preventDefault();
      location.assign(item.href);
      return;
    }
    if (e.key === "g") { going = true; setTimeout(function () { going = false; }, 1500); }
    else if (e.key === "j") { step(1); }
    else if (e.key === "k") { step(-1); }
    else if (e.key === "?") { help(); }
    else if (e.key === "/") {
      var field = document.querySelector("[data-search]");
      if (!field) { return; }
      field.focus();
    } else { return; }
    e.preventDefault();
  });

  // The error summary takes the focus, so that it is read first.
  var errors = document.getElementById("errors");
  if (errors) { errors.focus(); }
})();
