/** The text editor that has the focus, and what a user does in it: go somewhere, type, look at what it offers. */
import type { Locator, Page } from 'playwright-core';

import { until } from './until.ts';

/** What is used of an element inside the page. */
interface PageElement {
  readonly textContent: string | null;
  getAttribute(name: string): string | null;
}

/** How often something is clicked before it counts as broken. */
const clickAttempts = 4;

/** Lines off screen do not exist. */
export class TextEditor {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  get #editor(): Locator {
    return this.#page
      .locator('.editor-group-container.active .monaco-editor[role="code"], .part.editor .monaco-editor')
      .first();
  }

  /** The lines on screen, from the top. */
  async lines(): Promise<readonly string[]> {
    const found = await this.#editor.locator('.view-line').evaluateAll((elements: readonly PageElement[]) =>
      elements.map((line) => ({
        top: Number(/top: *([\d.]+)px/.exec(line.getAttribute('style') ?? '')?.[1]),
        text: (line.textContent ?? '').replaceAll('\u00A0', ' '),
      })),
    );
    return found.toSorted((a, b) => a.top - b.top).map(({ text }) => text);
  }

  /** Waits until a line has this. */
  async shows(text: string | RegExp): Promise<void> {
    await until(
      () => this.lines(),
      (lines) => lines.some((line) => line.search(text) !== -1),
      30_000,
    );
  }

  /** Selects a text on screen: the caret goes to its line and column by the palette, as a keyboard user does it. */
  async select(text: string): Promise<void> {
    const lines = await this.lines();
    const index = lines.findIndex((line) => line.includes(text));
    const line = lines[index];
    if (line === undefined) throw new Error(`${text} is not on screen:\n${lines.join('\n')}`);
    await this.#goTo(await this.#lineNumber(index), line.indexOf(text) + 1);
    for (let i = 0; i < text.length; i++) await this.#page.keyboard.press('Shift+ArrowRight');
  }

  /** Puts the caret before a text on screen. */
  async goBefore(text: string): Promise<void> {
    await this.select(text);
    await this.#page.keyboard.press('ArrowLeft');
  }

  async #goTo(line: number, column: number): Promise<void> {
    await this.#page.keyboard.press('Control+1');
    await this.#page.keyboard.press('Control+g');
    const input = this.#page.locator('.quick-input-widget .quick-input-box input');
    await input.waitFor();
    await input.fill(`:${line}:${column}`);
    await this.#page.keyboard.press('Enter');
    await input.waitFor({ state: 'hidden' });
  }

  async #lineNumber(index: number): Promise<number> {
    const numbers = await this.#editor.locator('.line-numbers').allInnerTexts();
    const sorted = numbers.map(Number).toSorted((a, b) => a - b);
    return sorted[index] ?? index + 1;
  }

  /** Types in place of what is selected. */
  async type(text: string): Promise<void> {
    await this.#page.keyboard.type(text, { delay: 20 });
  }

  async save(): Promise<void> {
    await this.#page.keyboard.press('Escape');
    await this.#page.keyboard.press('Control+s');
    await this.#page.locator('.tab.active.dirty').waitFor({ state: 'detached' });
  }

  /** Asks for completions, and gives those that show. */
  async completions(): Promise<readonly string[]> {
    await this.#page.keyboard.press('Escape');
    await this.#page.keyboard.press('Control+Space');
    const names = this.#page.locator('.suggest-widget.visible .monaco-list-row .label-name');
    await names.first().waitFor();
    return names.allInnerTexts();
  }

  /** Takes a completion that shows. */
  async complete(label: string): Promise<void> {
    await this.#page.locator('.suggest-widget.visible .monaco-list-row', { hasText: label }).first().click();
  }

  /** What the hover over a text on screen says. */
  async hover(text: string): Promise<string> {
    await this.goBefore(text);
    await this.#page.keyboard.press('Control+k');
    await this.#page.keyboard.press('Control+i');
    const hover = this.#page.locator('.monaco-hover:visible, .monaco-resizable-hover:visible').last();
    await hover.waitFor();
    return until(
      () => hover.innerText(),
      (said) => said.trim() !== '' && !said.includes('Loading'),
    );
  }

  /** Follows the link of the code of what was found at a text on screen. */
  async followCode(text: string): Promise<void> {
    await this.hover(text);
    await this.#page.locator('.monaco-hover a.code-link').first().click();
  }

  /** Marks under what was found. */
  squiggles(severity: 'error' | 'warning'): Locator {
    return this.#editor.locator(`.squiggly-${severity}`);
  }

  /** Takes a quick fix for what is at the caret. */
  async fix(title: string | RegExp): Promise<void> {
    await this.#page.keyboard.press('Escape');
    await this.#page.keyboard.press('Control+.');
    const entry = this.#page.locator('.action-widget .monaco-list-row', { hasText: title }).first();
    await entry.waitFor();
    await this.#page.waitForTimeout(300);
    await entry.click();
    await entry.waitFor({ state: 'hidden' });
  }

  /** A code lens: a link, or a text that only says something. */
  lens(title: string | RegExp): Locator {
    return this.#editor.locator('.codelens-decoration > :is(a, span)', { hasText: title }).first();
  }

  /** Clicks a code lens, and again until `follows`: VS Code draws lenses anew when they are asked for again, and a click then is lost. */
  async clickLens(title: string | RegExp, follows: Locator): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.lens(title).click();
      try {
        await follows.waitFor({ timeout: 2000 * attempt });
        return;
      } catch (error) {
        if (attempt === clickAttempts) throw error;
      }
    }
  }
}
