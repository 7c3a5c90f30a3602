"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const HEADS = data.heads, PART = data.part, CLUSTERS_A_PAGE = 24, OUTLIERS_A_PAGE = 120, MORE = 200;
  const PARTS_KEPT = 40;
  const root = document.documentElement, view = document.getElementById("view");
  const status = document.getElementById("status"), tip = document.getElementById("tip");
  const filter = document.getElementById("filter"), sort = document.getElementById("sort");
  const zoom = document.getElementById("zoom"), keys = document.getElementById("keys");
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const pageOf = { clusters: 0, outliers: 0 };
  const opened = new Map(); // cluster -> how many of its images are shown
  let clusters = data.clusters, heads = [], tails = [], names = null, turn = 0;

  // Images. Slots: the first HEADS images of each cluster, then what is left of each, then the outliers. A part file
  // holds PART slots; part 0 is in this page. It has columns: names, URLs (or what they begin with), JPEGs,
  // similarities, the greatest ones, and to whom; null where none is known.

  const images = new Map(), partsKept = [];
  const at = (column, k) => (column === null ? null : column[k]);
  function keep(slots, [names, urls, jpegs, similarities, best, whom]) {
    slots.forEach((slot, k) => images.set(slot, {
      name: names[k], url: typeof urls === "string" ? urls + names[k] : urls[k], jpeg: jpegs[k],
      similarity: at(similarities, k), best: at(best, k), whom: at(whom, k),
    }));
  }
  const slotsOfPart = (part) => Array.from({ length: Math.min(PART, data.images - part * PART) }, (_, k) => part * PART + k);
  keep(slotsOfPart(0), data.first);

  // A JPEG of ours says first, in a comment, how large its picture is.
  function sizeOf(image) {
    const said = /^\xff\xd8\xff\xfe..labelimg (\d+)x(\d+)/s.exec(atob(image.jpeg.slice(0, 64)));
    return said && Number(said[1]) ? [said[1], said[2]] : null;
  }

  function place() {
    let head = 0, tail = clusters.reduce((sum, [, size]) => sum + Math.min(size, HEADS), 0);
    heads = []; tails = [];
    for (const [, size] of clusters) {
      heads.push(head); tails.push(tail);
      head += Math.min(size, HEADS); tail += Math.max(0, size - HEADS);
    }
  }
  const slotOf = (cluster, k) => (k < HEADS ? heads[cluster] + k : tails[cluster] + k - HEADS);
  const slotsOf = (cluster, from, to) => Array.from({ length: to - from }, (_, k) => slotOf(cluster, from + k));
  const outlierSlots = Array.from({ length: data.outliers }, (_, k) => data.images - data.outliers + k);

  const loading = new Map();
  let receive = null;
  window.labelimg = (run, content) => receive(run, content);

  function load(name) {
    if (!loading.has(name)) {
      loading.set(name, (loading.get("last") || Promise.resolve()).then(() => new Promise((done, fail) => {
        const script = document.createElement("script");
        let content = null;
        receive = (run, given) => { if (run === data.run) content = given; };
        script.onload = () => {
          script.remove();
          if (content === null) fail(new Error(`${data.folder}/${name}.js belongs to another report`));
          else done(content);
        };
        script.onerror = () => { script.remove(); fail(new Error(`${data.folder}/${name}.js is missing`)); };
        script.src = `${data.folder}/${name}.js`;
        document.head.append(script);
      })));
      loading.set("last", loading.get(name).catch(() => {}));
    }
    return loading.get(name);
  }

  async function need(slots) {
    const parts = [...new Set(slots.filter((slot) => !images.has(slot)).map((slot) => Math.floor(slot / PART)))];
    for (const part of parts) {
      keep(slotsOfPart(part), await load(`part_${part}`));
      partsKept.push(part);
    }
    while (partsKept.length > Math.max(PARTS_KEPT, parts.length)) {
      const part = partsKept.shift();
      for (let k = 0; k < PART; k++) images.delete(part * PART + k);
      loading.delete(`part_${part}`);
    }
  }

  async function needNames() {
    if (names === null) {
      const list = data.parts ? await load("names") : data.first[0];
      names = list.map((name) => name.toLowerCase());
    }
  }

  // What is shown.

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }
  const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
  const SHOWN = /\.(jpe?g|jpe|jfif|png|apng|webp|gif|bmp|avif|ico)$/i;
  const baseName = (name) => name.slice(name.lastIndexOf("/") + 1) || name;

  function marked(name, wanted) {
    const label = make("span", { className: "name" });
    const at = wanted ? name.toLowerCase().indexOf(wanted) : -1;
    if (at < 0) label.append(name);
    else label.append(name.slice(0, at), make("mark", {}, name.slice(at, at + wanted.length)), name.slice(at + wanted.length));
    return label;
  }

  function picture(image) {
    const frame = make("span", { className: "frame" });
    const source = image.jpeg ? `data:image/jpeg;base64,${image.jpeg}` : SHOWN.test(image.name) ? image.url : "";
    if (source) {
      const img = make("img", { alt: image.name, src: source, loading: "lazy", decoding: "async" });
      img.onerror = () => frame.replaceChildren(make("span", { className: "no" }, "cannot be shown"));
      frame.append(img);
    } else {
      frame.append(make("span", { className: "no" }, "no thumbnail"));
    }
    return frame;
  }

  function about(image, stands) {
    const lines = [];
    const size = sizeOf(image);
    if (size) lines.push(`${size[0]} × ${size[1]} pixels`);
    if (stands) lines.push("the representative: the first image of the cluster");
    else if (image.similarity !== null) lines.push(`${data.similarity} to the representative: ${image.similarity.toFixed(3)}`);
    else if (image.best !== null) {
      lines.push(`similar to the representative through others; most to ${image.whom}: ${image.best.toFixed(3)}`);
    }
    return lines;
  }

  function link(slot, stands, wanted) {
    const image = images.get(slot);
    const shown = wanted && !baseName(image.name).toLowerCase().includes(wanted) ? image.name : baseName(image.name);
    const element = make("a", { className: "image", href: image.url }, picture(image), marked(shown, wanted));
    element.dataset.slot = slot;
    if (stands) element.dataset.stands = "1";
    return element;
  }

  function list(slots, cluster, wanted) {
    return make("ul", { className: "images" }, ...slots.map((slot) => {
      const stands = cluster >= 0 && slot === slotOf(cluster, 0);
      return make("li", { className: stands ? "stands" : "" }, link(slot, stands, wanted));
    }));
  }

  function order() {
    const all = clusters.map((_, k) => k);
    const tight = (k) => clusters[k][2];
    const by = {
      largest: null,
      smallest: (a, b) => clusters[a][1] - clusters[b][1] || a - b,
      tightest: (a, b) => (tight(b) ?? -2) - (tight(a) ?? -2) || a - b,
      loosest: (a, b) => (tight(a) ?? 2) - (tight(b) ?? 2) || a - b,
      name: (a, b) => clusters[a][0].localeCompare(clusters[b][0], "en", { numeric: true }) || a - b,
    }[sort.value];
    return by ? all.sort(by) : all;
  }

  function pager(kind, pages, panel) {
    if (pages < 2) return;
    const step = (by) => () => go(kind, by);
    const back = make("button", { type: "button", disabled: pageOf[kind] === 0, onclick: step(-1) }, "Back");
    const on = make("button", { type: "button", disabled: pageOf[kind] >= pages - 1, onclick: step(1) }, "Next");
    const text = `page ${(pageOf[kind] + 1).toLocaleString("en")} of ${pages.toLocaleString("en")}`;
    panel.append(make("div", { className: "pages" }, back, make("span", {}, text), on));
  }

  function go(kind, by) {
    pageOf[kind] = Math.max(0, pageOf[kind] + by);
    show().then(() => { window.scrollTo({ top: 0 }); view.focus({ preventScroll: true }); });
  }

  const wantedText = () => filter.value.trim().toLowerCase();

  async function clusterCard(cluster, matching, wanted) {
    const [folder, size, tight, url] = clusters[cluster];
    const whole = matching === null;
    const count = whole ? size : matching.length;
    const shown = Math.min(count, opened.get(cluster) || HEADS);
    const slots = whole ? slotsOf(cluster, 0, shown) : matching.slice(0, shown);
    await need(slots);
    const title = make("h2", {}, url ? make("a", { href: url }, folder) : make("span", {}, folder));
    title.append(make("span", {}, whole ? counted(size, "image") : `${count.toLocaleString("en")} of ${counted(size, "image")}`));
    if (tight !== null) title.append(make("span", { title: data.tightMeans }, `${data.tightName} ${tight.toFixed(3)}`));
    const card = make("section", { className: "cluster" }, title, list(slots, cluster, wanted));
    card.setAttribute("aria-label", folder);
    card.tabIndex = -1;
    card.dataset.cluster = cluster;
    if (shown < count) {
      const next = Math.min(count, shown === HEADS ? MORE : shown + MORE);
      const text = next === count ? `Show all ${count.toLocaleString("en")}` : `Show ${(next - shown).toLocaleString("en")} more`;
      card.append(make("button", { type: "button", className: "more", onclick: async () => {
        opened.set(cluster, next);
        const fresh = await clusterCard(cluster, matching, wanted);
        card.replaceWith(fresh);
        fresh.querySelectorAll(".image")[shown].focus({ preventScroll: true });
      } }, text));
    }
    return card;
  }

  async function showClusters(panel) {
    const wanted = wantedText();
    if (clusters.length < data.clusterCount) {
      // The first page, in its first order, needs only what is in this page.
      if (wanted || sort.value !== "largest" || pageOf.clusters > 0) await allClusters();
    }
    let ids = order(), matches = null;
    if (wanted) {
      await needNames();
      matches = new Map();
      ids = ids.filter((cluster) => {
        if (clusters[cluster][0].toLowerCase().includes(wanted)) return true;
        const slots = slotsOf(cluster, 0, clusters[cluster][1]).filter((slot) => names[slot].includes(wanted));
        if (slots.length) matches.set(cluster, slots);
        return slots.length > 0;
      });
    }
    const total = wanted || clusters.length === data.clusterCount ? ids.length : data.clusterCount;
    const pages = Math.ceil(total / CLUSTERS_A_PAGE);
    pageOf.clusters = Math.min(pageOf.clusters, Math.max(0, pages - 1));
    const start = pageOf.clusters * CLUSTERS_A_PAGE;
    const cards = [];
    for (const cluster of ids.slice(start, start + CLUSTERS_A_PAGE)) {
      cards.push(await clusterCard(cluster, matches?.get(cluster) ?? null, wanted));
    }
    const lead = wanted ? `${counted(total, "cluster")} with “${filter.value.trim()}” in a name` : cards.length ? "" : data.images ? "No two images are alike." : "No image could be read.";
    return () => {
      panel.replaceChildren(...(lead ? [make("p", { className: "lead" }, lead)] : []), ...cards);
      pager("clusters", pages, panel);
      return lead || `${counted(total, "cluster")}, page ${pageOf.clusters + 1} of ${pages}`;
    };
  }

  async function allClusters() {
    if (clusters.length < data.clusterCount) { clusters = await load("clusters"); place(); }
  }

  async function showOutliers(panel) {
    const wanted = wantedText();
    let slots = outlierSlots;
    if (wanted) { await needNames(); slots = slots.filter((slot) => names[slot].includes(wanted)); }
    const pages = Math.ceil(slots.length / OUTLIERS_A_PAGE);
    pageOf.outliers = Math.min(pageOf.outliers, Math.max(0, pages - 1));
    const some = slots.slice(pageOf.outliers * OUTLIERS_A_PAGE, (pageOf.outliers + 1) * OUTLIERS_A_PAGE);
    await need(some);
    const lead = wanted ? `${counted(slots.length, "outlier")} with “${filter.value.trim()}” in the name` : data.outliers ? data.outlierLead : "There are no outliers.";
    return () => {
      panel.replaceChildren(make("p", { className: "lead" }, lead), list(some, -1, wanted));
      pager("outliers", pages, panel);
      return lead;
    };
  }

  async function showPairs(panel, kind) {
    const wanted = wantedText();
    let pairs = data.pairs[kind];
    if (data.parts && pairs.some(([a, b]) => !images.has(a) || !images.has(b))) keep(...await load("pairs"));
    if (wanted) pairs = pairs.filter(([a, b]) => [a, b].some((slot) => images.get(slot).name.toLowerCase().includes(wanted)));
    const cards = pairs.map(([a, b, similarity, text]) => {
      const words = make("p", {}, make("b", {}, similarity.toFixed(3)), ` ${text}`);
      const card = make("section", { className: "pair" }, link(a, false, wanted), link(b, false, wanted), words);
      card.setAttribute("aria-label", `${images.get(a).name} and ${images.get(b).name}`);
      card.tabIndex = -1;
      return card;
    });
    const lead = data.leads[kind];
    return () => {
      panel.replaceChildren(make("p", { className: "lead" }, lead), make("div", { className: "pairs" }, ...cards));
      return `${counted(cards.length, "pair")}. ${lead}`;
    };
  }

  // The map.

  let map = null, lit = -1;
  const hue = (cluster) => (cluster * 137.508) % 360;
  const dark = () => root.dataset.theme === "dark" || (root.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  const colour = (cluster, faint) => cluster < 0 ? `rgb(128 136 148 / ${faint ? 0.15 : 0.7})`
    : `hsl(${hue(cluster)} 65% ${dark() ? 65 : 42}% / ${faint ? 0.12 : 0.85})`;

  async function showMap(panel) {
    await allClusters();
    if (map === null) map = data.map || await load("map");
    return () => {
      if (!panel.querySelector("canvas")) makeMap(panel);
      drawMap();
      return data.leads.map;
    };
  }

  const clusterOf = () => {
    const of = new Int32Array(data.images).fill(-1);
    clusters.forEach(([, size], cluster) => { for (let k = 0; k < size; k++) of[slotOf(cluster, k)] = cluster; });
    return of;
  };

  function makeMap(panel) {
    const canvas = make("canvas", {});
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", data.leads.map);
    const legend = make("ul", { className: "legend" });
    clusters.slice(0, 60).forEach(([folder, size], cluster) => {
      const dot = make("i");
      dot.style.background = colour(cluster, false);
      const button = make("button", { type: "button", onclick: () => { lit = lit === cluster ? -1 : cluster; drawMap(); } }, dot, `${folder}, ${size.toLocaleString("en")}`);
      button.setAttribute("aria-pressed", "false");
      legend.append(make("li", {}, button));
    });
    panel.replaceChildren(make("p", { className: "lead" }, data.leads.map), make("div", { className: "map" }, canvas, legend));
    map.of = clusterOf();
    const nearest = (event) => {
      const box = canvas.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
      let best = -1, least = (14 / box.width) ** 2;
      for (let slot = 0; slot < map.x.length; slot++) {
        if (map.x[slot] < 0) continue;
        const [px, py] = placeOf(slot);
        const far = (px - x) ** 2 + (((py - y) * box.height) / box.width) ** 2;
        if (far < least) { least = far; best = slot; }
      }
      return best;
    };
    let over = -1;
    canvas.onpointermove = async (event) => {
      const slot = over = nearest(event);
      canvas.style.cursor = slot < 0 ? "default" : "pointer";
      if (slot < 0) { hideTip(); return; }
      const at = { x: event.clientX, y: event.clientY };
      await need([slot]).catch(say);
      if (slot !== over || !images.has(slot)) return;
      const cluster = map.of[slot];
      tipFor(slot, false, at, cluster < 0 ? "outlier" : clusters[cluster][0], true);
    };
    canvas.onpointerleave = () => { over = -1; hideTip(); };
    canvas.onclick = (event) => { const slot = nearest(event); if (slot >= 0) jump(slot); };
  }

  const placeOf = (slot) => [0.03 + 0.94 * map.x[slot] / 4095, 0.03 + 0.94 * (1 - map.y[slot] / 4095)];

  function drawMap() {
    const canvas = view.querySelector("canvas"), box = canvas.getBoundingClientRect();
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(box.width * scale); canvas.height = Math.round(box.height * scale);
    const pen = canvas.getContext("2d");
    const radius = scale * (data.images > 20000 ? 1.2 : data.images > 2000 ? 2.2 : 4);
    const draw = (slot) => {
      const [x, y] = placeOf(slot);
      pen.fillStyle = colour(map.of[slot], lit >= 0 && map.of[slot] !== lit);
      pen.beginPath(); pen.arc(x * canvas.width, y * canvas.height, radius, 0, 2 * Math.PI); pen.fill();
    };
    for (let slot = map.x.length - 1; slot >= 0; slot--) if (map.x[slot] >= 0 && map.of[slot] !== lit) draw(slot);
    for (let slot = 0; lit >= 0 && slot < map.x.length; slot++) if (map.x[slot] >= 0 && map.of[slot] === lit) draw(slot);
    view.querySelectorAll(".legend button").forEach((button, k) => {
      button.setAttribute("aria-pressed", String(k === lit));
      button.querySelector("i").style.background = colour(k, false);
    });
  }

  async function jump(slot) {
    const cluster = map.of[slot];
    filter.value = "";
    if (cluster < 0) {
      pageOf.outliers = Math.floor((slot - (data.images - data.outliers)) / OUTLIERS_A_PAGE);
      await choose("outliers");
    } else {
      pageOf.clusters = Math.floor(order().indexOf(cluster) / CLUSTERS_A_PAGE);
      await choose("clusters");
      const card = view.querySelector(`[data-cluster="${cluster}"]`);
      card?.focus(); card?.scrollIntoView({ block: "start" });
    }
  }

  // Hovering, and focus by the keyboard.

  function tipFor(slot, stands, at, extra, withPicture) {
    const image = images.get(slot);
    if (!image) return;
    const lines = [...(extra ? [extra] : []), ...about(image, stands)];
    const parts = [make("b", {}, image.name), ...lines.map((line) => make("div", {}, line))];
    if (withPicture && image.jpeg) parts.unshift(make("img", { alt: "", src: `data:image/jpeg;base64,${image.jpeg}` }));
    tip.replaceChildren(...parts);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(6, Math.min(at.x + 14, innerWidth - box.width - 6))}px`;
    tip.style.top = `${at.y + 18 + box.height > innerHeight ? Math.max(6, at.y - box.height - 12) : at.y + 18}px`;
  }
  function hideTip() { tip.hidden = true; document.querySelector("[aria-describedby=tip]")?.removeAttribute("aria-describedby"); }
  function tipOf(element, at) {
    tipFor(Number(element.dataset.slot), element.dataset.stands === "1", at, "", false);
    element.setAttribute("aria-describedby", "tip");
  }
  view.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    const element = event.target.closest(".image");
    if (element) { hideTip(); tipOf(element, { x: event.clientX, y: event.clientY }); } else if (event.target.tagName !== "CANVAS") hideTip();
  });
  view.addEventListener("pointerleave", hideTip);
  view.addEventListener("focusin", (event) => {
    const element = event.target.closest(".image");
    hideTip();
    if (element && element.matches(":focus-visible")) {
      const box = element.getBoundingClientRect();
      tipOf(element, { x: box.left, y: box.bottom - 12 });
    }
  });
  view.addEventListener("focusout", hideTip);
  window.addEventListener("scroll", hideTip, { passive: true });

  // Tabs, tools, keys.

  const shownTab = () => tabs.find((tab) => tab.getAttribute("aria-selected") === "true").dataset.kind;
  const say = (error) => { status.textContent = error.message; };
  const fill = { clusters: showClusters, outliers: showOutliers, map: showMap,
    links: (panel) => showPairs(panel, "links"), misses: (panel) => showPairs(panel, "misses") };

  async function show() {
    const mine = ++turn, kind = shownTab(), panel = document.getElementById(`panel-${kind}`);
    hideTip();
    if (!fill[kind]) { status.textContent = panel.textContent.trim().slice(0, 100); return; }
    panel.setAttribute("aria-busy", "true");
    try {
      const put = await fill[kind](panel);
      if (mine === turn) status.textContent = put();
    } catch (error) {
      if (mine !== turn) return;
      panel.replaceChildren(make("p", { className: "lead" }, `${error.message}. labelimg report makes this page again.`));
      say(error);
    } finally {
      if (mine === turn) panel.removeAttribute("aria-busy");
    }
  }

  async function choose(kind, focus = false) {
    for (const tab of tabs) {
      const on = tab.dataset.kind === kind;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      document.getElementById(`panel-${tab.dataset.kind}`).hidden = !on;
      if (on && focus) tab.focus();
      if (on) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    sort.disabled = kind !== "clusters";
    filter.disabled = !["clusters", "outliers", "links", "misses"].includes(kind);
    history.replaceState(null, "", `#${kind}`);
    await show();
  }

  for (const tab of tabs) {
    tab.onclick = () => choose(tab.dataset.kind);
    tab.onkeydown = (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const to = by ? (tabs.indexOf(tab) + by + tabs.length) % tabs.length : { Home: 0, End: tabs.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      choose(tabs[to].dataset.kind, true);
    };
  }
  document.querySelectorAll("[data-go]").forEach((element) => {
    element.onclick = (event) => { event.preventDefault(); choose(element.dataset.go); };
  });
  let waiting = 0;
  filter.oninput = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { pageOf.clusters = pageOf.outliers = 0; show(); }, 120);
  };
  sort.onchange = () => { pageOf.clusters = 0; show(); };

  // A page from the disk may have no memory.
  const remembered = (name) => { try { return localStorage.getItem(`labelimg-${name}`); } catch { return null; } };
  const remember = (name, value) => { try { localStorage.setItem(`labelimg-${name}`, value); } catch { /* then not */ } };
  function setZoom(value) { zoom.value = value; root.dataset.zoom = value; remember("zoom", value); if (shownTab() === "map") show(); }
  function setTheme(value) { root.dataset.theme = value; remember("theme", value); if (shownTab() === "map") show(); }
  zoom.onchange = () => setZoom(zoom.value);
  document.getElementById("theme").onclick = () => setTheme(dark() ? "light" : "dark");
  document.getElementById("help").onclick = () => keys.showModal();
  if (["light", "dark"].includes(remembered("theme"))) root.dataset.theme = remembered("theme");
  if (["s", "m", "l"].includes(remembered("zoom"))) { zoom.value = remembered("zoom"); root.dataset.zoom = zoom.value; }

  function step(by) {
    const cards = [...view.querySelectorAll(".cluster, .pair")].filter((card) => card.offsetParent);
    if (!cards.length) return;
    const at = cards.indexOf(document.activeElement.closest(".cluster, .pair"));
    const to = cards[Math.max(0, Math.min(cards.length - 1, at + by))];
    to.focus({ preventScroll: true });
    to.scrollIntoView({ block: "nearest" });
  }
  function next(select, by, round) {
    const count = select.options.length;
    select.selectedIndex = round ? (select.selectedIndex + by + count) % count : Math.max(0, Math.min(count - 1, select.selectedIndex + by));
    select.dispatchEvent(new Event("change"));
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
    if (event.key === "Escape") {
      if (filter.value) { filter.value = ""; filter.oninput(); }
      hideTip();
      if (document.activeElement === filter) filter.blur();
      return;
    }
    if (event.target.matches("input, select, textarea")) return;
    const kind = shownTab(), number = Number(event.key);
    if (number >= 1 && number <= tabs.length) choose(tabs[number - 1].dataset.kind, true);
    else if (event.key === "/" && !filter.disabled) filter.focus();
    else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
    else if (event.key === "n" || event.key === "p") {
      const button = document.querySelector(`#panel-${kind} .pages button:${event.key === "n" ? "last" : "first"}-of-type`);
      if (button && !button.disabled) button.click();
    } else if (event.key === "s" && !sort.disabled) next(sort, 1, true);
    else if (event.key === "+" || event.key === "=") next(zoom, 1, false);
    else if (event.key === "-") next(zoom, -1, false);
    else if (event.key === "t") document.getElementById("theme").click();
    else if (event.key === "?") keys.showModal();
    else return;
    event.preventDefault();
  });
  window.addEventListener("resize", () => { if (shownTab() === "map") drawMap(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (shownTab() === "map") drawMap(); });
  window.addEventListener("hashchange", () => { const kind = location.hash.slice(1); if (tabs.some((tab) => tab.dataset.kind === kind)) choose(kind); });

  place();
  const first = location.hash.slice(1);
  const filled = data.clusterCount ? "clusters" : data.outliers ? "outliers" : data.images ? "clusters" : "unreadable";
  choose([first, filled, "clusters"].find((kind) => tabs.some((tab) => tab.dataset.kind === kind)));
})();
