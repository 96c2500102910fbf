// Copy what the pages use out of node_modules into the static folders of the plugins, each file with a gzipped twin.
//
// Nothing is bundled or compiled: the files are what their makers published, but for source map references, which are cut, and the
// dark mode of Bootstrap, which also follows the system here and not only a switch. The manifest is written last: while it is
// missing, the admin knows that its assets are not built.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const modules = join(root, "node_modules");

const COPIES = {
  admin: {
    "bootstrap.css": "bootstrap/dist/css/bootstrap.min.css",
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "tom-select.js": "tom-select/dist/js/tom-select.base.min.js",
    "tom-select.css": "tom-select/dist/css/tom-select.bootstrap5.min.css",
  },
  rest: {
    "swagger-ui.js": "swagger-ui-dist/swagger-ui-bundle.js",
    "swagger-ui.css": "swagger-ui-dist/swagger-ui.css",
  },
};

// The only icons there are: one sprite, each a <symbol> of its own name.
const ICONS = [
  "activity", "arrow-clockwise", "arrow-down", "arrow-left", "arrow-right", "arrow-up", "box-arrow-right", "box-arrow-up-right",
  "braces", "check-circle-fill", "check-lg", "chevron-down", "chevron-left", "chevron-right", "circle", "circle-half", "clipboard",
  "copy", "database", "diagram-3", "download", "exclamation-triangle-fill", "eye", "file-binary", "filter", "hourglass-split",
  "info-circle-fill", "key", "keyboard", "lock", "moon-stars", "pause-circle", "pencil", "play-circle", "plus-lg", "question-circle",
  "search", "shield-lock", "sliders", "sun", "table", "terminal", "trash", "x-circle-fill", "x-lg",
];

/** Let the dark colours also follow the system, for as long as no switch says otherwise. */
function followSystem(css) {
  const dark = [];
  for (const [, selectors, body] of css.matchAll(/([^{}]*\[data-bs-theme=dark\][^{}]*)\{([^{}]*)\}/g)) {
    // Only the dark ones of a list such as "[data-bs-theme=dark] .a, .b"; a group that opened before the rule is cut off.
    const own = selectors.split(/[;}]/).pop().split(",").filter((selector) => selector.includes("[data-bs-theme=dark]"));
    dark.push(`${own.map((selector) => selector.replace("[data-bs-theme=dark]", ":root:not([data-bs-theme])")).join(",")}{${body}}`);
  }
  return `${css}@media (prefers-color-scheme:dark){${dark.join("")}}`;
}

function sprite() {
  const symbols = ICONS.map((name) => {
    const svg = readFileSync(join(modules, "bootstrap-icons", "icons", `${name}.svg`), "utf8");
    const inner = svg.slice(svg.indexOf(">") + 1, svg.lastIndexOf("</svg>")).replace(/\s*\n\s*/g, "");
    return `<symbol id="${name}" viewBox="0 0 16 16">${inner}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`;
}

function publish(folder, name, text) {
  const bare = text.replace(/\n?\/[/*]# sourceMappingURL=[^\n*]*(\*\/)?/g, "");
  writeFileSync(join(folder, name), bare);
  writeFileSync(join(folder, `${name}.gz`), gzipSync(bare, { level: 9 }));
  return [name, gzipSync(bare, { level: 9 }).length];
}

for (const [plugin, files] of Object.entries(COPIES)) {
  const folder = join(root, "qapla", "plugins", plugin, "static", "vendor");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const sizes = Object.entries(files).map(([name, source]) => {
    const text = readFileSync(join(modules, source), "utf8");
    return publish(folder, name, name === "bootstrap.css" ? followSystem(text) : text);
  });
  if (plugin === "admin") sizes.push(publish(folder, "icons.svg", sprite()));
  writeFileSync(join(folder, "manifest.json"), `${JSON.stringify(Object.fromEntries(sizes), null, 2)}\n`);
}
