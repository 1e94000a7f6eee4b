// Milliseconds since both images were revealed, without the time in which they could not be seen.
function makeClock() {
  let started = null;
  let away = 0;
  let left = null;
  const now = () => performance.now();
  return {
    start() { started = now(); away = 0; left = null; },
    stop() { started = null; },
    hold() { if (left === null) left = now(); },
    go() { if (left !== null) { away += now() - left; left = null; } },
    get milliseconds() {
      if (started === null) return 0;
      return Math.max(0, Math.round((left === null ? now() : left) - started - away));
    },
  };
}
