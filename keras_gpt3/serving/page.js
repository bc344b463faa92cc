// The page: sends a prompt to :stream and shows the answer as it comes.
"use strict";

const NUMBERS = ["max_new_tokens", "temperature", "top_k", "top_p", "seed"];
const model = document.body.dataset.model;
const element = (id) => document.getElementById(id);
let running = null;

function stopStrings() {
  const lines = element("stop").value.split("\n");
  return lines
    .filter((line) => line !== "")
    .map((line) => line.replaceAll("\\n", "\n").replaceAll("\\t", "\t"));
}

function request() {
  const body = { prompt: element("prompt").value, stop: stopStrings() };
  for (const name of NUMBERS) {
    body[name] = Number(element(name).value);
  }
  if (element("truncate").checked) {
    body.truncate = "left";
  }
  return body;
}

function show(event) {
  if (event.error !== undefined) {
    throw new Error(event.error);
  }
  if (event.text !== undefined) {
    element("answer").append(event.text);
    return;
  }
  const why =
    event.finish_reason === "stop" ? "ended by itself" : "as many as requested";
  element("status").textContent =
    `${event.num_tokens} tokens after ${event.num_prompt_tokens}, ${why}.`;
}

// Whether the last event came: a server that dies also ends its answer.
async function showAll(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let ended = false;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) {
      return ended;
    }
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const text of events) {
      const event = JSON.parse(text.slice("data: ".length));
      show(event);
      ended = event.finish_reason !== undefined;
    }
  }
}

function setRunning(controller) {
  running = controller;
  element("generate").disabled = controller !== null;
  element("cancel").disabled = controller === null;
  element("answer").setAttribute("aria-busy", String(controller !== null));
}

function fail(message) {
  element("error").textContent = message;
  element("error").hidden = false;
  element("status").textContent = "";
}

async function generate() {
  const controller = new AbortController();
  setRunning(controller);
  element("answer").textContent = "";
  element("error").hidden = true;
  element("status").textContent = "Generating\u2026";
  try {
    const response = await fetch(`v1/models/${model}:stream`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(request()),
      signal: controller.signal,
    });
    if (!response.ok) {
      // Uvicorn's answer on one connection too many is not JSON.
      const body = await response.json().catch(() => ({}));
      throw new Error(body.error ?? `Status ${response.status}. Try again.`);
    }
    if (!(await showAll(response.body))) {
      throw new Error("The answer broke off. Try again.");
    }
  } catch (error) {
    if (error.name === "AbortError") {
      element("status").textContent = "Stopped.";
    } else if (error instanceof TypeError) {
      fail("The server cannot be reached. Is it running?");
    } else {
      fail(error.message);
    }
  } finally {
    setRunning(null);
  }
}

element("request").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running === null) {
    generate();
  }
});
element("cancel").addEventListener("click", () => running?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    element("request").requestSubmit();
  } else if (event.key === "Escape") {
    running?.abort();
  }
});

// === What the server does ===

const SECONDS_BETWEEN_READINGS = 2;
let before = null;

// The numbers of /metrics that have no labels.
function readings(text) {
  const values = { time: performance.now() / 1000 };
  for (const line of text.split("\n")) {
    const found = /^keras_gpt3_(\w+) (\S+)$/.exec(line);
    if (found) {
      values[found[1]] = Number(found[2]);
    }
  }
  return values;
}

function share(part, whole) {
  return whole > 0 ? `${Math.round((100 * part) / whole)} %` : "-";
}

function showLoad(now) {
  const show = (id, text) => (element(id).textContent = text);
  const since = (name) => now[name] - before[name];
  show("slots", `${now.slots_used} of ${now.slots}`);
  show("waiting", String(now.prompts_waiting));
  const read = now.read_tokens_total + now.reused_tokens_total;
  show("reused", share(now.reused_tokens_total, read));
  show("accepted", share(now.accepted_tokens_total, now.drafted_tokens_total));
  if (before !== null) {
    const speed = since("generated_tokens_total") / since("time");
    show("speed", speed.toFixed(speed < 10 ? 1 : 0));
    const count = since("first_token_seconds_count");
    if (count > 0) {
      const seconds = since("first_token_seconds_sum") / count;
      show("first-token", `${seconds.toFixed(2)} s`);
    }
  }
  before = now;
}

async function watchLoad() {
  if (!document.hidden) {
    try {
      const answer = await fetch("metrics");
      if (!answer.ok) {
        throw new Error(`Status ${answer.status}.`);
      }
      showLoad(readings(await answer.text()));
    } catch {
      // The server is away or too busy, and says so when it is asked.
      before = null;
    }
  }
  setTimeout(watchLoad, 1000 * SECONDS_BETWEEN_READINGS);
}

watchLoad();

fetch("healthz")
  .then((response) => response.json())
  .then((health) => {
    element("version").textContent = `Version ${health.version}`;
  })
  .catch(() => fail("The server cannot be reached. Is it running?"));
