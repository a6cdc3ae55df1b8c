/** The run page's own script. It runs in the webview, knows nothing but messages, and sets every content as text. */
import type { Bar, Chart, LogRow, RunPageState, ToPage } from '../messages.ts';

declare function acquireVsCodeApi(): { postMessage(message: unknown): void };

const vscode = acquireVsCodeApi();
const svgNamespace = 'http://www.w3.org/2000/svg';
/** Size of the chart's own coordinates; the page stretches it. */
const chart = { width: 1000, height: 160 };
/** Lines in the page at most: the oldest go. */
const maxLogRows = 2000;
/** So near to the end (CSS pixels) counts as reading the end: new lines scroll into view. */
const followPixels = 24;

function element<E extends Element>(id: string, type: new () => E): E {
  const found = document.querySelector(`#${id}`);
  if (!(found instanceof type)) throw new Error(`The page has no ${id}.`);
  return found;
}

const html = (id: string): HTMLElement => element(id, HTMLElement);

function made(tag: string, className: string, text: string): HTMLElement {
  const node = document.createElement(tag);
  if (className !== '') node.className = className;
  node.textContent = text;
  return node;
}

/** Writes only what differs, so that a screen reader is not told the same twice and a selection stays. */
function setText(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

function showState(state: RunPageState): void {
  document.title = state.title;
  setText(html('title'), state.title);
  setText(html('subtitle'), state.subtitle);
  setText(html('state'), state.state);
  html('state').className = state.tone;
  html('cancel').hidden = !state.canCancel;
  html('retry').hidden = !state.canRetry;
  html('error').hidden = state.error === undefined;
  setText(html('error-message'), state.error === undefined ? '' : `${state.error.message} (${state.error.code})`);
  setText(html('error-hint'), state.error?.hint ?? '');
  html('facts').replaceChildren(
    ...state.facts.map(({ name, value }) => {
      const pair = made('div', '', '');
      pair.append(made('dt', '', name), made('dd', '', value));
      return pair;
    }),
  );
  html('phases').replaceChildren(
    ...state.phases.map((phase) => {
      const item = made('li', phase.state, phase.text);
      item.setAttribute('aria-label', phase.spoken);
      if (phase.state === 'now') item.setAttribute('aria-current', 'step');
      return item;
    }),
  );
  html('progress').hidden = state.disks.length === 0;
  setText(html('parts'), state.parts);
  showBars(html('total'), state.total === undefined || state.disks.length < 2 ? [] : [state.total]);
  showBars(html('disks'), state.disks);
  html('warnings').hidden = state.warnings.length === 0;
  html('warning-list').replaceChildren(...state.warnings.map((text) => made('li', '', text)));
}

/** Bars stay the same elements while they move. */
function showBars(parent: HTMLElement, bars: readonly Bar[]): void {
  while (parent.children.length > bars.length) parent.lastElementChild?.remove();
  for (const [index, { name, percent, amount }] of bars.entries()) {
    const row = parent.children[index] ?? parent.appendChild(newBar());
    const [label, progress, figures] = row.children;
    if (label === undefined || figures === undefined || !(progress instanceof HTMLProgressElement)) continue;
    setText(label, name);
    if (percent === undefined) progress.removeAttribute('value');
    else progress.value = percent;
    progress.setAttribute('aria-label', name);
    progress.setAttribute('aria-valuetext', amount);
    setText(figures, percent === undefined ? amount : `${percent} % · ${amount}`);
  }
}

function newBar(): HTMLElement {
  const row = made('div', 'bar', '');
  const progress = document.createElement('progress');
  progress.max = 100;
  row.append(made('span', 'name', ''), progress, made('span', 'figures', ''));
  return row;
}

function showChart({ points, description, top, end }: Chart): void {
  html('throughput').hidden = points.length < 2;
  setText(html('chart-top'), top);
  setText(html('chart-end'), end);
  const svg = element('chart', SVGSVGElement);
  svg.setAttribute('aria-label', description);
  const highest = Math.max(1, ...points.map(({ bytesPerSecond }) => bytesPerSecond));
  const longest = Math.max(1, points.at(-1)?.atMs ?? 1);
  const line = points.map(({ atMs, bytesPerSecond }) => {
    const x = (atMs / longest) * chart.width;
    const y = chart.height - (bytesPerSecond / highest) * (chart.height - 4);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  svg.replaceChildren(
    shape('polygon', 'area', `0,${chart.height} ${line.join(' ')} ${chart.width},${chart.height}`),
    shape('polyline', 'line', line.join(' ')),
  );
}

function shape(tag: 'polygon' | 'polyline', className: string, points: string): SVGElement {
  const node = document.createElementNS(svgNamespace, tag);
  node.setAttribute('class', className);
  node.setAttribute('points', points);
  return node;
}

function showLog(rows: readonly LogRow[], restart: boolean): void {
  const log = html('log');
  const follows = restart || log.scrollHeight - log.scrollTop - log.clientHeight < followPixels;
  if (restart) log.replaceChildren();
  log.append(
    ...rows.map(({ time, level, text }) => {
      const row = made('div', `row ${level}`, '');
      row.append(made('time', '', clock(time)), made('span', 'level', level), made('span', 'text', text));
      return row;
    }),
  );
  while (log.children.length > maxLogRows) log.firstElementChild?.remove();
  if (follows) log.scrollTop = log.scrollHeight;
}

/** `07:05:09` in this machine's zone. */
function clock(time: string): string {
  const date = new Date(time);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

window.addEventListener('message', ({ data }: MessageEvent<ToPage>) => {
  switch (data.type) {
    case 'state':
      showState(data.state);
      break;
    case 'chart':
      showChart(data.chart);
      break;
    case 'log':
      showLog(data.rows, data.restart);
      break;
  }
});
for (const id of ['cancel', 'retry', 'show-log']) {
  html(id).addEventListener('click', () => vscode.postMessage({ type: id }));
}
vscode.postMessage({ type: 'ready' });
