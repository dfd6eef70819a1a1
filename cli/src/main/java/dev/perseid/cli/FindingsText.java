package dev.perseid.cli;

import dev.perseid.journal.Findings;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// Findings as text for people.
final class FindingsText {
  private static final int KINDS = 12;
  private static final int PATH = 12;
  private static final int STRAGGLERS = 8;
  private static final String LEVELS = " .:-=+*#%@";

  private FindingsText() {}

  static List<String> lines(Findings f) {
    List<String> lines = new ArrayList<>();
    lines.add(
        f.title()
            + ": "
            + many(f.tasks(), "task")
            + ", "
            + many(f.attempts(), "attempt")
            + (f.vain() == 0 ? "" : " (" + f.vain() + " in vain)")
            + " at "
            + many(f.places(), "place")
            + ", "
            + many(f.cores(), "core")
            + ", "
            + Amounts.duration(f.spanNs())
            + " from the first that was ready to the last end");
    for (String note : f.notes()) {
      lines.add("note: " + note);
    }
    lines.add("");
    lines.add(
        "where the "
            + Amounts.duration(f.spanNs())
            + " went (what the end was waiting for, moment by moment)");
    Table where = new Table("", ">time", ">share");
    for (Findings.Share share : f.where().subList(0, Math.min(KINDS, f.where().size()))) {
      where.row(share.words(), Amounts.duration(share.ns()), share(share.ns(), f.spanNs()));
    }
    indented(lines, where);
    lines.add("");
    lines.add("where the lives of all tasks went");
    long lives = f.taskTime().stream().mapToLong(Findings.Share::ns).sum();
    Table time = new Table("", ">time", ">share");
    for (Findings.Share share : f.taskTime()) {
      time.row(share.words(), Amounts.duration(share.ns()), share(share.ns(), lives));
    }
    indented(lines, time);
    lines.add("");
    lines.add("best possible");
    Table best = new Table("", ">time", ">of what it took");
    best.row(
        "with ever so many cores (the longest chain)",
        Amounts.duration(f.best().chainNs()),
        share(f.best().chainNs(), f.spanNs()));
    best.row(
        "on " + many(f.cores(), "core") + " (chain, or all work divided)",
        Amounts.duration(f.best().boundNs()),
        share(f.best().boundNs(), f.spanNs()));
    best.row(
        "rerun without delays or failures",
        Amounts.duration(f.best().promptNs()),
        share(f.best().promptNs(), f.spanNs()));
    best.row(
        "rerun as it was (how good the reruns are)",
        Amounts.duration(f.best().rerunNs()),
        share(f.best().rerunNs(), f.spanNs()));
    indented(lines, best);
    lines.add("  what holds it back: " + f.best().holds());
    lines.add("  longest chain: " + chain(f.best().chain()));
    lines.add("");
    lines.add("if (each line is a rerun)");
    Table ifs = new Table("", ">would have taken", ">faster");
    for (Findings.If one : f.ifs()) {
      ifs.row(
          one.change(),
          Amounts.duration(one.makespanNs()),
          String.format(Locale.ROOT, "%.2fx", one.speedup()));
    }
    indented(lines, ifs);
    lines.add("");
    lines.add(
        String.format(
            Locale.ROOT,
            "cores busy over time: %.1f on average, %d at most",
            f.meanParallel(),
            f.peakParallel()));
    lines.add("  |" + levels(f) + "|");
    lines.add("");
    lines.add("kinds");
    Table kinds =
        new Table(
            "kind",
            ">tasks",
            ">in vain",
            ">work",
            ">median",
            ">p95",
            ">max",
            ">on the path",
            ">least slack",
            ">median slack");
    for (Findings.Kind kind : f.kinds().subList(0, Math.min(KINDS, f.kinds().size()))) {
      kinds.row(
          kind.name(),
          kind.tasks(),
          kind.vain(),
          Amounts.duration(kind.workNs()),
          Amounts.duration(kind.medianNs()),
          Amounts.duration(kind.p95Ns()),
          Amounts.duration(kind.maxNs()),
          share(kind.pathNs(), f.spanNs()),
          Amounts.duration(kind.leastSlackNs()),
          Amounts.duration(kind.medianSlackNs()));
    }
    indented(lines, kinds);
    if (f.kinds().size() > KINDS) {
      lines.add("  and " + (f.kinds().size() - KINDS) + " more: --json");
    }
    path(lines, f);
    stragglers(lines, f);
    sizes(lines, f);
    return lines;
  }

