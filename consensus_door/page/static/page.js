// What pages do by themselves beside htmx. The policy lets nothing be evaluated, so conditions stand here.
"use strict";
(() => {
  const AGAIN_MS = 3000;

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
})();
