/** Progress of work on a whole repository, shown as one part of the run's progress model. */
import type { RunContext } from './context.ts';

/** Turns "so much of so much" into the run's progress; the total may change on the way. */
export function wholeProgress(context: RunContext, name: string): (doneBytes: number, totalBytes: number) => void {
  let total = -1;
  let shown = 0;
  return (doneBytes, totalBytes) => {
    if (totalBytes !== total || doneBytes < shown) {
      context.setDisks([{ name, totalBytes }]);
      total = totalBytes;
      shown = 0;
    }
    context.advance(name, doneBytes - shown);
    shown = doneBytes;
  };
}
