/** Numbers that only grow while the daemon runs. */
import type { HistogramMetric, Labels, Metric } from './exposition.ts';

/** A counter with labels, of a bounded number of series: what is beyond is not counted. */
export class Counter {
  readonly #name: string;
  readonly #help: string;
  readonly #maxSeries: number;
  readonly #series = new Map<string, { readonly labels: Labels; value: number }>();

  constructor(name: string, help: string, maxSeries: number) {
    this.#name = name;
    this.#help = help;
    this.#maxSeries = maxSeries;
  }

  add(labels: Labels, value: number): void {
    const key = JSON.stringify(labels);
    const known = this.#series.get(key);
    if (known !== undefined) known.value += value;
    else if (this.#series.size < this.#maxSeries) this.#series.set(key, { labels, value });
  }

  metric(): Metric {
    return { name: this.#name, help: this.#help, type: 'counter', samples: [...this.#series.values()] };
  }
}

/** How often values were how large. The labels' values must be few. */
export class Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { readonly labels: Labels; readonly counts: number[]; sum: number }>();

  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
  }

  observe(labels: Labels, value: number): void {
    const key = JSON.stringify(labels);
    const series = this.#series.get(key) ?? { labels, counts: [...this.#bounds.map(() => 0), 0], sum: 0 };
    this.#series.set(key, series);
    const found = this.#bounds.findIndex((bound) => value <= bound);
    const bucket = found < 0 ? this.#bounds.length : found;
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
    series.sum += value;
  }

  metric(): HistogramMetric {
    const series = [...this.#series.values()].map((one) => ({ ...one, bounds: this.#bounds }));
    return { name: this.#name, help: this.#help, type: 'histogram', series };
  }
}
