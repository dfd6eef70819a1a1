package dev.perseid.journal;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.StringWriter;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;

/// A trace and what it tells as one HTML page, which needs no network and no other file: timeline,
/// cores and graph on canvases, and the findings as tables. The same trace gives the same bytes.
/// The page's own policy lets no script run but its own.
public final class TracePage {
  private static final JsonFactory JSON =
      JsonFactory.builder().enable(JsonWriteFeature.ESCAPE_FORWARD_SLASHES).build();
  private static final int ROWS = 15;
  private static final int ON_PATH = 1;
  private static final int IN_VAIN = 2;

  private final Inquiry inquiry;
  private final Trace trace;
  private final Pieces pieces;
  private final Findings findings;
  private final OptionalLong live;

  // Bars: the pieces that ran, by lane and then by start.
  private int[] bars = new int[0];
  private int[] laneTo = new int[0];
  private int[] lanePlace = new int[0];

  // Tasks by level and then by row.
  private int[] levelTo = new int[0];
  private int[] byLevel = new int[0];

  private TracePage(Trace given, OptionalLong cores, OptionalLong live) throws TraceFailure {
    this.live = live;
    inquiry = new Inquiry(given, cores);
    trace = inquiry.trace();
    pieces = inquiry.pieces();
    findings = inquiry.findings();
    if (pieces.count > Limits.PAGE_BARS) {
      throw new TraceFailure(
          given.id()
              + ": a page shows at most "
              + Limits.PAGE_BARS
              + " attempts and forks, this has "
              + pieces.count);
    }
  }

  /// Writes the page as UTF-8; the stream is flushed and left open.
  ///
  /// @param cores to reckon with; empty: those that it ran on
  /// @throws TraceFailure if nothing in it ran, or more than a page can show
  public static void write(Trace trace, OptionalLong cores, OutputStream out)
      throws IOException, TraceFailure {
    write(new TracePage(trace, cores, OptionalLong.empty()), out);
  }

  /// Writes the page of a run that goes on. It asks who served it for server-sent events at
  /// `events`, and for itself again when one of type `findings` has an id above its version, until
  /// one of type `end` comes.
  ///
  /// @param version of the trace, above 0 and growing
  /// @throws TraceFailure if nothing in it ran, or more than a page can show
  public static void writeLive(Trace trace, long version, OutputStream out)
      throws IOException, TraceFailure {
    write(new TracePage(trace, OptionalLong.empty(), OptionalLong.of(version)), out);
  }

  private static void write(TracePage page, OutputStream out) throws IOException {
    page.lanes();
    page.levels();
    String script = resource("page.js");
    String text = resource("page.html");
    Writer to = new java.io.BufferedWriter(new java.io.OutputStreamWriter(out, UTF_8));
    int at = 0;
    // The template's own marks only: what is filled in is not looked at again.
    while (true) {
      int open = text.indexOf('{', at);
      if (open < 0) {
        to.write(text.substring(at));
        break;
      }
      int close = text.indexOf('}', open);
      to.write(text.substring(at, open));
      to.write(page.part(text.substring(open + 1, close), script));
      at = close + 1;
    }
    to.flush();
  }

  private String part(String name, String script) throws IOException {
    return switch (name) {
      case "script-hash" -> "sha256-" + Base64.getEncoder().encodeToString(sha256(script));
      // Only of whom it came from.
      case "connect" -> live.isPresent() ? "; connect-src 'self'" : "";
      case "title" -> escaped(findings.title());
      case "style" -> resource("page.css");
      case "summary" -> summary();
      case "tables" -> tables();
      case "meta" -> meta();
      case "columns" -> packed(columns());
      case "names" -> packed(names().getBytes(UTF_8));
      case "script" -> script;
      default -> throw new IllegalStateException("the page has no part " + name);
    };
  }

