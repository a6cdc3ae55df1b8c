/** One window of the editor, and what a user does there: click, type, read. */
import type { FrameLocator, Locator, Page } from 'playwright-core';

import { Messages } from './messages.ts';
import { QuickInput } from './quick-input.ts';
import { SideBar } from './side-bar.ts';
import { TextEditor } from './text-editor.ts';

/** Parts of the status bar that exist only in a browser. */
const noise = '[id="status.workbench.keyboardLayout"], [id="status.forwardedPorts"] { display: none !important }';

/** VS Code's themes: the setting's value, and the word that the workbench has in its class while it is drawn in it. */
export const themes = {
  dark: { name: 'Dark 2026', file: '2026-dark' },
  light: { name: 'Light 2026', file: '2026-light' },
  contrast: { name: 'Default High Contrast', file: 'hc_black' },
} as const;
export type Theme = keyof typeof themes;

export interface PictureOptions {
  readonly pointer?: boolean;
  /** Only the upper left part of the window, pixels. */
  readonly size?: { readonly width: number; readonly height: number };
}

/** Everything waits by itself; a thing that does not come is Playwright's timeout error, which names it. */
export class WorkbenchWindow {
  readonly page: Page;
  readonly quickInput: QuickInput;
  readonly sideBar: SideBar;
  readonly messages: Messages;
  readonly editor: TextEditor;
  /** Errors in the console that are not those of every run. */
  readonly problems: readonly string[];

  constructor(page: Page, problems: readonly string[]) {
    this.page = page;
    this.problems = problems;
    this.quickInput = new QuickInput(page);
    this.sideBar = new SideBar(page);
    this.messages = new Messages(page);
    this.editor = new TextEditor(page);
  }

  /** The workbench is drawn and connected. */
  async ready(): Promise<void> {
    const patient = { timeout: 60_000 };
    await this.page.locator('.monaco-workbench .part.statusbar').waitFor(patient);
    const connecting = this.page.locator('.statusbar-item', { hasText: 'Opening Remote' });
    await connecting.waitFor({ state: 'hidden', ...patient });
    await this.page.addStyleTag({ content: noise });
  }

  /** Runs a command of the palette by its title with the category. */
  async command(paletteTitle: string): Promise<void> {
    await this.quickInput.command(paletteTitle);
  }

  statusItem(text: string | RegExp): Locator {
    return this.page.locator('.statusbar-item:visible', { hasText: text });
  }

  /** The content of the webview that is shown: a frame in a frame. */
  async webview(): Promise<FrameLocator> {
    const outer = this.page.locator('iframe.webview.ready').filter({ visible: true }).last();
    await outer.waitFor();
    return outer.contentFrame().locator('iframe#active-frame').contentFrame();
  }

  /** A line of the output panel. Lines off screen do not exist. */
  outputLine(text: string | RegExp): Locator {
    return this.page.locator('.output-view .view-line', { hasText: text }).first();
  }

  /** Opens a walkthrough by the palette. */
  async openWalkthrough(title: string): Promise<void> {
    await this.command('Welcome: Open Walkthrough...');
    await this.quickInput.pick(title);
    await this.page
      .locator('.gettingStartedContainer .getting-started-step')
      .filter({ visible: true })
      .first()
      .waitFor();
  }

  /** Waits until the window is drawn in a theme that its settings were changed to. */
  async drawnIn(theme: Theme): Promise<void> {
    await this.page.locator(`.monaco-workbench[class*="theme-defaults-themes-${themes[theme].file}-json"]`).waitFor();
  }

  /** Saves a picture without caret and movement, and without pointer unless what it points at is in it. */
  async screenshot(path: string, options: PictureOptions = {}): Promise<void> {
    if (options.pointer !== true) await this.page.mouse.move(700, 899);
    await this.page.waitForTimeout(300);
    const { width, height } = options.size ?? {};
    const clip = width === undefined || height === undefined ? {} : { clip: { x: 0, y: 0, width, height } };
    await this.page.screenshot({ path, animations: 'disabled', caret: 'hide', ...clip });
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.ready();
  }

  /** Closes the window as a user does: the extension host ends in order. */
  async close(): Promise<void> {
    const context = this.page.context();
    await this.page.close();
    if (context.pages().length === 0) await context.close();
  }
}
