// What pages do by themselves beside htmx. The policy lets nothing be evaluated, so conditions stand here.
"use strict";
(() => {
  const AGAIN_MS = 3000;

  const TICK_MS = 200;

  const isList = event => event.target.id === "rows";

  // Nobody sees the list of a tab that is hidden.
  document.addEventListener("htmx:before:request", event => {
    if (isList(event) && document.hidden) event.preventDefault();
  });

  // An answer that is no list, such as of a proxy, replaces none.
  document.addEventListener("htmx:before:swap", event => {
    const brings = each => each.fragment?.querySelector("#rows");
    if (isList(event) && !event.detail.tasks.some(brings)) event.preventDefault();
  });

  // htmx connects again where a stream was cut, but not where none has begun: too much at once, a service away.
  document.addEventListener("htmx:finally:request", event => {
    const run = event.target, answer = event.detail.ctx.response;
    const isForNow = !answer || answer.status === 429 || answer.status >= 500;
    if (run.id === "run" && isForNow) setTimeout(() => htmx.trigger(run, "later"), AGAIN_MS);
  });

  // How long a persona is waited for, by the door's clock, which the browser's need not agree with.
  let told, ahead = 0;
  const say = (each, words) => {
    if (each.firstChild.data !== words) each.firstChild.data = words;
  };
  const tick = () => {
    const panel = document.getElementById("panel");
    if (!panel) return;
    if (panel.dataset.now !== told) {
      told = panel.dataset.now;
      ahead = Date.now() - told;
    }
    const now = Date.now() - ahead;
    for (const each of panel.querySelectorAll("[data-since]")) {
      say(each, `waiting for ${Math.max(0, Math.floor((now - each.dataset.since) / 1000))} s`);
    }
    for (const each of panel.querySelectorAll("[data-until]")) {
      const left = (each.dataset.until - now) / 1000;
      say(each, left > 0 ? `again in ${left.toFixed(1)} s` : "again now");
    }
  };
  document.addEventListener("htmx:after:swap", tick);
  setInterval(tick, TICK_MS);
  tick();
})();
