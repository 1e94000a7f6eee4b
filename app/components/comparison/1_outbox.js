// What the rater did waits here until the server says that it is in the database. It is sent again, whole, after a dropped
// network, a closed laptop, a restarted server or a reload of the page; the server does each action once.
const PATIENCE = [1000, 2000, 4000, 8000, 15000]; // milliseconds until it is tried again

function makeOutbox(onAnswer, onTrouble) {
  const client = crypto.getRandomValues(new Uint32Array(2)).join("-");
  let waiting = [];
  let number = 0;
  let failures = 0;
  let place = "";
  let letter = () => ({});
  let sending = false;
  let timer = 0;

  async function flush() {
    clearTimeout(timer);
    if (sending || !waiting.length) return;
    sending = true;
    let answer = null;
    try { answer = await post(letter(waiting)); } catch { /* no network, no server, no room: below */ }
    sending = false;
    if (!answer) {
      timer = setTimeout(flush, PATIENCE[Math.min(failures, PATIENCE.length - 1)]);
      failures += 1;
      return onTrouble();
    }
    failures = 0;
    const acknowledged = answer.acknowledged ?? {};
    waiting = answer.over ? [] : waiting.filter((action) => !(action.id in acknowledged));
    keep();
    onAnswer(answer, Object.values(acknowledged).filter(Boolean).at(-1) ?? "");
    flush();
  }

  // F5 while nothing can be sent keeps the answers: they wait in this tab's own storage, which nobody else can read.
  function keep() { try { sessionStorage.setItem(place, JSON.stringify(waiting)); } catch { /* private window */ } }
  function kept() { try { return JSON.parse(sessionStorage.getItem(place)) ?? []; } catch { return []; } }
  window.addEventListener("online", flush);

  return {
    open(name, write) {
      letter = write;
      if (place === name) return;
      place = name;
      waiting = kept();
      flush();
    },
    add(action) {
      waiting.push({ id: `${client}-${++number}`, ...action });
      keep();
      flush();
    },
    has(test) { return waiting.some(test); },
    all(test) { return waiting.filter(test); },
    get empty() { return waiting.length === 0; },
    get failing() { return failures > 0; },
    close() { clearTimeout(timer); window.removeEventListener("online", flush); },
  };
}

// The answer, or null where the same may be sent again.
async function post(letter) {
  const response = await fetch(here("/answers"), {
    method: "POST", body: JSON.stringify(letter), headers: { "Content-Type": "application/json" }, keepalive: true,
    signal: AbortSignal.timeout(20000),
  });
  if (response.ok) return response.json();
  return [400, 403, 413, 415].includes(response.status) ? { over: true } : null;
}

// An address of this app, wherever a proxy has put it.
function here(path) { return `${location.pathname.replace(/\/$/, "")}${path}`; }
