/** View containers, views and trees in the side bar of a window. */
import type { Locator, Page } from 'playwright-core';

import { beginning, exactly } from './exact.ts';

/** What is used of an element inside the page: these types are compiled without those of a browser. */
interface PageElement {
  readonly textContent: string | null;
  readonly classList: { contains(name: string): boolean };
  getAttribute(name: string): string | null;
  querySelector(selector: string): PageElement | null;
}

/** What a click or the start of a window set off is over after this, ms; slow machines get more with each attempt. */
const settleMs = 1000;

/** A view with a run under way is never calm. */
const calmLooks = 4;

/** How often something is clicked before it counts as broken. */
const clickAttempts = 5;

/** Trees are virtual: rows outside what fits on screen do not exist. */
export class SideBar {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  #icon(container: string): Locator {
    return this.#page
      .locator('.activitybar .action-item')
      .filter({ has: this.#page.locator(`[aria-label^="${container}"]`) });
  }

  /**
   * Opens a view container by its icon; one that is open stays open. A window that was loaded anew opens by itself what was open
   * before, at any moment until the extension has started: a click in that moment closes it, and it is clicked again.
   */
  async open(container: string): Promise<void> {
    const icon = this.#icon(container);
    const title = this.#page.locator('.sidebar .composite.title', { hasText: container });
    await icon.waitFor();
    for (let attempt = 0; attempt < clickAttempts; attempt++) {
      if (attempt > 0) await icon.click();
      // At first only what opens by itself.
      await title.waitFor({ timeout: settleMs * (attempt + 1) }).catch(() => undefined);
      await this.#page.waitForTimeout(settleMs / 2);
      if (await title.isVisible()) return;
    }
    await title.waitFor();
  }

  /** Drags the edge of the side bar, so that it is this wide. */
  async resize(width: number): Promise<void> {
    const box = await this.#page.locator('.part.sidebar').boundingBox();
    if (box === null) throw new Error('There is no side bar.');
    const y = box.y + box.height / 2;
    const { mouse } = this.#page;
    await mouse.move(box.x + box.width + 1, y);
    await mouse.down();
    await mouse.move(box.x + width, y, { steps: 5 });
    await mouse.up();
  }

  /** The badge of a view container, undefined when it has none. */
  async badge(container: string): Promise<string | undefined> {
    const badge = this.#icon(container).locator('.badge-content');
    if ((await badge.count()) === 0) return undefined;
    const text = (await badge.first().innerText()).trim();
    return text === '' ? undefined : text;
  }

  #pane(name: string): Locator {
    const title = this.#page.locator('.title', { hasText: exactly(name) });
    return this.#page.locator('.sidebar .pane').filter({ has: this.#page.locator('.pane-header', { has: title }) });
  }

  /** Closes the section of a view, which may be closed already. */
  async close(name: string): Promise<void> {
    const header = this.#pane(name).locator('.pane-header').first();
    if ((await header.getAttribute('aria-expanded')) === 'true') await header.locator('.title').click();
  }

  /** The section of a view, opened when it was closed. */
  async view(name: string): Promise<Locator> {
    const pane = this.#pane(name);
    const header = pane.locator('.pane-header').first();
    await header.waitFor();
    if ((await header.getAttribute('aria-expanded')) === 'false') await header.click();
    return pane;
  }

  /** The welcome text of an empty view. */
  async welcome(view: string): Promise<Locator> {
    const content = (await this.view(view)).locator('.welcome-view-content');
    await content.waitFor();
    return content;
  }

  /** What a tree shows: one text for each row, indented by its level. */
  async rows(view: string): Promise<readonly string[]> {
    const rows = (await this.view(view)).locator('.monaco-list-row');
    const found = await rows.evaluateAll((elements: readonly PageElement[]) =>
      elements.map((row) => ({
        top: Number(/top: *([\d.]+)px/.exec(row.getAttribute('style') ?? '')?.[1]),
        level: Number(row.getAttribute('aria-level')),
        text: row.querySelector('.monaco-icon-label-container')?.textContent ?? '',
      })),
    );
    return found.toSorted((a, b) => a.top - b.top).map(({ level, text }) => '  '.repeat(level - 1) + text);
  }

