// Both images: fetched, decoded, revealed in the same frame, zoomed in step. Under a cover they wait until the rater asks.
function makePair(section, onReveal, onTrouble) {
  const pictures = [...section.querySelectorAll(".picture")];
  const frames = [...section.querySelectorAll(".frame")];
  const cover = section.querySelector(".cover");
  let wanted = "";
  let blobs = [];
  let covered = false;

  async function show(addresses, coveredNow) {
    const key = addresses.join(" ");
    if (key === wanted) return;
    wanted = key;
    hide();
    covered = coveredNow;
    section.classList.toggle("covered", covered);
    try {
      const loaded = await Promise.all(addresses.map(fetchImage));
      if (wanted !== key) return loaded.forEach(URL.revokeObjectURL);
      blobs = loaded;
      pictures.forEach((picture, side) => { picture.src = blobs[side]; });
      await Promise.all(pictures.map((picture) => picture.decode()));
      if (wanted === key) settle();
    } catch {
      if (wanted === key) { wanted = ""; onTrouble(); }
    }
  }

  function settle() {
    section.style.setProperty("--ratio", pictures[0].naturalWidth / pictures[0].naturalHeight);
    if (!covered) return reveal();
    section.classList.add("ready");
  }

  function uncover() {
    if (!section.classList.contains("ready")) return;
    covered = false;
    section.classList.remove("covered", "ready");
    reveal();
  }

  function reveal() {
    requestAnimationFrame(() => { section.classList.add("revealed"); onReveal(); });
  }

  function hide() {
    section.classList.remove("revealed", "zoomed", "ready");
    pictures.forEach((picture) => picture.removeAttribute("src"));
    blobs.forEach(URL.revokeObjectURL);
    blobs = [];
  }

  function look(x, y) {
    section.style.setProperty("--x", `${100 * Math.min(1, Math.max(0, x))}%`);
    section.style.setProperty("--y", `${100 * Math.min(1, Math.max(0, y))}%`);
  }

  function zoom() {
    if (!section.classList.contains("revealed")) return;
    const enlarged = pictures[0].naturalWidth / frames[0].clientWidth;
    section.style.setProperty("--zoom", Math.max(2, enlarged));
    section.classList.toggle("zoomed");
  }

  function follow(event) {
    const box = event.currentTarget.getBoundingClientRect();
    look((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }

  cover.querySelector("button").addEventListener("click", uncover);
  frames.forEach((frame) => {
    frame.addEventListener("pointermove", follow);
    frame.addEventListener("click", (event) => { if (event.detail) follow(event); else look(0.5, 0.5); zoom(); });
    frame.addEventListener("contextmenu", (event) => event.preventDefault());
  });
  return { show, hide, zoom, uncover, get covered() { return covered; }, get revealed() { return section.classList.contains("revealed"); } };
}

async function fetchImage(address) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const response = await fetch(here(address), { cache: "no-store" });
      if (!response.ok) throw new Error("image");
      return URL.createObjectURL(await response.blob());
    } catch (error) {
      if (attempt === 2) throw error;
      await new Promise((wait) => setTimeout(wait, 500 * 2 ** attempt));
    }
  }
}
