// The quiz: one article after another, and the answers as a file.
"use strict";

const FORMS = ["start", "question", "end", "saved"];
const element = (id) => document.getElementById(id);
const study = decoded(element("study").textContent);
const quiz = chosenQuiz();
const order = shuffled(study.quizzes[quiz]);
const participant = [...randomNumbers(2)]
  .map((number) => number.toString(16).padStart(8, "0"))
  .join("");
const answers = [];
let shownAt = 0;

function decoded(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

function randomNumbers(count) {
  return crypto.getRandomValues(new Uint32Array(count));
}

// The quiz that the address names, as in quiz.html#2, or any.
function chosenQuiz() {
  const named = location.hash.slice(1);
  const all = Object.keys(study.quizzes);
  return all.includes(named) ? named : all[randomNumbers(1)[0] % all.length];
}

function shuffled(values) {
  const left = [...values];
  const drawn = [];
  while (left.length > 0) {
    drawn.push(left.splice(randomNumbers(1)[0] % left.length, 1)[0]);
  }
  return drawn;
}

function paragraphs(texts) {
  return texts.map((text) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = text;
    return paragraph;
  });
}

// Shows one of the forms, and tells who hears the page where it begins.
function show(name) {
  for (const form of FORMS) {
    element(form).hidden = form !== name;
  }
  window.scrollTo(0, 0);
  element(name).querySelector("[tabindex]")?.focus();
}

function showArticle() {
  const [title, subtitle, text] = study.items[order[answers.length]];
  element("progress").textContent =
    `Article ${answers.length + 1} of ${order.length}`;
  element("question").reset();
  element("title").textContent = title;
  element("subtitle").textContent = subtitle;
  element("text").replaceChildren(...paragraphs(text));
  show("question");
  shownAt = performance.now();
}

function takeAnswer() {
  const chosen = element("question").querySelector("[name=choice]:checked");
  answers.push({
    item: order[answers.length],
    choice: study.choices[Number(chosen.value)],
    seen: element("seen").checked,
    seconds: Math.round((performance.now() - shownAt) / 100) / 10,
  });
}

function save() {
  const content = {
    study: study.study,
    quiz: Number(quiz),
    participant,
    answers,
    looked_up: element("looked-up-yes").checked,
    check: study.check === null ? null : element("check-answer").value,
    comment: element("comment").value,
  };
  const link = document.createElement("a");
  link.download = `answers-${participant}.json`;
  link.href = URL.createObjectURL(
    new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }),
  );
  link.click();
  element("file").textContent = link.download;
}

function makeChoices() {
  for (const [number, text] of study.choices.entries()) {
    const line = document.createElement("p");
    line.className = "check";
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "choice", required: true });
    input.id = `choice-${number + 1}`;
    input.value = number;
    const label = document.createElement("label");
    label.htmlFor = input.id;
    label.textContent = text;
    line.append(input, label);
    element("choices").append(line);
  }
}

function onSubmit(name, action) {
  element(name).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

onSubmit("start", showArticle);
onSubmit("question", () => {
  takeAnswer();
  if (answers.length < order.length) {
    showArticle();
  } else {
    element("progress").textContent = "";
    show("end");
  }
});
onSubmit("end", () => {
  save();
  show("saved");
});
onSubmit("saved", save);

document.addEventListener("keydown", (event) => {
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  const choice = element(`choice-${event.key}`);
  if (isPlain && choice !== null && !element("question").hidden) {
    choice.checked = true;
    choice.focus({ preventScroll: true });
  }
});

// Answers that are not saved would be lost.
window.addEventListener("beforeunload", (event) => {
  if (answers.length > 0 && element("saved").hidden) {
    event.preventDefault();
  }
});

makeChoices();
element("welcome").append(...paragraphs(study.welcome));
element("count").textContent = order.length;
element("check").hidden = study.check === null;
element("check-answer").required = study.check !== null;
element("check-question").textContent = study.check ?? "";
show("start");
