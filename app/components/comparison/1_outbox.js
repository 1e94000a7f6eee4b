// What the rater did waits here until the server says that it is in the database. It is sent again, whole, after a dropped
// network, a closed laptop, a restarted server or a reload of the page; the server does each action once.
const PATIENCE = [1000, 2000, 4000, 8000, 15000]; // milliseconds until it is tried again
const MOST = 50; // actions in one letter, and
const MOST_BYTES = 40000; // bytes: a browser that is left sends no more than 65,536

function makeOutbox(onAnswer, onTrouble) {
  const client = crypto.getRandomValues(new Uint32Array(2)).join("-");
  let waiting = [];
  let number = 0;
  let failures = 0;
  let most = MOST;
  let refused = false;
  let place = "";
  let letter = () => ({});
  let sending = false;
  let timer = 0;

  async function flush() {
    clearTimeout(timer);
    if (sending || !waiting.length) return;
    sending = true;
    let answer = null;
    try { answer = await post(letter(first())); } catch { /* no network, no server, no room: below */ }
    sending = false;
    refused = Boolean(answer?.refused);
    if (!answer || refused) {
      if (refused) most = Math.max(1, most >> 1); // what is not understood is tried in parts, and never dropped
      timer = setTimeout(flush, PATIENCE[Math.min(failures, PATIENCE.length - 1)]);
      failures += 1;
      return onTrouble();
    }
    failures = 0;
    most = MOST;
    const acknowledged = answer.acknowledged ?? {};
    waiting = answer.over && !answer.acknowledged ? [] : waiting.filter((action) => !(action.id in acknowledged));
    keep();
    onAnswer(answer, Object.values(acknowledged).filter(Boolean).at(-1) ?? "");
    flush();
  }

  // The oldest actions, as many as go into one letter.
  function first() {
    let bytes = 0;
    const size = (action) => new TextEncoder().encode(JSON.stringify(action)).length;
    return waiting.slice(0, most).filter((action, place) => (bytes += size(action)) <= MOST_BYTES || place === 0);
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
    get refused() { return refused; },
    close() { clearTimeout(timer); window.removeEventListener("online", flush); },
  };
}

// The answer; null where the same may be sent again, and `refused` where it was not understood.
async function post(letter) {
  const response = await fetch(here("/answers"), {
    method: "POST", body: JSON.stringify(letter), headers: { "Content-Type": "application/json" }, keepalive: true,
    signal: AbortSignal.timeout(20000),
  });
  if (response.ok) return response.json();
  if (response.status === 403) return { over: true }; // this link takes no answers any more
  return [400, 413, 415].includes(response.status) ? { refused: true } : null;
}

// An address of this app, wherever a proxy has put it.
function here(path) { return `${location.pathname.replace(/\/$/, "")}${path}`; }
