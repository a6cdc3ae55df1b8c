/** Jobs of Hyper-V: short questions, asked again and again; nothing waits inside PowerShell. */
import { array, boolean, integer, nullable, object, string } from '../../../protocol/parse.ts';
import type { Parsed } from '../../../protocol/parse.ts';
import { command } from './command.ts';

const text = string({ maxLength: 65_536, allowEmpty: true });

/** One `Msvm_Error` of a job (`GetErrorEx`). */
export const jobError = object({ message: text, messageId: text });

/** A job as it is now (`Msvm_ConcreteJob`, hyperv-rct.md 1.2). */
export const job = object({
  /** 2 New, 3 Starting, 4 Running, 5 Suspended, 6 ShuttingDown, 7 Completed, 8 Terminated, 9 Killed, 10 Exception, 32768 CompletedWithWarnings. */
  jobState: integer(0, 65_535),
  /** What the job does: 70 create snapshot, 72 delete snapshot, 200 convert to reference point … */
  jobType: integer(0, 65_535),
  percent: integer(0, 100),
  errorCode: integer(0, 65_535),
  errorDescription: text,
  cancellable: boolean,
  /** HRESULT of a storage job, 0 for others. */
  completionStatus: integer(0, 4_294_967_295),
  errors: array(jobError, 64),
});
export type Job = Parsed<typeof job>;

/** `Msvm_ConcreteJob.JobState`. New (2), Starting (3) and all others go on. */
const completed = 7;
const completedWithWarnings = 32_768;
const terminal: ReadonlySet<number> = new Set([completed, 8, 9, 10, completedWithWarnings]);

/** How far a job is. */
export type JobPhase = 'running' | 'completed' | 'completed-with-warnings' | 'failed';

/** Tells the phase of a job. A storage job tells its HRESULT apart from the error code. */
export function jobPhase({ jobState, errorCode, completionStatus }: Job): JobPhase {
  if (!terminal.has(jobState)) return 'running';
  if (errorCode !== 0 || completionStatus >= 0x80000000) return 'failed';
  if (jobState === completed) return 'completed';
  return jobState === completedWithWarnings ? 'completed-with-warnings' : 'failed';
}

/** The job, or null when there is none of that id any more: it vanishes 5 minutes after its end, and with VMMS. */
export const getJob = command<{ readonly JobId: string }, { readonly job: Job | null }>(
  'Get-TidemarkJob',
  object({ job: nullable(job) }),
);

/** Asks for the end of a job (`RequestStateChange` 4, Terminate). `returnValue` is the method's own: 0, 4096, 4097 not any more, 4099 busy; null when there is no such job. */
export const stopJob = command<{ readonly JobId: string }, { readonly returnValue: number | null }>(
  'Stop-TidemarkJob',
  object({ returnValue: nullable(integer(0, 4_294_967_295)) }),
);
