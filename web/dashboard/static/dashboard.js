// What pages gain by scripts: copying, titles and focus after a swap, the visitor's time zone. Nothing depends on it.

const said = document.getElementById("said");

function say(text) {
  said.textContent = "";
  requestAnimationFrame(() => { said.textContent = text; });
}

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.includes("tz=" + zone)) {
  document.cookie = `tz=${zone}; path=/app; max-age=31536000; samesite=lax`;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    const before = button.textContent;
    button.textContent = "✓";
    say(button.dataset.copy);
    setTimeout(() => { button.textContent = before; }, 1500);
  } catch {
    prompt("", button.dataset.copy);
  }
});

// After a swap the page has another title, and who cannot see it is told.
document.addEventListener("htmx:afterSettle", () => {
  const content = document.getElementById("content");
  if (!content) return;
  document.title = content.dataset.title;
  if (!content.contains(document.activeElement)) content.focus({ preventScroll: true });
  say(document.title);
  for (const link of document.querySelectorAll(".bar nav a")) {
    const current = link.getAttribute("href").replace("/app/", "") === content.dataset.screen.replace("links", "");
    if (current) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
});

// Answers that say what is wrong are shown too.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status >= 400) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});
