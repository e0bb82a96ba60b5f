import type { PreviewFile, TileStop } from "../pageData.js";

/** A slider with buttons; `show` is called with its position. Arrow keys work where the pictures are, too. */
function slider(root: Element, labels: readonly string[], show: (at: number) => void): void {
  const input = root.querySelector("input");
  const output = root.querySelector("output");
  const buttons = [...root.querySelectorAll<HTMLButtonElement>("button[data-go]")];
  if (!input || !output) return;
  const move = () => {
    const at = Number(input.value);
    output.textContent = labels[at];
    input.setAttribute("aria-valuetext", output.textContent);
    for (const button of buttons) {
      const to = at + Number(button.dataset.go);
      button.disabled = to < 0 || to >= labels.length;
    }
    show(at);
  };
  const go = (by: number) => {
    input.value = String(Number(input.value) + by);
    move();
  };
  input.addEventListener("input", move);
  for (const button of buttons) button.addEventListener("click", () => go(Number(button.dataset.go)));
  root.addEventListener("keydown", (event) => {
    const { key, target } = event as KeyboardEvent;
    if (target === input || (key !== "ArrowLeft" && key !== "ArrowRight")) return;
    event.preventDefault();
    go(key === "ArrowLeft" ? -1 : 1);
  });
  move();
}

/** Previews that lie beside the page. */
export function moveFiles(files: readonly PreviewFile[]): void {
  const root = document.querySelector(".previews");
  const image = root?.querySelector("img");
  const link = root?.querySelector<HTMLAnchorElement>("a.sheet");
  const missing = root?.querySelector<HTMLElement>(".missing");
  if (!root || !image || !link || !missing) return;
  const about = image.alt;
  const found = (there: boolean) => {
    missing.hidden = there;
    link.hidden = !there;
  };
  image.addEventListener("load", () => found(true));
  image.addEventListener("error", () => found(false));
  // It may have failed before this script ran.
  if (image.complete && image.naturalWidth === 0) found(false);
  slider(
    root,
    files.map(({ step }) => `step ${step.toLocaleString("en")}`),
    (at) => {
      const { step, name } = files[at];
      image.alt = `${about}; after step ${step}`;
      link.href = name;
      if (image.getAttribute("src") !== name) image.src = name;
      // The neighbours, so that a slider moves without a wait.
      for (const near of [files[at - 1], files[at + 1]]) if (near) new Image().src = near.name;
    },
  );
}

/** Pictures that stand in the page. */
export function moveTiles(stops: readonly TileStop[]): void {
  const root = document.querySelector(".tiles");
  if (!root) return;
  const places = [...root.querySelectorAll<HTMLImageElement>("img[data-moves]")];
  const first = places.map(({ src }) => src);
  slider(
    root,
    stops.map(({ label }) => label),
    (at) => {
      const tiles = stops[at].tiles ?? first;
      places.forEach((place, i) => {
        place.src = tiles[i];
      });
    },
  );
}
