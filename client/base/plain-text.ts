/** Texts that VS Code would read links in: messages, progress and input boxes. */

/**
 * The text as it is, without links. VS Code makes `[label](command:…)` in a message a link that runs the command, and names of VMs and errors
 * of hosts are anybody's text.
 */
export function withoutLinks(text: string): string {
  return text.replaceAll('](', '] (');
}
