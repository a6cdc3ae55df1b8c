/** What the extension and the run page say to each other. The page is a webview: what it sends is parsed. */
import { literal, object, union } from '../../server/protocol/parse.ts';
import type { Parsed } from '../../server/protocol/parse.ts';

/** How far a phase is. */
export type PhaseState = 'done' | 'now' | 'failed' | 'to-do';

/** A bar: of the whole run or of one disk. */
export interface Bar {
  readonly name: string;
  /** Whole percent; absent while nothing can be said. */
  readonly percent?: number | undefined;
  /** `1.2 GiB of 3 GiB`. */
  readonly amount: string;
}

/** A line of facts under the title. */
export interface Fact {
  readonly name: string;
  readonly value: string;
}

/** Everything the page shows but the chart and the log, in the user's language. */
export interface RunPageState {
  readonly title: string;
  readonly subtitle: string;
  readonly state: string;
  /** Chooses the icon and colour of the state; the words say the same. */
  readonly tone: 'quiet' | 'active' | 'good' | 'bad';
  readonly facts: readonly Fact[];
  readonly phases: readonly { readonly text: string; readonly state: PhaseState; readonly spoken: string }[];
  /** What the bars are of: disks, or the VMs of a policy. */
  readonly parts: string;
  readonly total?: Bar | undefined;
  readonly disks: readonly Bar[];
  readonly error?: { readonly message: string; readonly hint?: string | undefined; readonly code: string } | undefined;
  readonly warnings: readonly string[];
  readonly canCancel: boolean;
  readonly canRetry: boolean;
}

/** One point of the chart. */
export interface ChartPoint {
  /** Since the run started, ms. */
  readonly atMs: number;
  readonly bytesPerSecond: number;
}

/** The chart with its words. */
export interface Chart {
  readonly points: readonly ChartPoint[];
  /** What a screen reader says instead of the picture. */
  readonly description: string;
  /** The rate at the top of the chart: `210 MiB/s`. */
  readonly top: string;
  /** The time at its right end: `3 min 20 s`. */
  readonly end: string;
}

export interface LogRow {
  readonly time: string;
  readonly level: 'debug' | 'info' | 'warning' | 'error';
  readonly text: string;
}

export type ToPage =
  | { readonly type: 'state'; readonly state: RunPageState }
  | { readonly type: 'chart'; readonly chart: Chart }
  /** Lines that follow those sent before; with `restart` the log begins anew. */
  | { readonly type: 'log'; readonly rows: readonly LogRow[]; readonly restart: boolean };

export const fromPage = union('type', {
  /** The page was loaded, or loaded again: send everything. */
  ready: object({ type: literal('ready') }),
  cancel: object({ type: literal('cancel') }),
  retry: object({ type: literal('retry') }),
  'show-log': object({ type: literal('show-log') }),
});
export type FromPage = Parsed<typeof fromPage>;
