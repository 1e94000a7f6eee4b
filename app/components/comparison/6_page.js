// The page: one comparison at a time. What is shown follows from the server's data and from what is still in the outbox.
const instances = new WeakMap();
const BREAK_AFTER_MINUTES = 30;

export default function (component) {
  const root = component.parentElement;
  if (!instances.has(root)) instances.set(root, makePage(root));
  const page = instances.get(root);
  page.update(component.data, () => component.setTriggerValue("over", true));
  return page.leave;
}

function makePage(root) {
  const at = (selector) => root.querySelector(selector);
  const clock = makeClock();
  let study = {}; // what stays the same from one comparison to the next
  let data = null;
  let words = {};
  let local = {}; // answers of this comparison that the server has not confirmed yet
  let reported = false;
  let trouble = "";
  let worked = performance.now();
  let leaveFor = () => {};

  const outbox = makeOutbox(answered, () => render());
  const pair = makePair(at(".pair"), () => { clock.start(); render(); }, () => { trouble = words.image_trouble; render(); });
  const questions = makeQuestions(at(".questions"), choose);
  const curtain = makeCurtain(at(".curtain"), clock.hold, () => { clock.go(); worked = performance.now(); });
  const complaint = makeComplaint(at(".complaint"), clock.hold, clock.go, complain);

  // Streamlit has run the page's script: at the beginning, and whenever its connection was renewed.
  function update(fresh, over) {
    [study, words, leaveFor] = [fresh, fresh.words, over];
    present(fresh.comparison);
    outbox.open(`evalkit-${fresh.token}`, (waiting) => ({ token: study.token, lang: study.language, outbox: waiting }));
  }

  function answered(answer, fault) {
    trouble = fault;
    if (answer.over) return leaveFor();
    for (const name of Object.keys(local)) {
      if (!waitsFor(name)) { if (!fault) data.answers[name] = local[name]; delete local[name]; }
    }
    if (answer.comparison) present(answer.comparison, fault);
    else render();
  }

  function present(fresh, fault = "") {
    const changed = data?.assignment !== fresh.assignment;
    data = fresh;
    if (changed) { trouble = fault; enter(); }
    at(".page").hidden = false;
    render();
    pair.show([data.left, data.right]);
  }

  function enter() {
    local = {};
    reported = false;
    clock.stop();
    fill();
    at(".prompt").focus({ preventScroll: true });
    if (performance.now() - worked > BREAK_AFTER_MINUTES * 60000) curtain.open(words.break_title, words.break_text, words.resume);
  }

  function fill() {
    const page = at(".page");
    page.dir = study.direction;
    page.lang = study.language;
    at(".prompt").textContent = data.prompt;
    at(".prompt").lang = data.prompt_language;
    at(".time").textContent = data.time_left;
    at(".count").textContent = data.count;
    const bar = at(".progress");
    bar.setAttribute("aria-valuemax", data.total);
    bar.setAttribute("aria-valuenow", data.position - 1);
    bar.setAttribute("aria-label", data.count);
    at(".progress-done").style.width = `${(100 * (data.position - 1)) / data.total}%`;
    at(".pause").textContent = words.pause;
    at(".undo").textContent = words.undo;
    at(".report").textContent = words.report;
    at(".keys span").textContent = words.keys;
    at(".foot .next").innerHTML = "<b></b><kbd>Enter</kbd>";
    at(".foot .next b").textContent = words.next;
    at(".miniature").textContent = words.miniature;
    at(".miniature").hidden = !study.miniature;
    root.querySelectorAll("figure").forEach((figure, side) => {
      figure.querySelector("figcaption").textContent = side ? words.right : words.left;
      figure.querySelector("img").alt = side ? words.right_image : words.left_image;
      figure.querySelector("button").title = words.zoom;
    });
    questions.update(data.questions);
  }

  function render() {
    const leaving = outbox.has((action) => action.do === "finish" || action.do === "undo");
    const waiting = new Set(Object.keys(chosen()).filter(waitsFor));
    questions.mark(chosen(), waiting, leaving || !pair.revealed);
    at(".foot .next").setAttribute("aria-disabled", String(leaving || !ready()));
    at(".undo").disabled = leaving || !data.can_undo;
    const status = at(".status");
    const shown = outbox.failing ? words.offline : trouble;
    status.classList.toggle("trouble", Boolean(shown));
    status.textContent = shown || (outbox.empty ? said() : words.saving);
  }

  const chosen = () => ({ ...data.answers, ...local });
  const ready = () => pair.revealed && (reported || questions.open(chosen()).length === 0);
  const waitsFor = (name) => outbox.has((action) => action.question === name && action.assignment === data.assignment);
  const said = () => (reported ? words.reported : Object.keys(data.answers).length ? words.saved : "");

  function choose(question, choice) {
    local[question] = choice;
    trouble = "";
    const response_ms = clock.milliseconds;
    outbox.add({ do: "cast", assignment: data.assignment, question, choice, response_ms });
    render();
  }

  function next() {
    if (outbox.has((action) => action.do === "finish") || !pair.revealed) return;
    if (!ready()) {
      trouble = words.answer_first;
      render();
      questions.focusFirstOpen(chosen());
      return;
    }
    outbox.add({ do: "finish", assignment: data.assignment });
    render();
  }

  function undo() {
    if (at(".undo").disabled) return;
    outbox.add({ do: "undo", assignment: data.assignment });
    render();
  }

  function complain(side, reason) {
    reported = true;
    outbox.add({ do: "report", assignment: data.assignment, side, reason });
    render();
  }

  function pressed(event) {
    const target = event.composedPath()[0];
    const busy = curtain.isOpen || complaint.isOpen || event.repeat || event.ctrlKey || event.metaKey || event.altKey;
    if (busy || !keysOn() || target.matches?.("input:not([type=radio]), textarea, select")) return;
    if (event.key === "Enter" && !target.matches?.("button, a")) next();
    else if (/^[1-8]$/.test(event.key)) questions.press(Number(event.key));
    else if (event.key.toLowerCase() === "z") pair.zoom();
    else return;
    event.preventDefault();
  }

  const keys = at(".keys input");
  const keysOn = () => keys.checked;
  keys.checked = remembered("evalkit-keys") !== "off";
  function switchKeys() {
    remember("evalkit-keys", keys.checked ? "on" : "off");
    at(".page").classList.toggle("without-keys", !keys.checked);
  }
  switchKeys();
  keys.addEventListener("change", switchKeys);
  at(".foot .next").addEventListener("click", next);
  at(".undo").addEventListener("click", undo);
  at(".report").addEventListener("click", () => complaint.open(words));
  at(".pause").addEventListener("click", () => curtain.open(words.paused_title, words.paused_text, words.resume));
  const looked = () => (document.hidden ? clock.hold() : curtain.isOpen || complaint.isOpen || clock.go());
  document.addEventListener("keydown", pressed);
  document.addEventListener("visibilitychange", looked);

  function leave() {
    document.removeEventListener("keydown", pressed);
    document.removeEventListener("visibilitychange", looked);
    outbox.close();
    pair.hide();
    instances.delete(root);
  }
  return { update, leave };
}

// A setting of this browser only; it is not sent anywhere.
function remembered(key) { try { return localStorage.getItem(key); } catch { return null; } }
function remember(key, value) { try { localStorage.setItem(key, value); } catch { /* private window */ } }
