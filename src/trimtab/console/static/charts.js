// Charts over time: uPlot in the place of what the server drew. A drag selects the range and goes there.
"use strict";
(() => {
  if (!window.uPlot) return;
  const HEIGHT = 132;
  const drawn = new Map();
  const style = (name) => {
    const probe = document.createElement("span");
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  };
  const lines = ["accent", "l1", "l2", "l3", "l4", "l5"];
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const three = (value) => Number(value.toPrecision(3)).toString();
  const scaled = (value) => {
    for (const [size, letter] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]]) if (Math.abs(value) >= size) return three(value / size) + letter;
    return three(value);
  };
  const told = (value, unit) => {
    if (value === null || value === undefined) return "–";
    if (unit === "share") return value > 0.9995 && value < 1 ? ">99.9 %" : `${three(value * 100)} %`;
    if (unit === "s") return value >= 100 ? `${three(value / 60)} min` : value >= 1 || value === 0 ? `${three(value)} s` : value >= 1e-3 ? `${three(value * 1e3)} ms` : `${three(value * 1e6)} µs`;
    if (unit === "usd") return `$${scaled(value)}`;
    if (unit === "bytes") return `${scaled(value)}${value >= 1000 ? "" : " "}B`;
    return scaled(value);
  };
  const faint = (colour) => colour.replace(/^rgb\((.*)\)$/, "rgba($1, 0.16)");

  function marks(content, soft, bad) {
    return (plot) => {
      const { ctx } = plot, { top, height } = plot.bbox;
      ctx.save();
      for (const mark of content.marks) {
        if (mark.at < plot.scales.x.min || mark.at > plot.scales.x.max) continue;
        const x = Math.round(plot.valToPos(mark.at, "x", true));
        ctx.strokeStyle = mark.kind === "alert" ? bad : soft;
        ctx.setLineDash(mark.kind === "alert" ? [] : [4, 4]);
        ctx.beginPath(); ctx.moveTo(x, top); ctx.lineTo(x, top + height); ctx.stroke();
      }
      ctx.restore();
    };
  }

  function draw(figure) {
    const source = figure.querySelector("script[type='application/json']");
    if (!source || !figure.clientWidth) return;
    const text = source.textContent;
    const old = drawn.get(figure);
    if (old && old.text === text && old.plot.root.isConnected && old.width === figure.clientWidth) return;
    if (old) old.plot.destroy();
    const content = JSON.parse(text), [soft, line, bad] = [style("soft"), style("line"), style("bad")];
    const series = [{}], data = [content.times], bands = [];
    content.lines.forEach((one, number) => {
      const colour = style(lines[number % lines.length]);
      series.push({ label: one.name, stroke: colour, width: 1.5, spanGaps: false, points: { size: 4 }, value: (plot, value) => told(value, content.unit) });
      data.push(one.whole);
      if (one.dashed.length) {
        series.push({ label: "", stroke: colour, width: 1.5, dash: [3, 3], spanGaps: false, points: { show: false }, value: () => "" });
        data.push(one.dashed);
      }
      if (one.low.length) {
        for (const edge of [one.high, one.low]) { series.push({ label: "", stroke: "transparent", width: 0, points: { show: false }, value: () => "" }); data.push(edge); }
        bands.push({ series: [series.length - 2, series.length - 1], fill: faint(colour) });
      }
    });
    const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const options = {
      width: figure.clientWidth, height: HEIGHT, series, bands, legend: { show: false },
      tzDate: (at) => { try { return uPlot.tzDate(new Date(at * 1e3), zone); } catch { return new Date(at * 1e3); } },
      scales: { x: { time: true, range: () => [content.since, content.until] }, y: { range: () => content.span } },
      axes: [{ ...axis, space: 70, size: 26, values: times(content) }, { ...axis, size: 58, space: 34, values: (plot, ticks) => ticks.map((one) => told(one, content.unit)) }],
      cursor: { sync: { key: "trimtab" }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
      hooks: {
        draw: [marks(content, soft, bad)],
        setSelect: [(plot) => { if (plot.select.width > 4) select(plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x")); }],
        setCursor: [(plot) => say(figure, plot, content)],
      },
    };
    const plot = new uPlot(options, data, figure);
    plot.root.setAttribute("aria-hidden", "true");
    figure.classList.add("drawn");
    drawn.set(figure, { plot, text, width: figure.clientWidth });
  }
  function times(content) {
    const days = content.until - content.since > 172800;
    const form = new Intl.DateTimeFormat(undefined, { timeZone: zone, ...(days ? { day: "2-digit", month: "short" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }) });
    return (plot, ticks) => ticks.map((one) => form.format(new Date(one * 1e3)));
  }
  function say(figure, plot, content) {
    let words = figure.querySelector(".at");
    if (!words) { words = document.createElement("span"); words.className = "at hint"; figure.querySelector("figcaption").append(words); }
    const at = plot.cursor.idx;
    if (at === null || at === undefined || plot.cursor.left < 0) { words.textContent = ""; return; }
    const near = content.marks.find((mark) => Math.abs(plot.valToPos(mark.at, "x") - plot.cursor.left) < 5);
    const clock = new Intl.DateTimeFormat(undefined, { timeZone: zone, month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    const figures = content.lines.map((one) => `${content.lines.length > 1 ? one.name + " " : ""}${told(one.values[at], content.unit)}`);
    words.textContent = `${clock.format(new Date(content.times[at] * 1e3))}  ${figures.join("  ")}${near ? "  | " + near.words : ""}`;
  }
  function select(from, to) {
    const iso = (at) => new Date(at * 1e3).toISOString().slice(0, 16) + "Z";
    const address = new URL(location.href);
    address.searchParams.delete("range");
    address.searchParams.set("from", iso(Math.floor(from / 60) * 60));
    address.searchParams.set("to", iso(Math.ceil(to / 60) * 60));
    location.assign(address);
  }
  function drawAll() { for (const figure of document.querySelectorAll("figure.chart")) draw(figure); }
  function redraw() { for (const one of drawn.values()) one.plot.destroy(); drawn.clear(); drawAll(); }
  drawAll();
  window.addEventListener("trimtab:fresh", drawAll);
  window.addEventListener("trimtab:redraw", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  matchMedia("print").addEventListener("change", (event) => { for (const figure of drawn.keys()) figure.classList.toggle("drawn", !event.matches); });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; drawAll(); } });
})();
