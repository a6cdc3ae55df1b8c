/** Requests about reports. */
import * as protocol from '../../protocol/daemon.ts';
import type { Register } from '../session.ts';
import { reportText } from './report-text.ts';
import { reportOf } from './report.ts';
import type { ReportSources } from './report.ts';

/** Registers them. */
export function registerReports(register: Register, sources: ReportSources): void {
  register(protocol.getRunReport, ({ id }) => {
    const report = reportOf(id, sources);
    return { report, markdown: reportText(report) };
  });
}
