/** Pages that are read: Markdown made by the extension, shown in VS Code's own preview. */
import * as vscode from 'vscode';

/** Pages that are kept; a tab that is shown again after more of them says how to get its content. */
const maxPages = 50;

/** The pages of one scheme. */
export class MarkdownPages implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #scheme: string;
  /** What a page says that a window restored with its tabs. */
  readonly #missing: () => string;
  readonly #pages = new Map<string, string>();
  readonly #changes = new vscode.EventEmitter<vscode.Uri>();
  readonly #owned: vscode.Disposable;

  constructor(scheme: string, missing: () => string) {
    this.#scheme = scheme;
    this.#missing = missing;
    this.#owned = vscode.Disposable.from(
      this.#changes,
      vscode.workspace.registerTextDocumentContentProvider(scheme, this),
    );
  }

  get onDidChange(): vscode.Event<vscode.Uri> {
    return this.#changes.event;
  }

  /** Shows a page in the preview; `name` is the title of its tab. One that is open shows the new content. */
  async show(name: string, markdown: string): Promise<void> {
    const uri = vscode.Uri.from({ scheme: this.#scheme, path: `/${name}.md` });
    this.#pages.delete(uri.path);
    this.#pages.set(uri.path, markdown);
    for (const oldest of this.#pages.keys()) if (this.#pages.size > maxPages) this.#pages.delete(oldest);
    this.#changes.fire(uri);
    await vscode.commands.executeCommand('markdown.showPreview', uri);
  }

  provideTextDocumentContent({ path }: vscode.Uri): string {
    return this.#pages.get(path) ?? this.#missing();
  }

  dispose(): void {
    this.#owned.dispose();
  }
}
