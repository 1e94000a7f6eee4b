export default function (component) {
  if (component.parentElement.told) return;
  component.parentElement.told = true;
  component.setStateValue("viewing", {
    width: window.innerWidth,
    height: window.innerHeight,
    pixel_ratio: window.devicePixelRatio,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    touch: matchMedia("(pointer: coarse)").matches,
  });
}
