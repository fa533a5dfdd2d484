// The page works without this: with it, nothing is loaded anew, and the traffic keeps itself up to date.
"use strict";

const EVERY = 5000; // milliseconds
const at = (id) => document.getElementById(id);
const form = at("ask");
let newest = 0; // of several questions, only the last one's answer is shown

async function ask(path, body) {
  const headers = {};
  const token = at("token");
  if (token && token.value) headers.Authorization = "Bearer " + token.value.trim();
  if (body) headers["Content-Type"] = "application/json";
  let reply;
  try {
    reply = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  } catch (error) {
    throw new Error(error instanceof TypeError ? "the guard can't be reached" : String(error));
  }
  if (reply.ok) return reply.text(); // HTML that the guard escaped
  if (reply.status === 401 && token) token.focus();
  const said = await reply.json().catch(() => null);
  throw new Error(said && said.error ? said.error.message : "the guard answered " + reply.status);
}

function complain(message) {
  at("error").textContent = message;
  at("error").hidden = !message;
}

async function score() {
  const own = ++newest;
  const body = { text: at("text").value };
  if (at("response") && at("response").value) body.response = at("response").value;
  complain("");
  at("go").setAttribute("aria-busy", "true");
  at("said").textContent = "Scoring…";
  try {
    const answer = await ask("/page/answer", body);
    if (own !== newest) return;
    at("answer").innerHTML = answer;
    at("words").textContent = "";
    at("said").textContent = Array.from(at("answer").querySelectorAll("[data-said]"), (part) => part.textContent).join(". ");
    look();
    const words = await ask("/page/words", body);
    if (own === newest) at("words").innerHTML = words;
  } catch (error) {
    if (own !== newest) return;
    at("said").textContent = "";
    complain(error.message);
  } finally {
    if (own === newest) at("go").removeAttribute("aria-busy");
  }
}

async function look() {
  const token = at("token");
  if (document.hidden || (token && !token.value)) return;
  try {
    const traffic = await ask("/page/traffic");
    if (traffic !== look.last) at("traffic").innerHTML = look.last = traffic;
  } catch {
    // The next look may have more luck; what is shown says since when it counts.
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  score();
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  }
});
document.addEventListener("visibilitychange", look);
setInterval(look, EVERY);
