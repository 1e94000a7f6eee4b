// What the rater did waits here until the server says that it is in the database. Nothing is lost to a dropped network:
// the whole outbox is sent again with the next action, and the server does each action once.
function makeOutbox() {
  const client = crypto.getRandomValues(new Uint32Array(2)).join("-");
  let waiting = [];
  let number = 0;
  let send = () => {};
  return {
    connect(sendState) { send = sendState; },
    add(action) {
      waiting.push({ id: `${client}-${++number}`, ...action });
      send("outbox", waiting.slice());
    },
    // Takes the server's {id: null | "what went wrong"}; returns the faults.
    acknowledge(acknowledged) {
      const done = waiting.filter((action) => action.id in acknowledged);
      waiting = waiting.filter((action) => !(action.id in acknowledged));
      return done.filter((action) => acknowledged[action.id]).map((action) => acknowledged[action.id]);
    },
    has(test) { return waiting.some(test); },
    last(test) { return waiting.filter(test).at(-1); },
    get empty() { return waiting.length === 0; },
  };
}
