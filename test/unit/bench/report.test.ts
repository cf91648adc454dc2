import { describe, expect, it } from 'vitest';
import { htmlReport, svgReport } from '../../../src/bench/report/document';
import { histogram, sparkline } from '../../../src/bench/report/histogram';
import { escapeMarkup } from '../../../src/bench/report/markup';
import { textReport } from '../../../src/bench/report/text';
import { digits } from '../../../src/bench/report/words';
import { formatTable } from '../../../src/cli/terminal/render';
import { result } from './fixture';

describe('escapeMarkup', () => {
  it('leaves nothing that a page or a picture could take for its own', () => {
    expect(escapeMarkup(`<a href="x" b='y'>&amp;`)).toBe('&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;');
    expect(escapeMarkup('a\0b\x1bc\ud800d\ufffe\n')).toBe('a?b?c?d?\n');
    expect(escapeMarkup('grüße 😀')).toBe('grüße 😀');
  });
});

describe('reports', () => {
  const hostile = `<script>alert(1)</script>"'&`;
  const documents = { html: htmlReport(result([hostile, 'crun'])), svg: svgReport(result([hostile, 'crun'])) };

  it.each(Object.entries(documents))('%s shows foreign text as text', (_, text) => {
    expect(text).not.toContain('<script');
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;');
  });

  it.each(Object.entries(documents))('%s fetches nothing', (_, text) => {
    expect(text.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|url\(|@import|src=|href=|<link/);
  });

  it.each(Object.entries(documents))('%s reads on light and on dark ground', (_, text) => {
    expect(text).toContain('prefers-color-scheme:dark');
  });

  it.each(Object.entries(documents))('%s has every element closed', (_, text) => {
    const open: string[] = [];
    const voids = ['meta', '!doctype'];
    for (const [, slash, name, rest] of text.matchAll(/<(\/?)([!a-z][\w]*)([^>]*)>/g)) {
      if (slash === '/') expect(open.pop()).toBe(name);
      else if (!rest?.endsWith('/') && !voids.includes(name as string)) open.push(name as string);
    }
    expect(open).toEqual([]);
  });

  it('say what was left out', () => {
    expect(documents.html).toContain('podman is left out: not on PATH');
    expect(documents.svg).toContain('crun: status 1: no');
  });

  it('are there also with nothing but davit', () => {
    const little = { ...result(['davit']), throughput: [], memory: [], phases: [] };
    expect(htmlReport(little)).toContain('</html>');
    expect(svgReport(little)).not.toContain('NaN');
    expect(documents.html + documents.svg).not.toContain('NaN');
  });
});

describe('textReport', () => {
  const text = textReport(result(), { width: 60, ascii: true, formatTable });

  it('has facts, percentiles, medians, throughput, memory, phases and notes', () => {
    expect(text).toMatch(/^image +\/images\/lab.sif \(SIF, 3.00 MiB, on ext4\)$/m);
    expect(text).toMatch(/^ +n +min +mean +p50 +p90 +p99 +max +ratio$/m);
    expect(text).toMatch(/^davit +3 +2.00 +5.00 +3.00 +10.0 +10.0 +10.0 +1.00$/m);
    expect(text).toMatch(/^crun +2 +4.00 +12.0 +12.0 +20.0 +20.0 +20.0 +2.00$/m);
    expect(text).toMatch(/^davit +lives +20.0 +10 +0.50 +0$/m);
    expect(text).toMatch(/^davit +200 +4000 +20 davit-init 4000$/m);
    expect(text).toMatch(/^mount: squashfs +0.40$/m);
    expect(text).toContain('note: podman is left out: not on PATH\n');
  });

  it('is plain ASCII where that is asked for', () => {
    expect(text).toMatch(/^[\n\x20-\x7e]*$/);
    expect(textReport(result(), { width: 60, ascii: false, formatTable })).toContain('█');
  });
});

describe('histogram', () => {
  it('has one line for each series and an axis with marks', () => {
    const lines = histogram(
      [
        { label: 'a', values: [1, 1, 1, 1, 2] },
        { label: 'long', values: [100] },
        { label: 'none', values: [] },
      ],
      'ms',
      40,
      true,
    ).split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^a {5} *# +[.:]/);
    expect(lines[1]).toMatch(/^long {10,}#$/);
    expect(lines[2]).toMatch(/^ +1 .*100 ms$/);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(46);
  });

  it('never shows a filled bin as empty', () => {
    expect(sparkline([0, 1, 1000], [' ', '.', '#'])).toBe(' .#');
    expect(histogram([], 'ms', 40, true)).toBe('');
  });
});

it('digits', () => {
  expect([0.123, 1.5, 12.34, 123.4, undefined].map(digits)).toEqual(['0.12', '1.50', '12.3', '123', '-']);
});
