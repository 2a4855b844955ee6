// site.js - search over all pages, and a menu that is folded where there is little room.
(function () {
  "use strict";
  var up = document.body.dataset.up;
  var input = document.getElementById("q"), list = document.getElementById("found");
  var menu = document.querySelector("nav .menu"), index = null, chosen = -1;

  if (window.matchMedia("(max-width: 56rem)").matches) menu.open = false;
  var here = menu.querySelector(".here");
  if (here && menu.open) menu.scrollTop = Math.max(0, here.offsetTop - 120);

  // Names are found by their parts too: session:response_io by "response", "io", and by the beginning of any.
  function parts(text) { return text + " " + text.split(/[^A-Za-z0-9]+/).join(" "); }

  function build() {
    index = lunr(function () {
      var self = this;
      self.pipeline.remove(lunr.stopWordFilter);
      self.ref("i");
      self.field("t", { boost: 10 });
      self.field("s", { boost: 3 });
      self.field("x");
      SEARCH.forEach(function (d, i) { self.add({ i: i, t: parts(d.t), s: d.s || "", x: d.x }); });
    });
  }

  function search(text) {
    if (!index) build();
    var exact = text.toLowerCase();
    var words = exact.split(/[^a-z0-9]+/).filter(Boolean);
    if (!words.length) return [];
    var found = index.query(function (q) {
      words.forEach(function (word) {
        q.term(lunr.tokenizer(word), { boost: 10, usePipeline: true });
        q.term(word, { boost: 5, usePipeline: false, wildcard: lunr.Query.wildcard.TRAILING });
        if (word.length > 4) q.term(word, { usePipeline: false, editDistance: 1 });
      });
    });
    // A name that is what was typed comes first, then those that hold it, then those that hold all of its words.
    function rank(r) {
      var t = SEARCH[r.ref].t.toLowerCase();
      return t === exact ? 4 : t.split(/[.:]/).pop() === exact ? 3 : t.indexOf(exact) >= 0 ? 2 :
        words.every(function (word) { return t.indexOf(word) >= 0; }) ? 1 : 0;
    }
    return found.map(function (r) { return { r: r, k: rank(r) }; })
      .sort(function (a, b) { return b.k - a.k || b.r.score - a.r.score; })
      .slice(0, 25).map(function (x) { return SEARCH[x.r.ref]; });
  }

  function show() {
    var text = input.value.trim();
    list.textContent = "";
    chosen = -1;
    list.hidden = text === "";
    if (list.hidden) return;
    var hits = search(text);
    hits.forEach(function (d) {
      var li = document.createElement("li"), a = document.createElement("a"), b = document.createElement("b"), s = document.createElement("small");
      a.href = up + d.u;
      b.textContent = d.t;
      s.textContent = [d.s, d.x.slice(0, 140)].filter(Boolean).join(" – ");
      a.append(b, s);
      li.append(a);
      list.append(li);
    });
    if (!hits.length) {
      var none = document.createElement("li");
      none.className = "none";
      none.textContent = "Nothing is found.";
      list.append(none);
    }
  }

  function choose(step) {
    var items = list.querySelectorAll("li:not(.none)");
    if (!items.length) return;
    if (chosen >= 0) items[chosen].classList.remove("on");
    chosen = (chosen + step + items.length) % items.length;
    items[chosen].classList.add("on");
    items[chosen].scrollIntoView({ block: "nearest" });
  }

  input.addEventListener("input", show);
  input.addEventListener("focus", show);
  input.addEventListener("keydown", function (e) {
    if (e.key === "ArrowDown") choose(1);
    else if (e.key === "ArrowUp") choose(-1);
    else if (e.key === "Enter") {
      if (chosen < 0) choose(1);
      var a = list.querySelector(".on a");
      if (a) { location.href = a.href; list.hidden = true; input.blur(); }
    } else if (e.key === "Escape") { list.hidden = true; input.blur(); } else return;
    e.preventDefault();
  });
  document.addEventListener("click", function (e) { if (!e.target.closest("form")) list.hidden = true; });
  document.addEventListener("keydown", function (e) {
    if (e.key === "/" && document.activeElement !== input) { input.focus(); input.select(); e.preventDefault(); }
  });

  // index.html?q=words shows what the search finds.
  var asked = new URLSearchParams(location.search).get("q");
  if (asked) { input.value = asked; show(); }
})();
