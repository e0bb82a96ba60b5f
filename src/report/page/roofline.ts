/** Says what a mark of the roofline stands for, and shows those of one preset alone. */
export function followRoofline(): void {
  const figure = document.querySelector<HTMLElement>("figure.roofs");
  const tip = figure?.querySelector<HTMLElement>(".tip");
  const only = figure?.querySelector<HTMLElement>(".only");
  const select = only?.querySelector("select");
  if (!figure || !tip || !only || !select) return;
  const dots = [...figure.querySelectorAll<SVGAElement>(".dot")];
  const texts = new Map<Element, string>();
  for (const dot of dots) {
    const title = dot.querySelector("title");
    texts.set(dot, title?.textContent ?? "");
    title?.remove(); // the browser would show it too
  }

  const show = (dot: Element | null | undefined) => {
    tip.hidden = !dot;
    if (!dot) return;
    tip.textContent = texts.get(dot) ?? "";
    const [place, frame] = [dot.getBoundingClientRect(), figure.getBoundingClientRect()];
    const left = place.left + place.width / 2 - frame.left;
    tip.style.left = `${Math.max(8, Math.min(left + 12, frame.width - tip.offsetWidth - 8))}px`;
    const below = place.bottom - frame.top + 8;
    const above = place.top - frame.top - tip.offsetHeight - 8;
    tip.style.top = `${below + tip.offsetHeight > frame.height ? above : below}px`;
  };
  figure.addEventListener("pointerover", ({ target }) => show((target as Element).closest(".dot")));
  figure.addEventListener("pointerleave", () => show(undefined));
  figure.addEventListener("scroll", () => show(undefined), true);

  // A row of the table points to its mark.
  const byRow = new Map(dots.map((dot) => [dot.getAttribute("href")?.slice(1), dot]));
  for (const [id, dot] of byRow) {
    const row = document.getElementById(id ?? "");
    for (const [event, on] of [
      ["pointerenter", true],
      ["pointerleave", false],
    ] as const) {
      row?.addEventListener(event, () => dot.classList.toggle("near", on));
    }
  }

  only.hidden = false;
  select.addEventListener("change", () => {
    for (const one of document.querySelectorAll<HTMLElement | SVGElement>("[data-in]")) {
      const shown = !select.value || (one.dataset.in ?? "").split(" ").includes(select.value);
      one.style.display = shown ? "" : "none";
    }
  });
}
