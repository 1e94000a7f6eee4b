// The page: one comparison at a time. What is shown follows from the server's data and from what is still in the outbox.
const instances = new WeakMap();
const BREAK_AGAIN_MINUTES = 10; // after a break that was declined, so long until the next is proposed

export default function (component) {
  const root = component.parentElement;
  if (!instances.has(root)) instances.set(root, makePage(root));
  const page = instances.get(root);
  page.update(component.data, () => component.setTriggerValue("over", true));
  return page.close;
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
  let rested = -Infinity;
  const uncovered = new Set(); // assignments whose images were asked for
  let leaveFor = () => {};
  let reload = 0;

  const outbox = makeOutbox(answered, () => render());
  const pair = makePair(at(".pair"), revealed, () => { trouble = words.image_trouble; render(); });
  const questions = makeQuestions(at(".questions"), choose);
  const curtain = makeCurtain(at(".curtain"), clock.hold, () => { clock.go(); });
  const covers = {
    get: () => (remembered("evalkit-covers") ?? (study.covers ? "on" : "off")) === "on",
    set: (wanted) => remember("evalkit-covers", wanted ? "on" : "off"),
  };
  const complaint = makeComplaint(at(".complaint"), clock.hold, clock.go, complain, covers);
  const remark = makeRemark(at(".remark"), clock.hold, clock.go, say);
  const dialogOpen = () => curtain.isOpen || complaint.isOpen || remark.isOpen;

  // Streamlit has run the page's script: at the beginning, and whenever its connection was renewed.
  function update(fresh, over) {
    clearTimeout(reload);
    [study, words, leaveFor] = [fresh, fresh.words, over];
    present(fresh.comparison);
    if (!study.example) outbox.open(`evalkit-${fresh.token}`, (waiting) => ({ token: study.token, lang: study.language, outbox: waiting }));
    for (const cast of outbox.all((action) => action.do === "cast" && action.assignment === data.assignment)) {
      local[cast.question] = cast.choice; // kept over F5
    }
    reported ||= outbox.has((action) => action.do === "report" && action.assignment === data.assignment);
    render();
  }

  function answered(answer, fault) {
    trouble = fault;
    if (answer.over) return leave();
    if ("notice" in answer) study = { ...study, notice: answer.notice };
    for (const name of Object.keys(local)) {
      if (!waitsFor(name)) { if (!fault) data.answers[name] = local[name]; delete local[name]; }
    }
    if (answer.comparison) present(answer.comparison, fault);
    else render();
  }

  // On to a page that is no comparison; should Streamlit's connection be away, by loading anew.
  function leave() {
    leaveFor();
    reload = setTimeout(() => location.reload(), 8000);
  }

  function present(fresh, fault = "") {
    const changed = data?.assignment !== fresh.assignment;
    const told = data?.prompt_hidden && !fresh.prompt_hidden;
    data = fresh;
    if (told && !changed) fill();
    if (changed) { trouble = fault; enter(); }
    at(".page").hidden = false;
    const cover = !study.example && !uncovered.has(data.assignment) && (data.warned || covers.get());
    at(".cover p").textContent = data.warned ? words.cover_text : words.cover_own;
    pair.show([data.left, data.right], cover);
    render(); // after the old pair is hidden: nothing can be answered before both images are seen
  }

  function revealed() {
    uncovered.add(data.assignment);
    clock.start();
    render();
  }

  function enter() {
    local = {};
    reported = Boolean(data.reported);
    clock.stop();
    fill();
    at(".prompt").focus({ preventScroll: true });
    if (!data.break_due || performance.now() - rested < BREAK_AGAIN_MINUTES * 60000) return;
    rested = performance.now();
    if (!curtain.isOpen) curtain.open(words.break_title, words.break_text, words.resume);
  }

  function fill() {
    const page = at(".page");
    page.dir = study.direction;
    page.lang = study.language;
    at(".prompt").classList.toggle("hidden-text", data.prompt_hidden);
    at(".prompt .text").textContent = data.prompt_hidden ? words.text_hidden : data.prompt;
    at(".prompt .text").lang = data.prompt_hidden ? study.language : data.prompt_language;
    at(".translation").textContent = data.translation ?? "";
    at(".translation").lang = data.translation_language ?? "";
    at(".translation").hidden = !data.translation || data.prompt_hidden;
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
    at(".foot .next b").textContent = data.prompt_hidden ? words.show_text : words.next;
    at(".say").textContent = words.comment;
    at(".cover button").textContent = words.cover_show;
    at(".notice").textContent = study.notice;
    at(".notice").hidden = !study.notice;
    for (const part of [".count", ".progress", ".time", ".say", ".report", ".undo"]) at(part).hidden = study.example;
    root.querySelectorAll("figure").forEach((figure, side) => {
      figure.querySelector("figcaption").textContent = side ? words.right : words.left;
      figure.querySelector("img").alt = side ? words.right_image : words.left_image;
      figure.querySelector("button").title = words.zoom;
    });
    questions.update(data.questions);
  }

  function render() {
    const leaving = outbox.has(moves);
    const waiting = new Set(Object.keys(chosen()).filter(waitsFor));
    questions.mark(chosen(), waiting, (name) => leaving || !pair.revealed || !askable(question(name)));
    at(".foot .next").setAttribute("aria-disabled", String(leaving || !ready()));
    at(".undo").disabled = leaving || !data.can_undo || Object.keys(chosen()).length > 0 || reported;
    at(".prompt").tabIndex = at(".prompt").scrollHeight > at(".prompt").clientHeight ? 0 : -1; // keys scroll it
    const status = at(".status");
    const shown = outbox.failing ? (outbox.refused ? words.kept : words.offline) : trouble;
    status.classList.toggle("trouble", Boolean(shown));
    status.textContent = shown || (outbox.empty ? said() : words.saving);
  }

  const chosen = () => ({ ...data.answers, ...local });
  const question = (name) => data.questions.find((one) => one.name === name);
  const askable = (one) => !one.locked && !(one.needs_prompt && data.prompt_hidden);
  const open = () => questions.open(chosen()).filter((name) => askable(question(name)));
  const ready = () => reported || (pair.revealed && open().length === 0);
  const moves = (action) => ["finish", "undo", "reveal"].includes(action.do);
  const waitsFor = (name) => outbox.has((action) => action.question === name && action.assignment === data.assignment);
  const said = () => (reported ? words.reported : Object.keys(data.answers).length ? words.saved : "");

  function choose(question, choice) {
    local[question] = choice;
    trouble = "";
    const response_ms = clock.milliseconds;
    if (!study.example) outbox.add({ do: "cast", assignment: data.assignment, question, choice, response_ms });
    render();
  }

  function next() {
    if (outbox.has(moves)) return;
    if (pair.covered && !reported) return pair.uncover();
    if (!pair.revealed && !reported) return;
    if (!ready()) {
      trouble = words.answer_first;
      render();
      questions.focusFirstOpen(chosen());
      return;
    }
    if (study.example) return leave();
    outbox.add({ do: data.prompt_hidden ? "reveal" : "finish", assignment: data.assignment });
    render();
  }

  function say(text) {
    data.comment = text;
    outbox.add({ do: "comment", assignment: data.assignment, text });
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
    const busy = dialogOpen() || event.repeat || event.ctrlKey || event.metaKey || event.altKey;
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
  at(".say").addEventListener("click", () => remark.open(words, data.comment));
  at(".pause").addEventListener("click", () => curtain.open(words.paused_title, words.paused_text, words.resume));
  const looked = () => (document.hidden ? clock.hold() : dialogOpen() || clock.go());
  document.addEventListener("keydown", pressed);
  document.addEventListener("visibilitychange", looked);

  function close() {
    clearTimeout(reload);
    document.removeEventListener("keydown", pressed);
    document.removeEventListener("visibilitychange", looked);
    outbox.close();
    pair.hide();
    instances.delete(root);
  }
  return { update, close };
}

// A setting of this browser only; it is not sent anywhere.
function remembered(key) { try { return localStorage.getItem(key); } catch { return null; } }
function remember(key, value) { try { localStorage.setItem(key, value); } catch { /* private window */ } }
