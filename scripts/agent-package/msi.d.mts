/** A custom action of the MSI: what it runs or sets, when, and under which condition of Windows Installer. */
export interface CustomAction {
  readonly name: string;
  /** Number of Windows Installer ("Custom Action Types"). */
  readonly type: number;
  readonly source: string;
  /** A command line, or a value; properties in brackets are put in. */
  readonly target: string;
  readonly sequence: number;
  readonly condition: string;
}

export const actions: readonly CustomAction[];
/** Properties that an administrator may set. */
export const secure: readonly string[];
export function makeMsi(folder: string, target: string, as?: string): string | undefined;
