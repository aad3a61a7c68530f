// Follows clicks as they come. Where a page has data-live, the stream of that address fills its rows.

const rowsKept = 100;
let source = null;

function cell(text, ...classes) {
  const td = document.createElement("td");
  td.textContent = text;
  td.classList.add(...classes);
  return td;
}

function rowOf(click) {
  const tr = document.createElement("tr");
  const link = document.createElement("a");
  link.href = "/app/links/" + encodeURIComponent(click.code) + "?domain=" + encodeURIComponent(click.domain);
  link.textContent = click.code;
  const code = document.createElement("td");
  code.append(link);
  const at = new Date(click.at).toLocaleTimeString(document.documentElement.lang);
  const from = click.referrer_host || click.channel;
  const place = [click.city, click.country].filter(Boolean).join(", ") || "–";
  const device = click.bot ? "bot: " + click.bot : [click.browser, click.os, click.device].filter(Boolean).join(" · ");
  tr.append(cell(at, "soft"), code, cell(from), cell(place), cell(device, click.bot ? "soft" : "device"));
  return tr;
}

function follow(panel) {
  const rows = panel.querySelector("[data-live-rows]");
  const state = panel.querySelector("[data-live-state]");
  const pause = panel.querySelector("[data-live-pause]");
  const waiting = [];
  const paused = () => pause.getAttribute("aria-pressed") === "true";
  const show = () => {
    for (const click of waiting.splice(0)) rows.prepend(rowOf(click));
    while (rows.children.length > rowsKept) rows.lastChild.remove();
  };
  source = new EventSource(panel.dataset.live);
  source.onopen = () => { state.textContent = "●"; };
  source.onerror = () => { state.textContent = "…"; };
  source.addEventListener("click", (event) => {
    waiting.push(JSON.parse(event.data));
    if (waiting.length > rowsKept) waiting.shift();
    if (!paused()) show();
    else state.textContent = "+" + waiting.length;
  });
  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(!paused()));
    if (!paused()) { show(); state.textContent = "●"; }
  });
}

function begin() {
  if (source) { source.close(); source = null; }
  const panel = document.querySelector("[data-live]");
  if (panel) follow(panel);
}

begin();
document.addEventListener("htmx:afterSettle", begin);
window.addEventListener("pagehide", () => { if (source) source.close(); });
