// The curtain of a pause, and the form that reports an image. Native dialogs: focus stays inside and is given back.
function makeCurtain(dialog, onOpen, onClose) {
  dialog.addEventListener("close", onClose);
  return {
    open(title, text, word) {
      dialog.querySelector("h2").textContent = title;
      dialog.querySelector("p").textContent = text;
      dialog.setAttribute("aria-label", title);
      dialog.querySelector("button").textContent = word;
      dialog.showModal();
      onOpen();
    },
    get isOpen() { return dialog.open; },
  };
}

function makeComplaint(dialog, onOpen, onClose, onSend, cover) {
  const form = dialog.querySelector("form");
  const covers = form.querySelector(".covers input");
  const [cancel, submit] = form.querySelectorAll("button");
  cancel.addEventListener("click", () => dialog.close(""));
  dialog.addEventListener("close", () => {
    onClose();
    const answers = new FormData(form);
    if (dialog.returnValue === "send") cover.set(covers.checked);
    if (dialog.returnValue === "send") onSend(answers.get("side"), answers.get("reason"));
  });
  return {
    open(words) {
      dialog.returnValue = "";
      dialog.setAttribute("aria-label", words.report);
      dialog.querySelector("h2").textContent = words.report;
      offer(form.querySelector(".side"), words.report_which, [["left", words.left], ["right", words.right]]);
      const reasons = ["offensive", "disturbing", "broken", "other"].map((reason) => [reason, words[`report_${reason}`]]);
      offer(form.querySelector(".reason"), words.report_why, reasons);
      form.querySelector(".covers span").textContent = words.cover_always;
      covers.checked = cover.get();
      cancel.textContent = words.cancel;
      submit.textContent = words.send;
      dialog.showModal();
      onOpen();
    },
    get isOpen() { return dialog.open; },
  };
}

function makeRemark(dialog, onOpen, onClose, onSend) {
  const field = dialog.querySelector("textarea");
  const [cancel, submit] = dialog.querySelectorAll("button");
  cancel.addEventListener("click", () => dialog.close(""));
  dialog.addEventListener("close", () => {
    onClose();
    if (dialog.returnValue === "send") onSend(field.value);
  });
  return {
    open(words, text) {
      dialog.returnValue = "";
      dialog.querySelector("h2").textContent = words.comment_head;
      field.setAttribute("aria-label", words.comment_head);
      dialog.setAttribute("aria-label", words.comment);
      field.value = text;
      cancel.textContent = words.cancel;
      submit.textContent = words.send;
      dialog.showModal();
      onOpen();
    },
    get isOpen() { return dialog.open; },
  };
}

function offer(field, legend, options) {
  const head = document.createElement("legend");
  head.textContent = legend;
  const labels = options.map(([value, text], index) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: field.className, value, checked: index === 0 });
    label.append(input, text);
    return label;
  });
  field.replaceChildren(head, ...labels);
}