  private static void path(List<String> lines, Findings f) {
    lines.add("");
    lines.add("the last steps of the chain that led to the end");
    Table path = new Table("task", "place", ">waited", ">ran", ">started at");
    int from = Math.max(0, f.path().size() - PATH);
    for (Findings.Step step : f.path().subList(from, f.path().size())) {
      path.row(
          step.task() + (step.attempt() > 1 ? " (attempt " + step.attempt() + ")" : ""),
          step.place(),
          Amounts.duration(step.waitedNs()),
          Amounts.duration(step.ranNs()),
          Amounts.duration(step.startNs()));
    }
    indented(lines, path);
    if (from > 0) {
      lines.add("  and " + from + (f.path().size() == 1_000 ? " or more" : "") + " before: --json");
    }
  }

  private static void stragglers(List<String> lines, Findings f) {
    if (f.stragglers().isEmpty()) {
      return;
    }
    lines.add("");
    lines.add("stragglers (more than twice the median of their kind)");
    Table table = new Table("task", ">ran", ">usual", "place", ">others there, to usual");
    int shown = Math.min(STRAGGLERS, f.stragglers().size());
    for (Findings.Straggler s : f.stragglers().subList(0, shown)) {
      table.row(
          s.task(),
          Amounts.duration(s.ranNs()),
          Amounts.duration(s.medianNs()),
          s.place(),
          String.format(Locale.ROOT, "%.2fx", s.placeSlowness()));
    }
    indented(lines, table);
  }

  private static void sizes(List<String> lines, Findings f) {
    if (f.sizes().isEmpty()) {
      return;
    }
    lines.add("");
    lines.add("requests that do not fit");
    Table table = new Table("kind", "resource", ">asked", ">used at most", "");
    for (Findings.Size size : f.sizes().subList(0, Math.min(KINDS, f.sizes().size()))) {
      table.row(
          size.kind(),
          size.resource(),
          amount(size.resource(), size.asked(), false),
          amount(size.resource(), size.used(), true),
          size.verdict());
    }
    indented(lines, table);
  }

  private static String amount(String resource, long value, boolean used) {
    return switch (resource) {
      case "memory" -> Amounts.bytes(value);
      case "time" -> Amounts.duration(value);
      case "cores" -> used ? String.format(Locale.ROOT, "%.1f", value / 1000.0) : "" + value;
      default -> Amounts.count(value);
    };
  }

  /// How many cores were busy, a character for each hundredth.
  static String levels(Findings f) {
    StringBuilder text = new StringBuilder();
    double most = Math.max(1, f.parallel().stream().mapToDouble(d -> d).max().orElse(1));
    for (double busy : f.parallel()) {
      int level = (int) Math.ceil(busy / most * (LEVELS.length() - 1) - 1e-9);
      text.append(LEVELS.charAt(Math.clamp(level, 0, LEVELS.length() - 1)));
    }
    return text.toString();
  }

  private static String chain(List<String> names) {
    if (names.size() <= 8) {
      return String.join(" -> ", names);
    }
    return String.join(" -> ", names.subList(0, 3))
        + " -> ... "
        + (names.size() - 6)
        + " more ... -> "
        + String.join(" -> ", names.subList(names.size() - 3, names.size()));
  }

  private static String many(long count, String what) {
    return Amounts.exact(count) + " " + what + (count == 1 ? "" : "s");
  }

  private static String share(long ns, long of) {
    return of <= 0 ? "-" : String.format(Locale.ROOT, "%.1f %%", 100.0 * ns / of);
  }

  private static void indented(List<String> lines, Table table) {
    for (String line : table.lines()) {
      if (!line.isBlank()) {
        lines.add("  " + line);
      }
    }
  }
}