  private static byte[] sha256(String text) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(text.getBytes(UTF_8));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }

  private static String resource(String name) throws IOException {
    try (InputStream in = TracePage.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new AssertionError(name + " was left out of the build");
      }
      return new String(in.readAllBytes(), UTF_8);
    }
  }

  private static String packed(byte[] bytes) throws IOException {
    ByteArrayOutputStream packed = new ByteArrayOutputStream();
    Deflater deflater = new Deflater(6);
    try (DeflaterOutputStream out = new DeflaterOutputStream(packed, deflater)) {
      out.write(bytes);
    } finally {
      deflater.end();
    }
    return Base64.getEncoder().encodeToString(packed.toByteArray());
  }

  // ---- where everything is in the picture

  /// Lanes of all places one below the other, by the places' names.
  private void lanes() {
    Lanes of = new Lanes(pieces);
    int places = trace.places().size();
    Integer[] byName = new Integer[places];
    Arrays.setAll(byName, i -> i);
    Arrays.sort(byName, (a, b) -> trace.places().get(a).compareTo(trace.places().get(b)));
    int[] firstLane = new int[places];
    int all = 0;
    for (int place : byName) {
      firstLane[place] = all;
      all += of.lanes(place);
    }
    laneTo = new int[all];
    lanePlace = new int[all];
    for (int place = 0; place < places; place++) {
      Arrays.fill(lanePlace, firstLane[place], firstLane[place] + of.lanes(place), place);
    }
    bars = new int[of.pieces().length];
    for (int p : of.pieces()) {
      laneTo[firstLane[trace.placeOf(pieces.attempt[p])] + of.lane(p)]++;
    }
    int sum = 0;
    int[] next = new int[all];
    for (int l = 0; l < all; l++) {
      next[l] = sum;
      sum += laneTo[l];
      laneTo[l] = sum;
    }
    for (int p : of.pieces()) {
      bars[next[firstLane[trace.placeOf(pieces.attempt[p])] + of.lane(p)]++] = p;
    }
  }

  /// A task's level is one more than the highest of what it waited for; in a level tasks stand as
  /// what they waited for stands, which keeps most edges from crossing.
  private void levels() {
    int n = trace.tasks();
    int[] level = new int[n];
    int most = 0;
    for (int t : trace.order()) {
      for (int e = trace.parentsFrom(t); e < trace.parentsTo(t); e++) {
        level[t] = Math.max(level[t], level[trace.parentAt(e)] + 1);
      }
      if (trace.forkerOf(t) >= 0) {
        level[t] = Math.max(level[t], level[trace.forkerOf(t)] + 1);
      }
      most = Math.max(most, level[t]);
    }
    levelTo = new int[n == 0 ? 0 : most + 1];
    for (int t = 0; t < n; t++) {
      levelTo[level[t]]++;
    }
    int sum = 0;
    int[] next = new int[levelTo.length];
    for (int l = 0; l < levelTo.length; l++) {
      next[l] = sum;
      sum += levelTo[l];
      levelTo[l] = sum;
    }
    byLevel = new int[n];
    for (int t = 0; t < n; t++) {
      byLevel[next[level[t]]++] = t;
    }
    long[] row = new long[n];
    for (int l = 0; l < levelTo.length; l++) {
      int from = l == 0 ? 0 : levelTo[l - 1];
      int[] here = Arrays.copyOfRange(byLevel, from, levelTo[l]);
      long[] wanted = new long[n == 0 ? 0 : here.length];
      for (int i = 0; i < here.length; i++) {
        wanted[i] = wantedRow(here[i], row);
      }
      int[] order = LongOrder.by(wanted, here.length);
      for (int i = 0; i < here.length; i++) {
        int t = here[order[i]];
        byLevel[from + i] = t;
        row[t] = (2L * i + 1) * Limits.PAGE_BARS / here.length;
      }
    }
  }

  private long wantedRow(int t, long[] row) {
    long sum = 0;
    int many = 0;
    for (int e = trace.parentsFrom(t); e < trace.parentsTo(t); e++) {
      sum += row[trace.parentAt(e)];
      many++;
    }
    if (trace.forkerOf(t) >= 0) {
      sum += row[trace.forkerOf(t)];
      many++;
    }
    return many == 0 ? 0 : sum / many;
  }

  // ---- data

  private boolean edgesShown() {
    return trace.edges() + (long) trace.tasks() <= Limits.PAGE_EDGES;
  }

  private int edges() {
    if (!edgesShown()) {
      return 0;
    }
    int edges = trace.edges();
    for (int t = 0; t < trace.tasks(); t++) {
      edges += trace.forkerOf(t) >= 0 ? 1 : 0;
    }
    return edges;
  }

  private String meta() throws IOException {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = JSON.createGenerator(text)) {
      json.writeStartObject();
      if (live.isPresent()) {
        json.writeNumberField("live", live.getAsLong());
      }
      json.writeNumberField("bars", bars.length);
      json.writeNumberField("tasks", trace.tasks());
      json.writeNumberField("lanes", laneTo.length);
      json.writeNumberField("levels", levelTo.length);
      json.writeNumberField("edges", edges());
      json.writeNumberField("span", findings.spanNs());
      json.writeNumberField("peak", findings.peakParallel());
      json.writeArrayFieldStart("kinds");
      for (String kind : trace.kinds()) {
        json.writeString(printable(kind));
      }
      json.writeEndArray();
      json.writeArrayFieldStart("places");
      for (String place : trace.places()) {
        json.writeString(printable(place));
      }
      json.writeEndArray();
      json.writeEndObject();
    }
    // A name must not end the element that the text stands in.
    return text.toString().replace("<", "\\u003c");
  }

  private byte[] columns() {
    int n = trace.tasks();
    int edges = edges();
    long size =
        bars.length * (8L + 8 + 4 + 2 + 2 + 1)
            + n * (8L + 4 + 4 + 2)
            + laneTo.length * 8L
            + levelTo.length * 4L
            + edges * 4L;
    ByteBuffer b = ByteBuffer.allocate(Math.toIntExact(size)).order(ByteOrder.LITTLE_ENDIAN);
    for (int p : bars) {
      b.putDouble((double) (pieces.start[p] - pieces.begin));
    }
    for (int p : bars) {
      b.putDouble((double) (pieces.end[p] - pieces.begin));
    }
    for (long slack : inquiry.slack()) {
      b.putDouble((double) slack);
    }
    for (int p : bars) {
      b.putInt(pieces.task[p]);
    }
    for (int[] column : List.of(laneTo, lanePlace, levelTo, byLevel)) {
      for (int value : column) {
        b.putInt(value);
      }
    }
    int to = 0;
    for (int t = 0; t < n; t++) {
      if (edgesShown()) {
        to += trace.parentsTo(t) - trace.parentsFrom(t) + (trace.forkerOf(t) >= 0 ? 1 : 0);
      }
      b.putInt(to);
    }
    for (int t = 0; t < n && edgesShown(); t++) {
      for (int e = trace.parentsFrom(t); e < trace.parentsTo(t); e++) {
        b.putInt(trace.parentAt(e));
      }
      if (trace.forkerOf(t) >= 0) {
        b.putInt(trace.forkerOf(t));
      }
    }
    for (int p : bars) {
      b.putShort((short) Math.min(0xffff, pieces.cores[p]));
    }
    for (int p : bars) {
      b.putShort((short) Math.min(0xffff, trace.number(pieces.attempt[p])));
    }
    for (int t = 0; t < n; t++) {
      b.putShort((short) Math.min(0xffff, trace.kindOf(t)));
    }
    for (int p : bars) {
      b.put((byte) ((inquiry.onPath()[p] ? ON_PATH : 0) | (pieces.counts[p] ? 0 : IN_VAIN)));
    }
    return b.array();
  }

  private String names() {
    StringBuilder names = new StringBuilder();
    for (int t = 0; t < trace.tasks(); t++) {
      names.append(t == 0 ? "" : "\n").append(printable(trace.name(t)));
    }
    return names.toString();
  }

  private static String printable(String text) {
    StringBuilder safe = new StringBuilder(text.length());
    text.codePoints().forEach(c -> safe.appendCodePoint(Character.isISOControl(c) ? '?' : c));
    return safe.toString();
  }

  // ---- text

  private String summary() {
    StringBuilder s = new StringBuilder();
    s.append("<h1>").append(escaped(findings.title())).append("</h1>\n<p>");
    s.append(count(findings.tasks(), "task")).append(", ");
    s.append(count(findings.attempts(), "attempt"));
    s.append(findings.vain() == 0 ? "" : " (" + findings.vain() + " in vain)").append(", ");
    s.append(count(findings.places(), "place")).append(", ");
    s.append(count(findings.cores(), "core")).append(", ");
    s.append(duration(findings.spanNs()));
    s.append(" from the first task that was ready to the last end. Held back by ");
    s.append(escaped(findings.best().holds())).append(".</p>\n");
    for (String note : findings.notes()) {
      s.append("<p class=\"note\">").append(escaped(note)).append("</p>\n");
    }
    if (!edgesShown()) {
      s.append("<p class=\"note\">There are more than ").append(Limits.PAGE_EDGES);
      s.append(" dependencies: the graph is drawn without them.</p>\n");
    }
    return s.toString();
  }

  private String tables() {
    Findings f = findings;
    StringBuilder s = new StringBuilder("<div class=\"columns\">\n");
    head(s, "Where the time went: what the end was waiting for", "", "#time", "#share");
    for (Findings.Share share : few(f.where())) {
      row(s, share.words(), "#" + duration(share.ns()), "#" + percent(share.ns(), f.spanNs()));
    }
    close(s);
    head(s, "If (each is a rerun)", "", "#would have taken", "#faster");
    for (Findings.If one : few(f.ifs())) {
      String faster = String.format(Locale.ROOT, "%.2fx", one.speedup());
      row(s, one.change(), "#" + duration(one.makespanNs()), "#" + faster);
    }
    close(s);
    head(s, "Best possible", "", "#time", "#of what it took");
    Findings.Best best = f.best();
    bound(s, "with ever so many cores (the longest chain)", best.chainNs());
    bound(s, "on these cores (chain, or all work divided)", best.boundNs());
    bound(s, "rerun without delays or failures", best.promptNs());
    bound(s, "rerun as it was (how good the reruns are)", best.rerunNs());
    close(s);
    head(s, "Lives of all tasks", "", "#time");
    for (Findings.Share share : f.taskTime()) {
      row(s, share.words(), "#" + duration(share.ns()));
    }
    close(s);
    s.append("</div>\n");
    head(
        s,
        "Kinds",
        "kind",
        "#tasks",
        "#in vain",
        "#work",
        "#median",
        "#p95",
        "#max",
        "#on the path",
        "#least slack");
    for (Findings.Kind k : few(f.kinds())) {
      row(
          s,
          k.name(),
          "#" + k.tasks(),
          "#" + k.vain(),
          "#" + duration(k.workNs()),
          "#" + duration(k.medianNs()),
          "#" + duration(k.p95Ns()),
          "#" + duration(k.maxNs()),
          "#" + percent(k.pathNs(), f.spanNs()),
          "#" + duration(k.leastSlackNs()));
    }
    close(s);
    head(s, "The last steps of the chain that led to the end", "task", "place", "#waited", "#ran");
    int from = Math.max(0, f.path().size() - ROWS);
    for (Findings.Step step : f.path().subList(from, f.path().size())) {
      row(
          s,
          step.task(),
          step.place(),
          "#" + duration(step.waitedNs()),
          "#" + duration(step.ranNs()));
    }
    close(s);
    if (!f.stragglers().isEmpty()) {
      head(s, "Stragglers", "task", "#ran", "#usual", "place", "#others there, to usual");
      for (Findings.Straggler one : few(f.stragglers())) {
        row(
            s,
            one.task(),
            "#" + duration(one.ranNs()),
            "#" + duration(one.medianNs()),
            one.place(),
            "#" + String.format(Locale.ROOT, "%.2fx", one.placeSlowness()));
      }
      close(s);
    }
    if (!f.sizes().isEmpty()) {
      head(s, "Requests that do not fit", "kind", "resource", "#asked", "#used at most", "");
      for (Findings.Size size : few(f.sizes())) {
        row(s, size.kind(), size.resource(), "#" + size.asked(), "#" + size.used(), size.verdict());
      }
      close(s);
    }
    return s.toString();
  }

  private void bound(StringBuilder s, String what, long ns) {
    row(s, what, "#" + duration(ns), "#" + percent(ns, findings.spanNs()));
  }

  private static <T> List<T> few(List<T> all) {
    return all.subList(0, Math.min(ROWS, all.size()));
  }

  /// Cells that begin with `#` are numbers.
  private static void head(StringBuilder s, String title, String... cells) {
    s.append("<div><h2>").append(escaped(title)).append("</h2><table><tr>");
    for (String cell : cells) {
      cell(s, "th", cell);
    }
    s.append("</tr>\n");
  }

  private static void row(StringBuilder s, String first, String... cells) {
    s.append("<tr><td>").append(escaped(first)).append("</td>");
    for (String cell : cells) {
      cell(s, "td", cell);
    }
    s.append("</tr>\n");
  }

  private static void cell(StringBuilder s, String element, String cell) {
    boolean number = cell.startsWith("#");
    s.append('<').append(element).append(number ? " class=\"n\">" : ">");
    s.append(escaped(number ? cell.substring(1) : cell)).append("</").append(element).append('>');
  }

  private static void close(StringBuilder s) {
    s.append("</table></div>\n");
  }

  static String escaped(String text) {
    return printable(text)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }

  private static String count(long n, String what) {
    return String.format(Locale.ROOT, "%,d ", n) + what + (n == 1 ? "" : "s");
  }

  private static String percent(long part, long of) {
    return of <= 0 ? "-" : String.format(Locale.ROOT, "%.1f %%", 100.0 * part / of);
  }

  private static String duration(long ns) {
    String[] units = {"ns", "us", "ms", "s", "min", "h", "d"};
    double[] sizes = {1, 1e3, 1e6, 1e9, 6e10, 3.6e12, 8.64e13};
    int unit = 0;
    while (unit + 1 < sizes.length && Math.abs(ns) >= sizes[unit + 1]) {
      unit++;
    }
    double value = ns / sizes[unit];
    int digits = unit == 0 ? 0 : Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0;
    return String.format(Locale.ROOT, "%." + digits + "f %s", value, units[unit]);
  }
}