  /** The first row of a tree whose label begins with this, once it is there. */
  async row(view: string, label: string | RegExp): Promise<Locator> {
    const row = await this.treeRow(view, label);
    await row.waitFor();
    return row;
  }

  /** The same, whether it is there or not. */
  async treeRow(view: string, label: string | RegExp): Promise<Locator> {
    const name = this.#page.locator('.label-name', { hasText: typeof label === 'string' ? beginning(label) : label });
    return (await this.view(view)).locator('.monaco-list-row').filter({ has: name }).first();
  }

  /** Opens a row, which may be open already. */
  async expand(view: string, label: string | RegExp): Promise<Locator> {
    const row = await this.row(view, label);
    if ((await row.getAttribute('aria-expanded')) === 'false') await row.locator('.monaco-tl-twistie').click();
    return row;
  }

  /** Closes a row, which may be closed already. */
  async collapse(view: string, label: string | RegExp): Promise<void> {
    const row = await this.row(view, label);
    if ((await row.getAttribute('aria-expanded')) === 'true') await row.locator('.monaco-tl-twistie').click();
  }

  /** Clicks the icon of a row, which is there only while the pointer is over the row. */
  async inlineAction(view: string, label: string | RegExp, action: string): Promise<void> {
    await this.#calm(view);
    const row = await this.row(view, label);
    await row.hover();
    await row.locator(`.actions .action-label[aria-label^="${action}"]`).click();
  }

  /**
   * Waits until a view has not changed for a moment, a few times at most. While VS Code reads a node anew it does not know what its
   * icons are about: a command of such a click asks instead.
   */
  async #calm(view: string): Promise<void> {
    let before = '';
    for (let look = 0; look < calmLooks; look++) {
      const now = (await this.rows(view)).join('\n');
      if (now === before) return;
      before = now;
      await this.#page.waitForTimeout(settleMs);
    }
  }

  /** The context menu that is open. It lives in a shadow root, which Playwright's selectors pass through. */
  get #menu(): Locator {
    return this.#page.locator('.monaco-menu-container .monaco-menu, .context-view .monaco-menu').last();
  }

  /** Chooses an entry of a row's context menu. */
  async contextMenu(view: string, label: string | RegExp, entry: string): Promise<void> {
    await this.#calm(view);
    await (await this.row(view, label)).click({ button: 'right' });
    const item = this.#menu.locator('.action-item', { hasText: entry }).first();
    // VS Code takes a click right after a menu opened for the end of the one that opened it: the menu stays, and is clicked again.
    for (let attempt = 1; ; attempt++) {
      await item.hover();
      await item.click();
      try {
        await item.waitFor({ state: 'hidden', timeout: 2000 });
        return;
      } catch (error) {
        if (attempt === clickAttempts) throw error;
      }
    }
  }

  /** The entries of a row's context menu that can be chosen. */
  async menuEntries(view: string, label: string | RegExp): Promise<readonly string[]> {
    await (await this.row(view, label)).click({ button: 'right' });
    const entries = this.#menu.locator('.action-item:not(.disabled) .action-label:not(.separator)');
    await entries.first().waitFor();
    const texts = await entries.allInnerTexts();
    await this.#page.keyboard.press('Escape');
    return texts.map((text) => text.trim());
  }

  /** Clicks an icon in a view's title. */
  async titleAction(view: string, action: string): Promise<void> {
    const pane = await this.view(view);
    await pane.locator('.pane-header').hover();
    await pane.locator(`.pane-header .action-label[aria-label^="${action}"]`).click();
  }

  /** The tooltip that appears over an element. */
  async tooltip(element: Locator): Promise<string> {
    // A pointer that does not move opens nothing.
    await this.#page.mouse.move(700, 450);
    await element.hover();
    const hover = this.#page.locator('.workbench-hover, .monaco-hover').filter({ visible: true }).last();
    await hover.waitFor();
    return hover.innerText();
  }
}
