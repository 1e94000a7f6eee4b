// The questions with their four answers each, as native radio buttons: arrows, Tab and screen readers work by themselves.
const CHOICES = ["left", "tie", "right", "neither"];

function makeQuestions(box, onChoice) {
  let names = [];

  function build(questions) {
    names = questions.map((question) => question.name);
    box.replaceChildren(...questions.map(fieldset));
  }

  function fieldset(question, row) {
    const field = document.createElement("fieldset");
    field.className = "question";
    const legend = document.createElement("legend");
    legend.textContent = question.text;
    const answers = document.createElement("div");
    answers.className = "answers";
    answers.dir = "ltr"; // left stays left in every language
    answers.append(...CHOICES.map((choice, column) => answer(question, choice, column, 4 * row + column + 1)));
    field.append(legend, answers);
    return field;
  }

  function answer(question, choice, column, number) {
    const label = document.createElement("label");
    label.className = "answer";
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: question.name, value: choice });
    input.addEventListener("change", () => onChoice(question.name, choice));
    const text = document.createElement("span");
    const key = document.createElement("kbd");
    key.textContent = number <= 8 ? number : "";
    key.setAttribute("aria-hidden", "true");
    text.append(key, question.answers[column]);
    label.append(input, text);
    return label;
  }

  return {
    update(questions) {
      const same = JSON.stringify(questions) === box.dataset.questions;
      if (!same) { build(questions); box.dataset.questions = JSON.stringify(questions); }
    },
    // `chosen`: question -> choice; `waiting`: the questions whose answer is not in the database yet; `closed`: those that
    // cannot be answered now.
    mark(chosen, waiting, closed) {
      box.querySelectorAll("input").forEach((input) => {
        input.checked = chosen[input.name] === input.value;
        input.toggleAttribute("data-waiting", waiting.has(input.name));
        input.disabled = closed(input.name);
      });
    },
    press(number) {
      const input = box.querySelectorAll("input")[number - 1];
      if (!input || input.disabled) return;
      input.focus({ preventScroll: true }); // else Enter would press the button that was used last
      if (!input.checked) input.click();
    },
    focusFirstOpen(chosen) {
      const open = names.find((name) => !(name in chosen) && !box.querySelector(`input[name="${CSS.escape(name)}"]`).disabled);
      box.querySelector(`input[name="${CSS.escape(open ?? names[0])}"]`)?.focus();
    },
    open(chosen) { return names.filter((name) => !(name in chosen)); },
  };
}
