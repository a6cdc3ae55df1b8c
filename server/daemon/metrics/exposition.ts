/** Metrics as text: Prometheus' exposition format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/). */

/** What `Content-Type` says of it. */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

/** Values by the names of labels. An absent value leaves the label out. */
export type Labels = Readonly<Record<string, string | undefined>>;

/** One value of a metric. */
export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

/** A metric with all its series. Names end in their unit; counters in `_total`. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly samples: readonly Sample[];
}

/** Counts of values up to bounds. */
export interface HistogramMetric {
  readonly name: string;
  readonly help: string;
  readonly type: 'histogram';
  readonly series: readonly {
    readonly labels: Labels;
    /** Upper bounds, ascending, without infinity. */
    readonly bounds: readonly number[];
    /** How many values were at most as large as each bound and larger than the one before; one more at the end for those beyond. */
    readonly counts: readonly number[];
    readonly sum: number;
  }[];
}

/** The document. A metric without series is left out. */
export function exposition(metrics: readonly (Metric | HistogramMetric)[]): string {
  return metrics.map((metric) => (metric.type === 'histogram' ? histogramText(metric) : metricText(metric))).join('');
}

function metricText(metric: Metric): string {
  if (metric.samples.length === 0) return '';
  return headOf(metric) + metric.samples.map(({ labels = {}, value }) => line(metric.name, labels, value)).join('');
}

function histogramText(metric: HistogramMetric): string {
  if (metric.series.length === 0) return '';
  const { name } = metric;
  const lines = metric.series.flatMap(({ labels, bounds, counts, sum }) => {
    let count = 0;
    const buckets = counts.map((number, index) => {
      count += number;
      const bound = bounds[index];
      return line(`${name}_bucket`, { ...labels, le: bound === undefined ? '+Inf' : String(bound) }, count);
    });
    return [...buckets, line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, count)];
  });
  return headOf(metric) + lines.join('');
}

function headOf({ name, help, type }: Metric | HistogramMetric): string {
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).flatMap(([label, text]) =>
    text === undefined ? [] : [`${label}="${escapedLabel(text)}"`],
  );
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${numberText(value)}\n`;
}

/** A label's value: backslash, quote and line feed are escaped; what is no Unicode text becomes U+FFFD. */
function escapedLabel(text: string): string {
  return text.toWellFormed().replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}
